// TIFF by libtiff: the first picture of a file, 8 or 16 bits, of any layout that libtiff turns to RGBA. Alpha is
// dropped; the orientation is applied by who asks (header.h).
#include <tiffio.h>

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>

#include "data/images/image_io.h"
#include "tensor/error.h"

namespace rein::data {
namespace {

struct Memory {
  std::span<const std::uint8_t> bytes;
  std::size_t at = 0;
};

// Messages of libtiff are per process; this keeps the last one of the thread that decodes.
thread_local char last_message[200];

void on_error(const char*, const char* format, va_list arguments) {
  std::vsnprintf(last_message, sizeof last_message, format, arguments);
}

tmsize_t on_read(thandle_t handle, void* to, tmsize_t count) {
  auto* memory = static_cast<Memory*>(handle);
  const std::size_t left = memory->bytes.size() - std::min(memory->at, memory->bytes.size());
  const std::size_t n = std::min(left, static_cast<std::size_t>(count));
  if (n > 0) std::memcpy(to, memory->bytes.data() + memory->at, n);
  memory->at += n;
  return static_cast<tmsize_t>(n);
}
tmsize_t on_write(thandle_t, void*, tmsize_t) {
  return 0;
}
toff_t on_seek(thandle_t handle, toff_t offset, int whence) {
  auto* memory = static_cast<Memory*>(handle);
  const toff_t base = whence == SEEK_SET ? 0 : whence == SEEK_CUR ? memory->at : memory->bytes.size();
  memory->at = static_cast<std::size_t>(base + offset);
  return memory->at;
}
int on_close(thandle_t) {
  return 0;
}
toff_t on_size(thandle_t handle) {
  return static_cast<Memory*>(handle)->bytes.size();
}

}  // namespace

Image decode_tiff(std::span<const std::uint8_t> bytes, const std::string& name) {
  static const bool quiet = [] {
    TIFFSetErrorHandler(on_error);
    TIFFSetWarningHandler(nullptr);
    return true;
  }();
  static_cast<void>(quiet);
  last_message[0] = 0;
  const auto complain = [&] {
    fail_runtime("tiff", name, ": ", last_message[0] != 0 ? last_message : "truncated or damaged");
  };
  Memory memory{bytes};
  // "m": no mapping of memory; the file is in it already.
  const std::unique_ptr<TIFFOpenOptions, decltype(&TIFFOpenOptionsFree)> limits(TIFFOpenOptionsAlloc(),
                                                                                &TIFFOpenOptionsFree);
  TIFFOpenOptionsSetMaxSingleMemAlloc(limits.get(), tmsize_t{max_image_pixels} * 4);
  const std::unique_ptr<TIFF, decltype(&TIFFClose)> file(
      TIFFClientOpenExt("photo", "rm", &memory, on_read, on_write, on_seek, on_close, on_size, nullptr, nullptr,
                        limits.get()),
      &TIFFClose);
  if (!file) complain();
  std::uint32_t width = 0, height = 0;
  if (TIFFGetField(file.get(), TIFFTAG_IMAGEWIDTH, &width) == 0 ||
      TIFFGetField(file.get(), TIFFTAG_IMAGELENGTH, &height) == 0 || width == 0 || height == 0)
    complain();
  if (width > std::uint32_t{max_image_side} || height > std::uint32_t{max_image_side} ||
      std::int64_t{width} * height > max_image_pixels)
    fail_runtime("tiff", name, ": ", width, " x ", height, " pixels are more than the reader allows (",
                 max_image_pixels, ")");
  // As stored: libtiff would turn half of the orientations and leave the other half.
  TIFFSetField(file.get(), TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT);
  std::vector<std::uint32_t> pixels(std::size_t(width) * height);
  if (TIFFReadRGBAImageOriented(file.get(), width, height, pixels.data(), ORIENTATION_TOPLEFT, 1) == 0) complain();
  Image out(static_cast<int>(height), static_cast<int>(width));
  for (std::size_t i = 0; i < pixels.size(); ++i) {
    out.pixels[3 * i] = static_cast<std::uint8_t>(TIFFGetR(pixels[i]));
    out.pixels[3 * i + 1] = static_cast<std::uint8_t>(TIFFGetG(pixels[i]));
    out.pixels[3 * i + 2] = static_cast<std::uint8_t>(TIFFGetB(pixels[i]));
  }
  return out;
}

}  // namespace rein::data
