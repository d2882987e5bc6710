// A ViT's features from a published file: which patches look like the one in the middle?
//   vit_features WEIGHTS [PHOTO]        WEIGHTS: DINOv2, CLIP, SAM, … as .safetensors or .pth, or assets/nano_vit
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>

#include "data/images/image_io.h"
#include "data/images/resize.h"
#include "data/loading/transforms.h"
#include "data/scenes/split.h"
#include "models/zoo/zoo.h"

using namespace rein;

namespace {

int run(int argc, char** argv) {
  // Names and shapes in the file say which model it is; the module declares its parameters, the file fills them.
  const models::zoo::Weights weights = models::zoo::open_weights(argv[1]);
  std::printf("%s\n", weights.model.text().c_str());
  models::Vit vit(weights.model.options);
  vit.freeze();
  models::zoo::bind_weights(vit, weights, DType::f32);

  // A photo, or a rendered street; both sides whole patches, normalised as the model was trained.
  const int patch = static_cast<int>(vit.options().patch), side = 16 * patch;
  const data::Size size{side, 2 * side};
  const auto street = [&] { return data::scenes::render(*data::scenes::styles_named({"game"})[0], 0, 3, size).image; };
  const data::Image photo = argc > 2 ? data::resize_bilinear(data::read_photo(argv[2]), size) : street();
  data::Normalisation norm;
  for (std::size_t c = 0; c < 3; ++c) {
    norm.mean[c] = static_cast<float>(255 * weights.model.mean[c]);
    norm.std[c] = static_cast<float>(255 * weights.model.std[c]);
  }
  const Tensor image = data::normalise_and_pad(photo, norm, size).view({1, size.height, size.width, 3});

  // The last block's map, (1, h, w, C): channels last, as everywhere in here.
  const int last = static_cast<int>(vit.options().depth) - 1;
  const NoGrad inference;
  const Tensor map = vit.forward(constant(image), {}, {.out_indices = {last}}).features[0].value();
  const std::int64_t h = map.size(1), w = map.size(2), channels = map.size(3);
  std::printf("features %s\n", map.shape().text().c_str());

  const float* middle = map.data<float>() + (h / 2 * w + w / 2) * channels;
  for (std::int64_t y = 0; y < h; ++y) {
    for (std::int64_t x = 0; x < w; ++x) {
      const float* p = map.data<float>() + (y * w + x) * channels;
      double dot = 0, pp = 0, mm = 0;
      for (std::int64_t c = 0; c < channels; ++c) dot += p[c] * middle[c], pp += p[c] * p[c], mm += middle[c] * middle[c];
      const double cosine = dot / std::sqrt(pp * mm);
      std::printf("%c", " .:-=+*#%@"[std::clamp(static_cast<int>(10 * cosine), 0, 9)]);
    }
    std::printf("\n");
  }
  return 0;
}

}  // namespace

// The library never prints and never exits: what is wrong with a file comes as an exception that names it.
int main(int argc, char** argv) {
  if (argc < 2) return std::fprintf(stderr, "vit_features WEIGHTS [PHOTO]\n"), 2;
  try {
    return run(argc, argv);
  } catch (const std::exception& error) {
    return std::fprintf(stderr, "error: %s\n", error.what()), 2;
  }
}
