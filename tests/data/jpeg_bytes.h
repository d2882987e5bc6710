// JPEG files for tests, by stb_image_write.
#pragma once

#include <cstdint>
#include <vector>

#include "data/images/image.h"

namespace rein::test {

std::vector<std::uint8_t> make_jpeg(const data::Image& image, int quality);

}  // namespace rein::test
