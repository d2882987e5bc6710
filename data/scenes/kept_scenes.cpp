#include "data/scenes/kept_scenes.h"

#include <span>
#include <stdexcept>

#include "data/images/image_io.h"
#include "data/scenes/folder.h"
#include "tensor/error.h"
#include "tensor/io/sha256.h"

namespace rein::data::scenes {
namespace {

std::string fingerprint(const Style& style) {
  const Scene scene = render(style, 0, 0, {64, 128});
  return sha256(std::as_bytes(std::span(scene.image.pixels))).substr(0, 8);
}

}  // namespace

KeptScenes::KeptScenes(const Split& split, const std::filesystem::path& folder) : split_(split) {
  for (const Style* style : split.styles)
    folders_.push_back(folder / concat_text(style->name, "-", split.size.height, "x", split.size.width, "-seed",
                                            split.seed, "-", fingerprint(*style)));
}

Scene KeptScenes::render(std::int64_t index) const {
  const std::filesystem::path& folder = folders_[static_cast<std::size_t>(index) % folders_.size()];
  const std::string name = name_of(style_of(split_, index), index);
  const std::string number = name.substr(name.find('/') + 1);
  const std::filesystem::path photo = folder / (number + ".png"), ids = folder / (number + "-ids.png");
  std::error_code error;
  if (std::filesystem::exists(ids, error)) {  // written last
    try {
      Scene scene;
      scene.image = read_photo(photo);
      RawPng raw = read_png_raw(ids);
      scene.labels.height = raw.height;
      scene.labels.width = raw.width;
      scene.labels.ids = std::move(raw.samples8);
      const Size size{scene.image.height, scene.image.width};
      if (size == split_.size && raw.height == size.height && raw.width == size.width && raw.channels == 1 &&
          scene.labels.ids.size() == static_cast<std::size_t>(size.height) * static_cast<std::size_t>(size.width))
        return scene;
    } catch (const std::runtime_error&) {
      // Broken, and therefore rendered anew.
    }
  }
  Scene scene = scenes::render(split_, index);
  std::filesystem::create_directories(folder, error);
  if (error) fail_runtime("scenes", "cannot create ", folder.string(), ": ", error.message());
  write_scene(photo, ids, scene);
  return scene;
}

}  // namespace rein::data::scenes
