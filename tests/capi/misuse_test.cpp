// Every misuse of the C interface is a status and a text: no crash, no output.
#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <climits>
#include <cstdint>
#include <cstring>
#include <limits>

#include "tensor/random.h"
#include "tests/capi/toy.h"

using namespace rein;

namespace {

bool says(const rein_model* model, const std::string& part) {
  const std::string text = rein_error(model);
  if (text.find(part) == std::string::npos) MESSAGE(text);
  return text.find(part) != std::string::npos;
}

// What is written to stdout and stderr meanwhile.
class Silence {
 public:
  explicit Silence(std::filesystem::path file) : file_(std::move(file)) {
    const int to = ::open(file_.c_str(), O_CREAT | O_WRONLY | O_TRUNC, 0600);
    out_ = ::dup(1);
    err_ = ::dup(2);
    ::dup2(to, 1);
    ::dup2(to, 2);
    ::close(to);
  }
  std::string end() {
    ::dup2(out_, 1);
    ::dup2(err_, 2);
    ::close(out_);
    ::close(err_);
    return test::contents_of(file_);
  }

 private:
  std::filesystem::path file_;
  int out_, err_;
};

}  // namespace

TEST_CASE("handles that are null, closed or made up") {
  const testing::Toy toy;
  unsigned char rgb[3 * 16 * 16] = {}, ids[16 * 16];
  rein_model* closed = rein_open(toy.at("m.rein").c_str(), nullptr);
  REQUIRE(closed != nullptr);
  REQUIRE(rein_close(closed) == REIN_OK);
  int number = 0;
  for (rein_model* wrong : {static_cast<rein_model*>(nullptr), closed, reinterpret_cast<rein_model*>(&number),
                            reinterpret_cast<rein_model*>(std::uintptr_t{7})}) {
    CHECK(rein_segment_u8(wrong, rgb, 16, 16, 48, ids, 16, nullptr) == REIN_BAD_ARGUMENT);
    CHECK(says(wrong, wrong == nullptr ? "is null" : "is not open"));
    CHECK(rein_class_count(wrong) < 0);
    CHECK(rein_native_size(wrong) < 0);
    CHECK(rein_class_name(wrong, 0) == nullptr);
    CHECK(rein_class_color(wrong, 0, rgb) == REIN_BAD_ARGUMENT);
    CHECK(rein_close(wrong) == (wrong == nullptr ? REIN_OK : REIN_BAD_ARGUMENT));
    const auto options = reinterpret_cast<rein_options*>(wrong);
    CHECK(rein_options_set_text(options, "device", "cpu") == REIN_BAD_ARGUMENT);
    CHECK(rein_options_set_number(options, "window", 1) == REIN_BAD_ARGUMENT);
    if (wrong != nullptr) CHECK(rein_open(toy.at("m.rein").c_str(), options) == nullptr);
    rein_options_free(options);
  }
  CHECK(rein_open(nullptr, nullptr) == nullptr);
  CHECK(says(nullptr, "path is null"));
}

TEST_CASE("photos without memory, of no size, of huge sizes, with short rows") {
  const testing::Toy toy;
  rein_model* model = rein_open(toy.at("m.rein").c_str(), nullptr);
  REQUIRE_MESSAGE(model != nullptr, rein_error(nullptr));
  unsigned char rgb[3 * 16 * 16] = {}, ids[2 * 16 * 16];
  const auto refused = [&](const unsigned char* from, int width, int height, std::size_t pitch, unsigned char* to,
                           std::size_t id_pitch, const std::string& text) {
    CHECK(rein_segment_u8(model, from, width, height, pitch, to, id_pitch, nullptr) == REIN_BAD_ARGUMENT);
    CHECK(says(model, text));
  };
  refused(nullptr, 16, 16, 48, ids, 16, "must not be null");
  refused(rgb, 16, 16, 48, nullptr, 16, "must not be null");
  for (const int size : {0, -1, INT_MIN, INT_MAX, 32769}) {
    refused(rgb, size, 16, std::numeric_limits<std::size_t>::max(), ids, 1u << 31, "pixels a side");
    refused(rgb, 16, size, 48, ids, 16, "pixels a side");
  }
  refused(rgb, 32768, 32768, 3 * 32768, ids, 32768, "pixels a side");
  refused(rgb, 16, 16, 47, ids, 16, "at least 3 * width = 48, got 47");
  refused(rgb, 16, 16, 0, ids, 16, "at least 3 * width");
  refused(rgb, 16, 16, 48, ids, 15, "pitch of ids");
  refused(rgb, 16, 16, std::numeric_limits<std::size_t>::max(), ids, 16, "do not fit into memory");
  const auto shorts = reinterpret_cast<unsigned short*>(ids);
  CHECK(rein_segment_u16(model, rgb, 16, 16, 48, shorts, 31, nullptr) == REIN_BAD_ARGUMENT);
  CHECK(says(model, "pitch of ids must be at least 32"));
  for (const int id : {-1, 3, INT_MAX, INT_MIN}) {
    CHECK(rein_class_name(model, id) == nullptr);
    CHECK(says(model, "within 0 and 2"));
    CHECK(rein_class_color(model, id, rgb) == REIN_BAD_ARGUMENT);
  }
  CHECK(rein_class_color(model, 0, nullptr) == REIN_BAD_ARGUMENT);
  // One pixel is a photo, and after all this the model works.
  CHECK(rein_segment_u8(model, rgb, 1, 1, 3, ids, 1, nullptr) == REIN_OK);
  CHECK(rein_segment_u8(model, rgb, 16, 16, 48, ids, 16, nullptr) == REIN_OK);
  rein_close(model);
}

TEST_CASE("options") {
  const testing::Toy toy;
  rein_options* options = rein_options_new();
  const auto refused = [&](const char* name, const char* value, const std::string& text) {
    CHECK(rein_options_set_text(options, name, value) == REIN_BAD_ARGUMENT);
    CHECK(says(nullptr, text));
  };
  refused("widnow", "3", "did you mean \"window\"?");
  refused(nullptr, "3", "must not be null");
  refused("window", nullptr, "must not be null");
  refused("window", "large", "must be a number");
  refused("window", "99999999999999999999999", "must be a number");
  refused("threads", "0", "within 1 and 1024");
  refused("precision", "f16", "f32 or bf16");
  refused("device", "tpu", "tpu");
  CHECK(rein_options_set_number(options, "window", -1) == REIN_BAD_ARGUMENT);
  CHECK(rein_options_set_number(options, "window", LONG_MAX) == REIN_BAD_ARGUMENT);
  CHECK(rein_options_set_number(options, "window", 16) == REIN_OK);
  CHECK(rein_options_set_number(options, "stride", 17) == REIN_OK);
  CHECK(rein_open(toy.at("m.rein").c_str(), options) == nullptr);
  CHECK(says(nullptr, "stride must be within 1 and the window (16), got 17"));
  rein_options_free(options);
  rein_options_free(options);
}

TEST_CASE("broken files") {
  const testing::Toy toy;
  const std::string good = test::contents_of(toy / "m.rein");
  std::uint64_t header = 0;
  std::memcpy(&header, good.data(), sizeof header);
  int opened = 0, without_text = 0;
  Silence silence(toy / "said.txt");
  const auto try_bytes = [&](const std::string& bytes) {
    toy.folder().write("bad.rein", bytes);
    rein_model* model = rein_open(toy.at("bad.rein").c_str(), nullptr);
    if (model != nullptr) ++opened;
    if (model == nullptr && *rein_error(nullptr) == '\0') ++without_text;
    rein_close(model);
    return model == nullptr;
  };
  int whole = 0;
  for (std::size_t cut = 0; cut < 8 + header; cut += 64) whole += try_bytes(good.substr(0, cut)) ? 0 : 1;
  whole += try_bytes(good.substr(0, good.size() - 1)) ? 0 : 1;
  for (std::size_t i = 0; i < 100; ++i) {
    std::string bytes = good;
    const auto at = static_cast<std::size_t>(RandomKey(5).below(i, 8 + header));
    bytes[at] = static_cast<char>(bytes[at] ^ (1 << i % 8));
    try_bytes(bytes);
  }
  for (const char* path : {"", "nothing", "set", "vit.safetensors", "config.toml"}) {
    rein_model* model = rein_open(toy.at(path).c_str(), nullptr);
    if (model != nullptr || *rein_error(nullptr) == '\0') ++without_text;
    rein_close(model);
  }
  const std::string said = silence.end();
  CHECK(said.empty());
  CHECK(whole == 0);
  CHECK(without_text == 0);
  CHECK(opened < 100);  // a changed colour is no fault
}
