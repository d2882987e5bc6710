// A trained toy run for the C interface, and what the program makes of it.
#pragma once

#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "data/images/image_io.h"
#include "rein.h"
#include "tests/cli/program.h"
#include "tests/train/tiny_run.h"

namespace rein::testing {

class Toy : public TinyRun {
 public:
  Toy() {
    const std::string here = folder().path().string();
    run({"train", at("config.toml"), "--data-root", here, "--weights-root", here, "--out", at("out"), "--quiet",
         "--set", "train.iterations=3"});
    run({"export", at("out"), at("m.rein"), "--quiet"});
    run({"export", at("out"), at("low.rein"), "--precision", "bf16", "--quiet"});
    photo_ = data::read_photo(*this / "set/photos/p8.png");
  }
  std::string at(const std::string& name) const { return (*this / name).string(); }
  void run(const std::vector<std::string>& arguments) const {
    const Finished f = run_program(arguments, folder().path());
    REQUIRE_MESSAGE(f.status == 0, f.err);
  }
  // Class ids by `rein predict`.
  std::vector<std::uint8_t> predicted(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> a = {"predict", at("out"), at("set/photos/p8.png"), "--out", at("pictures"), "--quiet"};
    a.insert(a.end(), more.begin(), more.end());
    run(a);
    return data::read_png_raw(*this / "pictures/p8_ids.png").samples8;
  }
  const data::Image& photo() const { return photo_; }
  std::size_t pixels() const { return photo_.pixels.size() / 3; }

  // The same by the library, with these options ("" for none); empty on failure.
  std::vector<std::uint8_t> segmented(const std::string& model,
                                      const std::vector<std::pair<std::string, std::string>>& settings = {}) const {
    rein_options* options = rein_options_new();
    for (const auto& [name, value] : settings)
      CHECK_MESSAGE(rein_options_set_text(options, name.c_str(), value.c_str()) == REIN_OK, rein_error(nullptr));
    rein_model* opened = rein_open(at(model).c_str(), options);
    rein_options_free(options);
    if (opened == nullptr) return {};
    std::vector<std::uint8_t> ids(pixels());
    const auto width = static_cast<std::size_t>(photo_.width);
    const int status = rein_segment_u8(opened, photo_.pixels.data(), photo_.width, photo_.height, 3 * width, ids.data(),
                                       width, nullptr);
    CHECK_MESSAGE(status == REIN_OK, rein_error(opened));
    CHECK(rein_close(opened) == REIN_OK);
    return ids;
  }

 private:
  data::Image photo_;
};

}  // namespace rein::testing
