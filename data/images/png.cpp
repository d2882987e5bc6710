// libpng reports errors by longjmp. `guarded` runs one step that calls libpng only and owns nothing with a destructor;
// whatever needs one lives outside of it, so a jump never skips a clean-up.
#include <png.h>

#include <csetjmp>
#include <cstring>

#include "data/images/image_io.h"
#include "tensor/error.h"

namespace rein::data {
namespace {

constexpr std::size_t message_bytes = 160;

struct Source {
  const std::uint8_t* data = nullptr;
  std::size_t left = 0;
};

void on_error(png_structp png, png_const_charp text) {
  auto* message = static_cast<char*>(png_get_error_ptr(png));
  std::strncpy(message, text, message_bytes - 1);
  png_longjmp(png, 1);
}

void on_warning(png_structp, png_const_charp) {}

void on_read(png_structp png, png_bytep out, png_size_t bytes) {
  auto* source = static_cast<Source*>(png_get_io_ptr(png));
  if (bytes > source->left) png_error(png, "truncated: the file ends early");
  std::memcpy(out, source->data, bytes);
  source->data += bytes;
  source->left -= bytes;
}

template <class F>
[[gnu::noinline]] bool guarded(png_structp png, F&& step) {
  if (setjmp(png_jmpbuf(png)) != 0) return false;
  step();
  return true;
}

class Reader {
 public:
  Reader(std::span<const std::uint8_t> bytes, const std::string& name)
      : name_(name), source_{bytes.data(), bytes.size()} {
    png_ = png_create_read_struct(PNG_LIBPNG_VER_STRING, message_, on_error, on_warning);
    if (png_ != nullptr) info_ = png_create_info_struct(png_);
    if (info_ == nullptr) {
      png_destroy_read_struct(&png_, &info_, nullptr);
      fail_runtime("png", name_, ": no memory for the decoder");
    }
  }
  ~Reader() { png_destroy_read_struct(&png_, &info_, nullptr); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  void read_header() {
    check(guarded(png_, [this] {
      png_set_user_limits(png_, max_image_side, max_image_side);
      png_set_chunk_malloc_max(png_, 8u << 20);
      png_set_chunk_cache_max(png_, 64);
      png_set_read_fn(png_, &source_, on_read);
      png_read_info(png_, info_);
    }));
    width = static_cast<int>(png_get_image_width(png_, info_));
    height = static_cast<int>(png_get_image_height(png_, info_));
    depth = png_get_bit_depth(png_, info_);
    colour = png_get_color_type(png_, info_);
    if (std::int64_t{width} * height > max_image_pixels) {
      fail_runtime("png", name_, ": ", width, " x ", height, " pixels are more than the reader allows (",
                   max_image_pixels, ")");
    }
  }

  std::vector<Rgb> palette() {
    std::vector<Rgb> out;
    png_colorp colours = nullptr;
    int count = 0;
    if (png_get_PLTE(png_, info_, &colours, &count) == 0) return out;
    for (int i = 0; i < count; ++i) out.push_back({colours[i].red, colours[i].green, colours[i].blue});
    return out;
  }

  void expand_to_rgb8() {
    check(guarded(png_, [this] {
      if (colour == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png_);
      if (depth < 8 && colour == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png_);
      if (depth == 16) png_set_scale_16(png_);
      png_set_strip_alpha(png_);
      if (colour == PNG_COLOR_TYPE_GRAY || colour == PNG_COLOR_TYPE_GRAY_ALPHA) png_set_gray_to_rgb(png_);
    }));
  }

  void keep_samples() {
    check(guarded(png_, [this] {
      if (depth < 8) png_set_packing(png_);
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
      if (depth == 16) png_set_swap(png_);
#endif
    }));
  }

  // Settles the transforms; row_bytes is then what one row of the output takes.
  void start() {
    check(guarded(png_, [this] {
      passes_ = png_set_interlace_handling(png_);
      png_read_update_info(png_, info_);
    }));
    channels = png_get_channels(png_, info_);
    row_bytes = png_get_rowbytes(png_, info_);
  }

  void read_rows(std::uint8_t* out) {
    check(guarded(png_, [this, out] {
      for (int pass = 0; pass < passes_; ++pass)
        for (int y = 0; y < height; ++y) png_read_row(png_, out + std::size_t(y) * row_bytes, nullptr);
      png_read_end(png_, nullptr);  // checksums and the end chunk: a file cut off behind its pixels is broken too
    }));
  }

  int width = 0, height = 0, depth = 0, colour = 0, channels = 0;
  std::size_t row_bytes = 0;

 private:
  void check(bool ok) const {
    if (!ok) fail_runtime("png", name_, ": ", message_);
  }

  const std::string& name_;
  Source source_;
  char message_[message_bytes] = {};
  png_structp png_ = nullptr;
  png_infop info_ = nullptr;
  int passes_ = 1;
};

}  // namespace

Image decode_png_photo(std::span<const std::uint8_t> bytes, const std::string& name) {
  Reader reader(bytes, name);
  reader.read_header();
  reader.expand_to_rgb8();
  reader.start();
  Image image(reader.height, reader.width, 3);
  if (reader.row_bytes != image.pitch()) fail_runtime("png", name, ": unexpected row size ", reader.row_bytes);
  reader.read_rows(image.pixels.data());
  return image;
}

RawPng decode_png_raw(std::span<const std::uint8_t> bytes, const std::string& name) {
  Reader reader(bytes, name);
  reader.read_header();
  reader.keep_samples();
  reader.start();
  RawPng raw;
  raw.height = reader.height;
  raw.width = reader.width;
  raw.channels = reader.channels;
  raw.sixteen_bit = reader.depth == 16;
  raw.indexed = reader.colour == PNG_COLOR_TYPE_PALETTE;
  if (raw.indexed) raw.palette = reader.palette();
  const std::size_t samples = std::size_t(raw.height) * std::size_t(raw.width) * std::size_t(raw.channels);
  if (reader.row_bytes * std::size_t(raw.height) != samples * (raw.sixteen_bit ? 2 : 1)) {
    fail_runtime("png", name, ": unexpected row size ", reader.row_bytes);
  }
  if (raw.sixteen_bit) {
    raw.samples16.resize(samples);
    reader.read_rows(reinterpret_cast<std::uint8_t*>(raw.samples16.data()));
  } else {
    raw.samples8.resize(samples);
    reader.read_rows(raw.samples8.data());
  }
  return raw;
}

namespace {

struct Writer {
  png_structp png = nullptr;
  png_infop info = nullptr;
  char message[message_bytes] = {};
  std::vector<std::uint8_t> out;
  ~Writer() { png_destroy_write_struct(&png, &info); }
};

// Called by libpng: an allocation failure must not unwind through its frames, so it becomes a libpng error.
void on_write(png_structp png, png_bytep data, png_size_t bytes) {
  auto* out = static_cast<std::vector<std::uint8_t>*>(png_get_io_ptr(png));
  bool ok = true;
  try {
    out->insert(out->end(), data, data + bytes);
  } catch (...) {
    ok = false;
  }
  if (!ok) png_error(png, "no memory");
}

void on_flush(png_structp) {}

}  // namespace

std::vector<std::uint8_t> encode_png(int height, int width, int channels, const std::uint8_t* samples,
                                     std::span<const Rgb> palette) {
  require(height > 0 && width > 0, "encode_png", "needs at least one pixel, got ", height, " x ", width);
  require(channels == 1 || (channels == 3 && palette.empty()), "encode_png", "channels must be 1 or 3, got ", channels);
  png_color colours[256] = {};
  for (std::size_t i = 0; i < palette.size() && i < 256; ++i)
    colours[i] = {palette[i][0], palette[i][1], palette[i][2]};
  Writer writer;
  writer.png = png_create_write_struct(PNG_LIBPNG_VER_STRING, writer.message, on_error, on_warning);
  if (writer.png != nullptr) writer.info = png_create_info_struct(writer.png);
  if (writer.info == nullptr) fail_runtime("png", "no memory for the encoder");
  const int colour = channels == 3     ? PNG_COLOR_TYPE_RGB
                     : palette.empty() ? PNG_COLOR_TYPE_GRAY
                                       : PNG_COLOR_TYPE_PALETTE;
  const int colour_count = static_cast<int>(palette.size());
  const bool ok = guarded(writer.png, [&] {
    png_set_write_fn(writer.png, &writer.out, on_write, on_flush);
    png_set_user_limits(writer.png, 0x7fffffff, 0x7fffffff);
    png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), 8, colour,
                 PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    if (colour_count > 0) png_set_PLTE(writer.png, writer.info, colours, colour_count);
    png_set_compression_level(writer.png, 6);
    png_write_info(writer.png, writer.info);
    for (int y = 0; y < height; ++y) {
      png_write_row(writer.png, samples + std::size_t(y) * std::size_t(width) * std::size_t(channels));
    }
    png_write_end(writer.png, nullptr);
  });
  if (!ok) fail_runtime("png", "cannot encode: ", writer.message);
  return std::move(writer.out);
}

}  // namespace rein::data
