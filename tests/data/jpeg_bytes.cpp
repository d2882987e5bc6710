#include "tests/data/jpeg_bytes.h"

#define STB_IMAGE_WRITE_IMPLEMENTATION
#define STB_IMAGE_WRITE_STATIC
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wmissing-field-initializers"
#pragma GCC diagnostic ignored "-Wshadow"
#include "stb_image_write.h"
#pragma GCC diagnostic pop

namespace rein::test {

std::vector<std::uint8_t> make_jpeg(const data::Image& image, int quality) {
  std::vector<std::uint8_t> out;
  const auto append = [](void* context, void* data, int size) {
    auto* bytes = static_cast<std::uint8_t*>(data);
    static_cast<std::vector<std::uint8_t>*>(context)->insert(static_cast<std::vector<std::uint8_t>*>(context)->end(),
                                                             bytes, bytes + size);
  };
  stbi_write_jpg_to_func(append, &out, image.width, image.height, image.channels, image.pixels.data(), quality);
  return out;
}

}  // namespace rein::test
