#include "data/images/image_io.h"

#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <csignal>

#include "data/images/colour.h"
#include "data/sets/classes.h"
#include "tensor/random.h"
#include "tests/data/jpeg_bytes.h"
#include "tests/data/png_bytes.h"
#include "tests/harness/temp_folder.h"

namespace rein::data {
namespace {

using test::Bytes;
using test::contains;
using test::make_png;
using test::message_of;

Image gradient(int h, int w) {
  Image image(h, w);
  for (int y = 0; y < h; ++y)
    for (int x = 0; x < w; ++x) {
      std::uint8_t* p = image.row(y) + 3 * x;
      p[0] = static_cast<std::uint8_t>(y * 255 / h);
      p[1] = static_cast<std::uint8_t>(x * 255 / w);
      p[2] = static_cast<std::uint8_t>((x + y) * 127 / (h + w));
    }
  return image;
}

// Decodes as every reader would; true when it gave an image, false on a std::runtime_error. Anything else escapes.
bool decodes(const Bytes& bytes) {
  bool any = false;
  for (const bool raw : {false, true}) {
    try {
      if (raw)
        decode_png_raw(bytes, "x.png");
      else
        decode_png_photo(bytes, "x.png");
      any = true;
    } catch (const std::runtime_error& error) {
      CHECK(contains(error.what(), "x.png"));
    }
  }
  return any;
}

TEST_CASE("PNGs written are read back: gray, palette, RGB") {
  const test::TempFolder folder;
  LabelMap ids(5, 7);
  for (std::size_t i = 0; i < ids.ids.size(); ++i) ids.ids[i] = static_cast<std::uint8_t>(i % 19);
  write_gray_png(folder / "g.png", ids);
  const RawPng gray = read_png_raw(folder / "g.png");
  CHECK(gray.height == 5);
  CHECK(gray.width == 7);
  CHECK_FALSE(gray.indexed);
  CHECK(gray.samples8 == ids.ids);

  const auto& palette = cityscapes_classes().palette;
  write_palette_png(folder / "p.png", ids, palette);
  const RawPng indexed = read_png_raw(folder / "p.png");
  CHECK(indexed.indexed);
  CHECK(indexed.samples8 == ids.ids);
  CHECK(indexed.palette == palette);
  CHECK(read_photo(folder / "p.png").pixels == colourise(ids, palette).pixels);
  ids.ids[3] = 200;
  CHECK_THROWS_AS(write_palette_png(folder / "p.png", ids, palette), std::invalid_argument);

  const Image image = gradient(33, 31);
  write_rgb_png(folder / "c.png", image);
  CHECK(read_photo(folder / "c.png").pixels == image.pixels);
  CHECK(folder.file_count() == 3);
}

TEST_CASE("Samples stay as stored: packed bits, 16 bits, alpha") {
  const RawPng packed = decode_png_raw(make_png(5, 2, 2, 0, {{0b00011011, 0b01000000}, {0b11100100, 0b10000000}}), "x");
  CHECK(packed.samples8 == Bytes{0, 1, 2, 3, 1, 3, 2, 1, 0, 2});
  const Image scaled = decode_png_photo(make_png(2, 1, 2, 0, {{0b01110000}}), "x");
  CHECK(scaled.pixels == Bytes{85, 85, 85, 255, 255, 255});
  const RawPng wide = decode_png_raw(make_png(2, 1, 16, 2, {{1, 2, 0, 9, 0, 9, 3, 4, 0, 9, 0, 9}}), "x");
  CHECK(wide.sixteen_bit);
  CHECK(wide.samples16 == std::vector<std::uint16_t>{0x0102, 9, 9, 0x0304, 9, 9});
  const RawPng alpha = decode_png_raw(make_png(1, 1, 8, 6, {{10, 20, 30, 0}}), "x");
  CHECK(alpha.channels == 4);
  CHECK(decode_png_photo(make_png(1, 1, 8, 6, {{10, 20, 30, 0}}), "x").pixels == Bytes{10, 20, 30});
  CHECK(decode_png_photo(make_png(1, 1, 8, 4, {{77, 0}}), "x").pixels == Bytes{77, 77, 77});
  CHECK(decode_png_photo(make_png(1, 1, 16, 0, {{0x80, 0x80}}), "x").pixels == Bytes{128, 128, 128});
}

TEST_CASE("A PNG cut off anywhere is an error with the file's name") {
  const Bytes whole = make_png(9, 4, 8, 2, std::vector<Bytes>(4, Bytes(27, 99)));
  REQUIRE(decodes(whole));
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    CHECK_FALSE(decodes(Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length))));
  }
}

TEST_CASE("Flipped bits and huge headers never crash a reader") {
  const Bytes png = encode_png(9, 13, 3, gradient(9, 13).pixels.data());
  const Bytes palette_png = make_png(5, 3, 4, 3, std::vector<Bytes>(3, Bytes{0x01, 0x23, 0x40}),
                                     {{1, 2, 3}, {4, 5, 6}, {7, 8, 9}, {9, 9, 9}, {0, 1, 0}});
  int survived = 0;
  for (const Bytes& whole : {png, palette_png}) {
    for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
      Bytes broken = whole;
      broken[bit / 8] = static_cast<std::uint8_t>(broken[bit / 8] ^ 1 << bit % 8);
      survived += decodes(broken);
    }
  }
  CHECK(survived <= 32);  // checksums see nearly all; a flip in an ancillary bit may pass
  for (const std::uint32_t side : {0u, 40000u, 0x7fffffffu, 0xffffffffu}) {
    CHECK_FALSE(decodes(make_png(side, 4, 8, 2, {{1, 2, 3}})));
    CHECK_FALSE(decodes(make_png(4, side, 8, 0, {{1, 2, 3, 4}})));
  }
  const std::string text =
      message_of<std::runtime_error>([] { decode_png_raw(make_png(30000, 30000, 8, 0, {}), "big.png"); });
  CHECK(contains(text, "big.png: 30000 x 30000"));
}

TEST_CASE("JPEG: read close to the original; broken ones are errors, never crashes") {
  const Image image = gradient(40, 56);
  const Bytes whole = test::make_jpeg(image, 95);
  const Image read = decode_jpeg(whole, "x.jpg");
  REQUIRE(read.pixels.size() == image.pixels.size());
  int worst = 0;
  for (std::size_t i = 0; i < image.pixels.size(); ++i)
    worst = std::max(worst, std::abs(read.pixels[i] - image.pixels[i]));
  CHECK(worst <= 12);
  for (std::size_t length = 0; length < whole.size(); ++length) {
    CAPTURE(length);
    try {
      const Image cut = decode_jpeg(std::span(whole).first(length), "x.jpg");
      CHECK(length + 2 >= whole.size());  // only the end marker is missing
      CHECK(cut.pixels == read.pixels);
    } catch (const std::runtime_error& error) {
      CHECK(contains(error.what(), "x.jpg"));
    }
  }
  const RandomKey key(7);
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Bytes broken = whole;
    for (std::uint64_t k = 0; k < 1 + i % 3; ++k)
      broken[key.below(4 * i + k, broken.size())] ^= std::uint8_t(1u << key.below(4 * i + 3, 8));
    try {
      decode_jpeg(broken, "x.jpg");
    } catch (const std::runtime_error& error) {
      CHECK(contains(error.what(), "x.jpg"));
    }
  }
  Bytes huge = whole;  // the frame header: FF C0, length, precision, height, width
  for (std::size_t i = 0; i + 8 < huge.size(); ++i) {
    if (huge[i] == 0xFF && huge[i + 1] == 0xC0) huge[i + 5] = huge[i + 6] = huge[i + 7] = huge[i + 8] = 0x7F;
  }
  CHECK(contains(message_of<std::runtime_error>([&] { decode_jpeg(huge, "x.jpg"); }), "more than the reader allows"));
}

TEST_CASE("A Huffman table with more codes than there are is refused before the decoder sees it") {
  Bytes whole = test::make_jpeg(gradient(16, 16), 90);
  const Bytes marker = {0xFF, 0xC4};
  const auto table = std::search(whole.begin(), whole.end(), marker.begin(), marker.end());
  REQUIRE(table != whole.end());
  Bytes hostile(whole.begin(), table);  // a segment of one table: 16 lengths with 255 codes each
  const std::size_t length = 2 + 17 + 16 * 255;
  hostile.insert(hostile.end(), {0xFF, 0xC4, std::uint8_t(length >> 8), std::uint8_t(length & 255), 0x10});
  hostile.insert(hostile.end(), 16 + 16 * 255, 255);
  hostile.insert(hostile.end(), table, whole.end());
  CHECK(contains(message_of<std::runtime_error>([&] { decode_jpeg(hostile, "x.jpg"); }),
                 REIN_WITH_JPEG ? "x.jpg: Bogus Huffman table" : "x.jpg: a Huffman table has more"));
}

TEST_CASE("Files that are no images are named") {
  const test::TempFolder folder;
  folder.write("text.png", "hello");
  folder.write("empty.png", "");
  for (const char* name : {"text.png", "empty.png", "missing.png", "."}) {
    CAPTURE(name);
    CHECK(contains(message_of<std::runtime_error>([&] { read_photo(folder / name); }), (folder / name).string()));
    CHECK(contains(message_of<std::runtime_error>([&] { read_png_raw(folder / name); }), (folder / name).string()));
  }
}

TEST_CASE("A full disk is an error and leaves nothing half-written") {
  const test::TempFolder folder;
  LabelMap ids(300, 300);
  for (std::size_t i = 0; i < ids.ids.size(); ++i) ids.ids[i] = static_cast<std::uint8_t>(RandomKey(1).bits(i));
  write_gray_png(folder / "g.png", LabelMap(2, 2, 5));
  const auto before = std::signal(SIGXFSZ, SIG_IGN);
  rlimit limit{};
  REQUIRE(getrlimit(RLIMIT_FSIZE, &limit) == 0);
  rlimit small = limit;
  small.rlim_cur = 4096;  // stands for a disk that takes no more
  REQUIRE(setrlimit(RLIMIT_FSIZE, &small) == 0);
  const std::string text = message_of<std::runtime_error>([&] { write_gray_png(folder / "g.png", ids); });
  setrlimit(RLIMIT_FSIZE, &limit);
  std::signal(SIGXFSZ, before);
  CHECK(contains(text, "g.png"));
  CHECK(folder.file_count() == 1);
  CHECK(read_png_raw(folder / "g.png").samples8 == Bytes{5, 5, 5, 5});
  CHECK_THROWS_AS(write_gray_png(folder / "nowhere" / "g.png", ids), std::runtime_error);
}

TEST_CASE("Overlay mixes photo and colour, and leaves ignored pixels") {
  Image photo(1, 2);
  photo.pixels = {100, 100, 100, 10, 20, 30};
  LabelMap labels(1, 2);
  labels.ids = {0, ignore_id};
  const std::vector<Rgb> palette{{200, 0, 100}};
  CHECK(overlay(photo, labels, palette, 0.5).pixels == Bytes{150, 50, 100, 10, 20, 30});
  CHECK(overlay(photo, labels, palette, 0).pixels == photo.pixels);
  CHECK_THROWS_AS(overlay(photo, LabelMap(2, 2), palette), std::invalid_argument);
}

}  // namespace
}  // namespace rein::data
