// JPEG by libjpeg-turbo. It repairs what it can and warns; a warning that pixels are missing or made up is an error
// here, while junk behind the last block, as cameras leave it, is none. Errors come by longjmp: as in png.cpp,
// `guarded` runs steps that own nothing with a destructor.
#include <csetjmp>
#include <cstdio>  // before jpeglib.h, which needs it
#include <cstring>

#include <jerror.h>
#include <jpeglib.h>

#include "data/images/image_io.h"
#include "tensor/error.h"

namespace rein::data {
namespace {

constexpr int max_scans = 400;  // of a progressive file; each costs as much as a whole picture

struct Errors {
  jpeg_error_mgr manager{};  // first: libjpeg's pointer to it is ours
  std::jmp_buf place{};
  char message[JMSG_LENGTH_MAX] = {};
  bool damaged = false;  // pixels are missing or made up
};

Errors& errors_of(j_common_ptr info) {
  return *reinterpret_cast<Errors*>(info->err);
}

void on_error(j_common_ptr info) {
  Errors& errors = errors_of(info);
  (*info->err->format_message)(info, errors.message);
  std::longjmp(errors.place, 1);
}

// Level -1 is a warning.
void on_message(j_common_ptr info, int level) {
  if (level >= 0) return;
  Errors& errors = errors_of(info);
  switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:  // the data end before the last block
    case JWRN_HUFF_BAD_CODE:
      if (!errors.damaged) (*info->err->format_message)(info, errors.message);
      errors.damaged = true;
      break;
    default:
      break;
  }
}

void on_print(j_common_ptr) {}

void on_progress(j_common_ptr info) {
  auto* decoder = reinterpret_cast<j_decompress_ptr>(info);
  if (decoder->input_scan_number <= max_scans) return;
  std::snprintf(errors_of(info).message, JMSG_LENGTH_MAX, "more than %d scans", max_scans);
  std::longjmp(errors_of(info).place, 1);
}

class Decoder {
 public:
  Decoder(std::span<const std::uint8_t> bytes, const std::string& name) : bytes_(bytes), name_(name) {
    info_.err = jpeg_std_error(&errors_.manager);
    errors_.manager.error_exit = on_error;
    errors_.manager.emit_message = on_message;
    errors_.manager.output_message = on_print;
    progress_.progress_monitor = on_progress;
  }
  ~Decoder() { jpeg_destroy_decompress(&info_); }
  Decoder(const Decoder&) = delete;
  Decoder& operator=(const Decoder&) = delete;

  Image decode() {
    check(guarded([this] {
      jpeg_create_decompress(&info_);
      info_.progress = &progress_;
      jpeg_mem_src(&info_, bytes_.data(), bytes_.size());
      jpeg_read_header(&info_, TRUE);
    }));
    if (info_.image_width > unsigned{max_image_side} || info_.image_height > unsigned{max_image_side} ||
        std::int64_t{info_.image_width} * info_.image_height > max_image_pixels)
      fail_runtime("jpeg", name_, ": ", info_.image_width, " x ", info_.image_height,
                   " pixels are more than the reader allows (", max_image_pixels, ")");
    inks_ = info_.num_components == 4;
    check(guarded([this] {
      info_.out_color_space = inks_ ? JCS_CMYK : JCS_RGB;
      info_.dct_method = JDCT_ISLOW;
      jpeg_start_decompress(&info_);
    }));
    Image out(static_cast<int>(info_.output_height), static_cast<int>(info_.output_width));
    std::vector<std::uint8_t> ink_row(inks_ ? std::size_t(out.width) * 4 : 0);
    for (int y = 0; y < out.height; ++y) {
      JSAMPROW row = inks_ ? ink_row.data() : out.row(y);
      check(guarded([&] { jpeg_read_scanlines(&info_, &row, 1); }));
      if (inks_) mix(ink_row, out.row(y));
    }
    if (errors_.damaged) fail_runtime("jpeg", name_, ": truncated or damaged (", errors_.message, ")");
    return out;
  }

 private:
  template <class F>
  [[gnu::noinline]] bool guarded(F&& step) {
    if (setjmp(errors_.place) != 0) return false;
    step();
    return true;
  }
  void check(bool ok) const {
    if (!ok) fail_runtime("jpeg", name_, ": ", errors_.message);
  }

  // Cyan, magenta, yellow and black to RGB. Adobe's programs store them inverted.
  void mix(const std::vector<std::uint8_t>& inks, std::uint8_t* rgb) const {
    const bool inverted = info_.saw_Adobe_marker != 0;
    for (std::size_t i = 0; i + 3 < inks.size(); i += 4) {
      const int black = inverted ? inks[i + 3] : 255 - inks[i + 3];
      for (std::size_t c = 0; c < 3; ++c) {
        const int colour = inverted ? inks[i + c] : 255 - inks[i + c];
        *rgb++ = static_cast<std::uint8_t>((colour * black + 127) / 255);
      }
    }
  }

  std::span<const std::uint8_t> bytes_;
  const std::string& name_;
  Errors errors_;
  jpeg_progress_mgr progress_{};
  jpeg_decompress_struct info_{};
  bool inks_ = false;
};

}  // namespace

Image decode_jpeg(std::span<const std::uint8_t> bytes, const std::string& name) {
  return Decoder(bytes, name).decode();
}

}  // namespace rein::data
