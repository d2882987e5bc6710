// Windows bitmaps: palettes of 1, 4 and 8 bits, 24 and 32 bits, rows from either end. Compressed ones are refused.
#include <cstring>

#include "data/images/header.h"
#include "data/images/image_io.h"
#include "tensor/error.h"

namespace rein::data {
namespace {

struct Bitmap {
  std::span<const std::uint8_t> bytes;
  const std::string& name;

  template <class... Parts>
  [[noreturn]] void complain(const Parts&... parts) const {
    fail_runtime("bmp", name, ": ", parts...);
  }
  std::uint32_t number(std::size_t at, std::size_t count) const {
    if (at + count > bytes.size()) complain("truncated");
    std::uint32_t value = 0;
    for (std::size_t i = 0; i < count; ++i) value |= std::uint32_t{bytes[at + i]} << (8 * i);
    return value;
  }

  std::vector<Rgb> palette(std::uint32_t header, bool old, std::size_t bits) const {
    std::size_t count = std::size_t{1} << bits;
    if (const std::size_t used = old ? 0 : number(46, 4); used > 0) count = std::min(count, used);
    const std::size_t step = old ? 3 : 4;
    std::vector<Rgb> colours;
    for (std::size_t i = 0; i < count; ++i) {
      const std::uint32_t bgr = number(14 + header + step * i, 3);
      colours.push_back({std::uint8_t(bgr >> 16), std::uint8_t(bgr >> 8), std::uint8_t(bgr)});
    }
    return colours;
  }

  Image read() const {
    const std::uint32_t header = number(14, 4);
    const bool old = header == 12;  // of OS/2
    if (!old && header < 40) complain("a header of ", header, " bytes is not known");
    const Size size = header_of(bytes).stored;
    const bool from_top = !old && number(22, 4) > 0x7fffffffu;
    const std::uint32_t bits = number(old ? 24 : 28, 2), packing = old ? 0 : number(30, 4);
    constexpr std::uint32_t masks = 3;  // packing: 32 bits whose colours have masks
    const bool plain_masks = packing == masks && bits == 32 && number(54, 4) == 0xff0000u && number(58, 4) == 0xff00u &&
                             number(62, 4) == 0xffu;
    if (packing != 0 && !plain_masks) complain("compressed or masked pixels (", packing, ") are not read");
    if (bits != 1 && bits != 4 && bits != 8 && bits != 24 && bits != 32) complain(bits, " bits a pixel are not read");
    if (size.height < 1 || size.width < 1) complain("no pixels");
    if (size.height > max_image_side || size.width > max_image_side ||
        std::int64_t{size.height} * size.width > max_image_pixels)
      complain(size.width, " x ", size.height, " pixels are more than the reader allows (", max_image_pixels, ")");
    const std::size_t pitch = (std::size_t(size.width) * bits + 31) / 32 * 4, first = number(10, 4);
    if (first > bytes.size() || (bytes.size() - first) / pitch < std::size_t(size.height)) complain("truncated");
    const std::vector<Rgb> colours = bits <= 8 ? palette(header, old, bits) : std::vector<Rgb>();
    Image out(size.height, size.width);
    for (int y = 0; y < size.height; ++y) {
      const std::size_t stored = std::size_t(from_top ? y : size.height - 1 - y);
      read_row(bytes.data() + first + stored * pitch, bits, colours, out.row(y), size.width);
    }
    return out;
  }

  void read_row(const std::uint8_t* from, std::uint32_t bits, const std::vector<Rgb>& colours, std::uint8_t* to,
                int width) const {
    for (std::size_t x = 0; x < std::size_t(width); ++x, to += 3) {
      if (bits > 8) {
        const std::uint8_t* bgr = from + x * (bits / 8);
        to[0] = bgr[2];
        to[1] = bgr[1];
        to[2] = bgr[0];
        continue;
      }
      const std::size_t shift = 8 - bits - x * bits % 8;
      const std::size_t index = from[x * bits / 8] >> shift & ((1u << bits) - 1);
      if (index >= colours.size()) complain("palette index ", index, " has no colour");
      std::memcpy(to, colours[index].data(), 3);
    }
  }
};

}  // namespace

Image decode_bmp(std::span<const std::uint8_t> bytes, const std::string& name) {
  return Bitmap{bytes, name}.read();
}

}  // namespace rein::data
