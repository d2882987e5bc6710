#include "data/scenes/scene.h"

#include "data/scenes/build/build.h"
#include "data/scenes/render/develop.h"
#include "tensor/error.h"

namespace rein::data::scenes {

void check_size(Size size) {
  const auto fits = [](int side) { return side >= min_side && side <= max_side; };
  require(fits(size.height) && fits(size.width), "scenes", "a side must be within ", min_side, " and ", max_side,
          " pixels, got ", size.height, " x ", size.width);
}

Scene render(const Style& style, std::uint64_t seed, std::int64_t index, Size size) {
  check_size(size);
  require(index >= 0, "scenes", "the index must be 0 or more, got ", index);
  const Draw draw(RandomKey(seed).child("scene").child(static_cast<std::uint64_t>(index)));
  const Street street = plan_street(draw.child("street"));
  World world;
  build_lots(world, street, style, draw.child("lots"));
  build_skyline(world, street, style, draw.child("skyline"));
  build_furniture(world, street, style, draw.child("furniture"));
  build_traffic(world, street, style, draw.child("traffic"));
  const Light light = make_light(style, draw.child("light"));
  const Camera camera = make_camera(style, draw.child("camera"), street.own_s, size.height * samples_per_side,
                                    size.width * samples_per_side);
  Samples samples = shade(world, street, style, light, camera, draw.child("bonnet"));
  draw_with_pen(samples, style.pen, draw.child("pen"));
  Scene scene;
  scene.labels = LabelMap(size.height, size.width);
  Picture picture = resolve(samples, scene.labels);
  add_weather(picture, style, light, camera, draw.child("weather"));
  scene.image = expose(picture, style, draw.child("sensor"));
  return scene;
}

}  // namespace rein::data::scenes
