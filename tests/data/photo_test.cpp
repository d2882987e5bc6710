// Photos as cameras and programs leave them: orientation, tails behind the last block, kinds, names that lie.
#include <doctest/doctest.h>

#include "data/images/header.h"
#include "data/images/image_io.h"
#include "data/sets/dataset.h"
#include "tests/data/jpeg_bytes.h"
#include "tests/data/png_bytes.h"
#include "tests/harness/temp_folder.h"

namespace rein::data {
namespace {

using test::Bytes;
using test::contains;
using test::message_of;
using test::text_of;

Bytes from_hex(std::string_view text) {
  Bytes out;
  for (std::size_t i = 0; i + 1 < text.size(); i += 2)
    out.push_back(static_cast<std::uint8_t>(std::stoi(std::string(text.substr(i, 2)), nullptr, 16)));
  return out;
}

// 3 x 2 pixels, no two alike.
const Bytes six = {255, 0, 0, 0, 255, 0, 0, 0, 255, 255, 255, 255, 10, 20, 30, 0, 0, 0};
constexpr std::string_view webp_file =
    "5249464638000000574542505650384c2b0000002f024000002f20102088f09f6a434890d0fdbf5781004189ff4af31f203639b60a04026488"
    "164b22fa1f3900";
constexpr std::string_view turned_webp_file =
    "524946466c00000057454250565038580a000000080000000200000100005650384c2b0000002f024000002f20102088f09f6a434890d0fdbf"
    "5781004189ff4af31f203639b60a04026488164b22fa1f3900455849461a0000004d4d002a0000000800010112000300000001000600000000"
    "0000";
constexpr std::string_view bmp_file =
    "424d4e0000000000000036000000280000000300000002000000010018000000000018000000c40e0000c40e00000000000000000000ffffff"
    "1e140a0000000000000000ff00ff00ff0000000000";
constexpr std::string_view tiff_file =
    "49492a00080000000a000001040001000000030000000101040001000000020000000201030003000000860000000301030001000000010000"
    "0"
    "006010300010000000200000011010400010000008c00000015010300010000000300000016010400010000000200000017010400010000001"
    "20000001c010300010000000100000000000000080008000800ff000000ff000000ffffffff0a141e000000";

Bytes exif(int orientation, bool little = false) {
  Bytes out = from_hex(little ? "457869660000"
                                "49492a0008000000"
                                "0100"
                                "12010300"
                                "01000000"
                                "00000000"
                                "00000000"
                              : "457869660000"
                                "4d4d002a00000008"
                                "0001"
                                "01120003"
                                "00000001"
                                "00000000"
                                "00000000");
  out[little ? 24 : 25] = static_cast<std::uint8_t>(orientation);
  return out;
}

// `body` as an application segment behind the start of a JPEG.
Bytes with_segment(const Bytes& jpeg, std::uint8_t marker, const Bytes& body) {
  Bytes out(jpeg.begin(), jpeg.begin() + 2);
  const std::size_t length = body.size() + 2;
  out.insert(out.end(), {0xFF, marker, std::uint8_t(length >> 8), std::uint8_t(length & 255)});
  out.insert(out.end(), body.begin(), body.end());
  out.insert(out.end(), jpeg.begin() + 2, jpeg.end());
  return out;
}

Image patches(int height, int width) {
  Image image(height, width);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x) {
      image.row(y)[3 * x] = static_cast<std::uint8_t>(y < height / 2 ? 230 : 20);
      image.row(y)[3 * x + 1] = static_cast<std::uint8_t>(x < width / 2 ? 200 : 40);
      image.row(y)[3 * x + 2] = 90;
    }
  return image;
}

TEST_CASE("EXIF's eight orientations turn a picture as its definition says") {
  Image stored(2, 3);
  stored.pixels = six;
  const auto at = [&](int y, int x) {
    return Rgb{stored.row(y)[3 * x], stored.row(y)[3 * x + 1], stored.row(y)[3 * x + 2]};
  };
  // By the standard's words: where row 0 and column 0 of the stored picture are seen.
  const auto wanted = [&](int orientation, int y, int x, int h, int w) {
    switch (orientation) {
      case 1:
        return at(y, x);  // top, left
      case 2:
        return at(y, w - 1 - x);  // top, right
      case 3:
        return at(h - 1 - y, w - 1 - x);  // bottom, right
      case 4:
        return at(h - 1 - y, x);  // bottom, left
      case 5:
        return at(x, y);  // left, top
      case 6:
        return at(w - 1 - x, y);  // right, top
      case 7:
        return at(w - 1 - x, h - 1 - y);  // right, bottom
      default:
        return at(x, h - 1 - y);  // left, bottom
    }
  };
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    const Image shown = turned(stored, orientation);
    REQUIRE(shown.height == (orientation > 4 ? 3 : 2));
    REQUIRE(shown.width == (orientation > 4 ? 2 : 3));
    for (int y = 0; y < shown.height; ++y)
      for (int x = 0; x < shown.width; ++x) {
        const std::uint8_t* p = shown.row(y) + 3 * x;
        CHECK(Rgb{p[0], p[1], p[2]} == wanted(orientation, y, x, shown.height, shown.width));
      }
  }
  CHECK_THROWS_AS(turned(stored, 0), std::invalid_argument);
  CHECK_THROWS_AS(turned(stored, 9), std::invalid_argument);
}

TEST_CASE("Orientation is read from JPEG, PNG and WebP, in either byte order, and damage counts as none") {
  const test::TempFolder folder;
  const Bytes plain = test::make_jpeg(patches(16, 24), 95);
  const Image upright = decode_jpeg(plain, "x");
  for (int orientation = 1; orientation <= 8; ++orientation) {
    CAPTURE(orientation);
    for (const bool little : {false, true}) {
      folder.write("a.jpg", text_of(with_segment(plain, 0xE1, exif(orientation, little))));
      CHECK(read_photo_header(folder / "a.jpg").orientation == orientation);
      CHECK(read_photo(folder / "a.jpg").pixels == turned(upright, orientation).pixels);
      CHECK(read_stored_photo(folder / "a.jpg").image.pixels == upright.pixels);
    }
  }
  const PhotoHeader header = header_of(with_segment(plain, 0xE1, exif(6)));
  CHECK(header.stored == Size{16, 24});
  CHECK(header.shown() == Size{24, 16});
  for (const int wrong : {0, 9, 200}) CHECK(header_of(with_segment(plain, 0xE1, exif(wrong))).orientation == 1);
  Bytes hostile = exif(6);
  for (std::size_t length = 0; length < hostile.size(); ++length)
    header_of(with_segment(plain, 0xE1, Bytes(hostile.begin(), hostile.begin() + std::ptrdiff_t(length))));
  for (std::size_t i = 6; i < hostile.size(); ++i) {
    Bytes broken = hostile;
    broken[i] = 0xFF;
    CHECK(header_of(with_segment(plain, 0xE1, broken)).stored == Size{16, 24});
  }

  Bytes png = test::make_png(3, 2, 8, 2, {Bytes(six.begin(), six.begin() + 9), Bytes(six.begin() + 9, six.end())});
  Bytes chunk, body = exif(8);
  test::put_chunk(chunk, "eXIf", Bytes(body.begin() + 6, body.end()));
  png.insert(png.begin() + 33, chunk.begin(), chunk.end());  // behind IHDR
  folder.write("a.png", text_of(png));
  CHECK(read_photo_header(folder / "a.png").orientation == 8);
  CHECK(read_photo(folder / "a.png").height == 3);
  CHECK(header_of(from_hex(turned_webp_file)).orientation == 6);
}

TEST_CASE("Labels of the stored size are told from labels of the turned size") {
  const test::TempFolder folder;
  std::filesystem::create_directory(folder / "images");
  std::filesystem::create_directory(folder / "labels");
  const Bytes plain = test::make_jpeg(patches(16, 24), 95);
  folder.write("images/a.jpg", text_of(with_segment(plain, 0xE1, exif(6))));
  const auto put_label = [&](std::uint32_t width, std::uint32_t height) {
    folder.write("labels/a.png",
                 text_of(test::make_png(width, height, 8, 0, std::vector<Bytes>(height, Bytes(width)))));
  };
  const Description set = parse_description(
      "name = \"s\"\nclasses = [\"a\", \"b\"]\n[splits.all]\nimage = \"images/{}.jpg\"\nlabel = \"labels/{}.png\"\n"
      "[labels]\nencoding = \"index\"\n",
      "s.toml");
  put_label(16, 24);
  CHECK(Dataset(set, folder.path(), "all").read(0).image.pixels == read_photo(folder / "images/a.jpg").pixels);
  put_label(24, 16);
  CHECK(Dataset(set, folder.path(), "all").read(0).image.pixels == decode_jpeg(plain, "x").pixels);
  put_label(16, 16);
  CHECK(contains(message_of<std::runtime_error>([&] { Dataset(set, folder.path(), "all").read(0); }), "its label"));
}

#if REIN_WITH_JPEG
TEST_CASE("JPEG: what cameras leave behind the last block is passed over") {
  const Bytes whole = test::make_jpeg(patches(64, 96), 90);
  const Bytes pixels = decode_jpeg(whole, "x").pixels;
  Bytes junk;
  for (int round = 0; round < 10; ++round)
    for (int v = 1; v <= 200; ++v) junk.push_back(static_cast<std::uint8_t>(v));
  const Bytes tails[] = {{0xFF, 0xD0},
                         {0x7F},
                         Bytes(64),
                         {0xFF, 0x00},
                         {0, 0, 0xFF, 0x00, 0, 0},
                         {0xFF, 0xFF, 0xFF},
                         junk,
                         {1, 2, 0xFF, 0xD1, 5},
                         {0, 0, 0xFF, 0x01}};
  for (const Bytes& tail : tails) {
    CAPTURE(text_of(tail));
    Bytes file(whole.begin(), whole.end() - 2);
    file.insert(file.end(), tail.begin(), tail.end());
    file.insert(file.end(), {0xFF, 0xD9});
    CHECK(decode_jpeg(file, "x").pixels == pixels);
    file.insert(file.end(), 5000, 0);  // and behind the end
    CHECK(decode_jpeg(file, "x").pixels == pixels);
  }
}

TEST_CASE("JPEG without Huffman tables, as motion JPEG has it, takes the standard's") {
  const Bytes whole = test::make_jpeg(patches(32, 32), 90);  // its tables are the standard's
  Bytes bare(whole.begin(), whole.begin() + 2);
  for (std::size_t i = 2; i + 4 < whole.size();) {
    const std::size_t length = 2 + (std::size_t(whole[i + 2]) << 8 | whole[i + 3]);
    if (whole[i + 1] == 0xDA) {
      bare.insert(bare.end(), whole.begin() + std::ptrdiff_t(i), whole.end());
      break;
    }
    if (whole[i + 1] != 0xC4)
      bare.insert(bare.end(), whole.begin() + std::ptrdiff_t(i), whole.begin() + std::ptrdiff_t(i + length));
    i += length;
  }
  REQUIRE(bare.size() + 400 < whole.size());
  CHECK(decode_jpeg(bare, "x").pixels == decode_jpeg(whole, "x").pixels);
}
#endif

TEST_CASE("BMP, WebP and TIFF are read, whatever their names say; cut ones are errors") {
  const test::TempFolder folder;
  std::vector<std::string_view> files = {bmp_file};
  if (can_read(PictureKind::webp)) files.push_back(webp_file);
  if (can_read(PictureKind::tiff)) files.push_back(tiff_file);
  for (const std::string_view hex : files) {
    const Bytes bytes = from_hex(hex);
    folder.write("a.jpg", text_of(bytes));
    CAPTURE(name_of(kind_of(bytes)));
    CHECK(read_photo(folder / "a.jpg").pixels == six);
    CHECK(read_photo_header(folder / "a.jpg").stored == Size{2, 3});
    for (std::size_t length = 0; length < bytes.size() - 8; ++length) {
      folder.write("a.jpg", text_of(Bytes(bytes.begin(), bytes.begin() + std::ptrdiff_t(length))));
      CHECK_THROWS_AS(read_photo(folder / "a.jpg"), std::runtime_error);
    }
    for (std::size_t bit = 0; bit < bytes.size() * 8; ++bit) {
      Bytes broken = bytes;
      broken[bit / 8] = static_cast<std::uint8_t>(broken[bit / 8] ^ 1 << bit % 8);
      folder.write("a.jpg", text_of(broken));
      try {
        read_photo(folder / "a.jpg");
      } catch (const std::runtime_error& error) {
        CHECK(contains(error.what(), "a.jpg"));
      }
    }
  }
}

TEST_CASE("What a file is in truth is said") {
  const test::TempFolder folder;
  using namespace std::string_literals;
  const std::pair<std::string, const char*> files[] = {
      {"\0\0\0\x18"
       "ftypheic\0\0\0\0mif1heic"s,
       "in truth HEIC"},
      {"\0\0\0\x1c"
       "ftypavif\0\0\0\0avifmif1"s,
       "in truth AVIF"},
      {"GIF89a"s, "in truth GIF"},
      {"\0\0\0\x0cJXL \r\n"s, "in truth JPEG XL"},
      {"\0\0\0\x0cjP  \r\n"s, "in truth JPEG 2000"},
      {"version https://git-lfs.github.com/spec/v1\n"s, "git-LFS pointer"},
      {"<!DOCTYPE html><html>"s, "a web page"},
      {std::string(500, '\0'), "a file of zeros"},
      {""s, "an empty file"}};
  for (const auto& [bytes, text] : files) {
    CAPTURE(text);
    folder.write("a.jpg", bytes);
    CHECK(contains(message_of<std::runtime_error>([&] { read_photo(folder / "a.jpg"); }), text));
    CHECK(contains(message_of<std::runtime_error>([&] { read_png_raw(folder / "a.jpg"); }), text));
  }
}

}  // namespace
}  // namespace rein::data
