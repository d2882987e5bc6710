#include "tensor/cpu_features.h"

#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <stdexcept>

namespace {

// Sets an environment variable for a scope.
class Environment {
 public:
  Environment(const char* name, const char* value) : name_(name) {
    if (const char* before = ::getenv(name)) {
      had_ = true;
      before_ = before;
    }
    ::setenv(name, value, 1);
  }
  ~Environment() { had_ ? ::setenv(name_, before_.c_str(), 1) : ::unsetenv(name_); }

 private:
  const char* name_;
  bool had_ = false;
  std::string before_;
};

}  // namespace

TEST_CASE("isa: one of the available ones is in use, and each can be forced") {
  const std::string before = rein::isa_name();
  const auto available = rein::available_isas();
  REQUIRE_FALSE(available.empty());
  CHECK(available.back() == "plain");
  CHECK(std::ranges::count(available, before) == 1);
  for (const std::string& isa : available) {
    rein::force_isa(isa);
    CHECK(rein::isa_name() == isa);
    CHECK(rein::available_isas() == available);
  }
  rein::force_isa("");
  CHECK(rein::isa_name() == available.front());
  rein::force_isa(before);
}

TEST_CASE("isa: a bad name is refused, also from the environment") {
  const std::string before = rein::isa_name();
  CHECK_THROWS_WITH_AS(rein::force_isa("avx9"), "[isa] must be avx512, avx2 or plain, got 'avx9'",
                       std::invalid_argument);
  {
    const Environment isa("REIN_ISA", "sse");
    CHECK_THROWS_AS(rein::apply_isa_environment(), std::invalid_argument);
  }
  CHECK(rein::isa_name() == before);
  {
    const Environment isa("REIN_ISA", "plain");
    rein::apply_isa_environment();
    CHECK(rein::isa_name() == "plain");
  }
  rein::force_isa(before);
}

TEST_CASE("kernels: variants are forced by op") {
  const Environment kernels("REIN_KERNEL", "attention:reference,conv2d:direct,,nonsense");
  CHECK(rein::forced_kernel("attention") == "reference");
  CHECK(rein::forced_kernel("conv2d") == "direct");
  CHECK(rein::forced_kernel("conv") == "");
  CHECK(rein::forced_kernel("nonsense") == "");
}

TEST_CASE("kernels: a variant that does not exist is refused") {
  {
    const Environment kernels("REIN_KERNEL", "attention:reference,,resize:reference,feature_pyramid:reference");
    rein::check_forced_kernels();
  }
  for (const char* bad : {"atention:reference", "resize:fast", "attention:reference,nonsense", "resize"}) {
    CAPTURE(bad);
    const Environment kernels("REIN_KERNEL", bad);
    CHECK_THROWS_AS(rein::apply_isa_environment(), std::invalid_argument);
  }
}
