// The recorded resizes of the official code (golden README, sections 0 and 12), forward and gradient, in f64 and f32.
// Files: REIN_GOLDEN_DIR, else the copies in tests/golden.
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>

#include "autograd/cases/case.h"
#include "autograd/ops/sampling/resize.h"
#include "autograd/ops/shape/shape.h"
#include "tensor/io/safetensors.h"
#include "tensor/ops/shape/shape_ops.h"

namespace {

using namespace rein;
using nlohmann::json;

std::filesystem::path golden(const std::string& name) {
  const char* folder = std::getenv("REIN_GOLDEN_DIR");
  return std::filesystem::path(folder != nullptr ? folder : "tests/golden") / name;
}

ops::ResizeOptions options_of(const json& item) {
  const auto mode = item.at("mode") == "nearest"    ? ops::Interpolation::nearest
                    : item.at("mode") == "bilinear" ? ops::Interpolation::bilinear
                                                    : ops::Interpolation::bicubic;
  const auto size = [&](const char* key, int k) {
    return item.at(key).at(static_cast<std::size_t>(k)).get<std::int64_t>();
  };
  auto options = item.at("given") == "size"
                     ? ops::to_size(size("output_size", 0), size("output_size", 1), mode)
                     : ops::by_factor(size("input_size", 0), size("input_size", 1), item.at("scale_factor").at(0),
                                      item.at("scale_factor").at(1), mode);
  options.align_corners = item.at("align_corners").is_boolean() && item.at("align_corners").get<bool>();
  return options;
}

// Largest magnitude: the scale of the comparison.
double largest(const Tensor& t) {
  double m = 0;
  for (const double v : t.to_doubles()) m = std::max(m, std::abs(v));
  return m;
}

void check_file(const std::string& name) {
  const SafeTensors file = SafeTensors::open(golden(name));
  const json config = json::parse(file.metadata().at("config")),
             f32_error = json::parse(file.metadata().at("f32_error"));
  REQUIRE(!config.at("cases").empty());
  for (const json& item : config.at("cases")) {
    const std::string i = std::to_string(item.at("index").get<int>());
    for (const DType dtype : {DType::f64, DType::f32}) {
      CAPTURE(name);
      CAPTURE(i);
      CAPTURE(std::string(rein::name_of(dtype)));
      const Variable x = parameter(ops::nchw_to_nhwc(file.tensor("in.x." + i, dtype)).clone());
      const Variable y = nhwc_to_nchw(resize(x, options_of(item)));
      backward(y, file.tensor("cot.y." + i, dtype));
      const auto check = [&](const std::string& key, const Tensor& got, double floor) {
        const double limit = dtype == DType::f64 ? 1e-13 : std::max(4 * f32_error.at(key).get<double>(), floor);
        const Tensor expected = file.tensor(key);
        REQUIRE(got.shape() == expected.shape());
        double worst = 0;
        for (std::int64_t k = 0; k < got.count(); ++k) worst = std::max(worst, std::abs(got.at(k) - expected.at(k)));
        CHECK_MESSAGE(worst <= limit * largest(expected), key, " error ", worst / largest(expected), " limit ", limit);
      };
      check("out.y." + i, y.value(), 2e-6);
      check("grad.in.x." + i, ops::nhwc_to_nchw(x.grad()), 5e-6);
    }
  }
}

TEST_CASE("resize equals the recorded nearest and bilinear cases") {
  check_file("resize_bilinear.safetensors");
}
TEST_CASE("resize equals the recorded bicubic cases") {
  check_file("resize_bicubic.safetensors");
}

}  // namespace
