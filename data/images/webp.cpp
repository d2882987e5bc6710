// WebP by libwebp, lossy and lossless; of an animation nothing is read. Alpha is dropped, as of a PNG.
#include <webp/decode.h>

#include "data/images/image_io.h"
#include "tensor/error.h"

namespace rein::data {

Image decode_webp(std::span<const std::uint8_t> bytes, const std::string& name) {
  WebPBitstreamFeatures features;
  if (WebPGetFeatures(bytes.data(), bytes.size(), &features) != VP8_STATUS_OK)
    fail_runtime("webp", name, ": truncated or damaged");
  if (features.has_animation != 0) fail_runtime("webp", name, ": an animation is not read");
  if (std::int64_t{features.width} * features.height > max_image_pixels)
    fail_runtime("webp", name, ": ", features.width, " x ", features.height,
                 " pixels are more than the reader allows (", max_image_pixels, ")");
  Image out(features.height, features.width);
  if (WebPDecodeRGBInto(bytes.data(), bytes.size(), out.pixels.data(), out.pixels.size(),
                        static_cast<int>(out.pitch())) == nullptr)
    fail_runtime("webp", name, ": truncated or damaged");
  return out;
}

}  // namespace rein::data
