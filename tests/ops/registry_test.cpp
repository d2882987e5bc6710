// The registry of cases: an op is found by each of its names, and a misspelt one is told before anything runs.
#include <doctest/doctest.h>

#include <algorithm>

#include "autograd/cases/case.h"
#include "autograd/ops/norm/norm.h"

namespace {

using namespace rein;
using namespace rein::testing;

// What is an axis elsewhere is no factor here.
template <class... Args>
concept takes_softmax = requires(const Variable& x, Args... args) {
  softmax(x, args...);
};
static_assert(takes_softmax<> && takes_softmax<SoftmaxOptions>);
static_assert(!takes_softmax<int> && !takes_softmax<double>);

TEST_CASE("each name of an op finds it, and the first one stands for it") {
  for (const std::string name : {"gemm", "matmul"}) {
    const auto cases = cases_of(name);
    REQUIRE(!cases.empty());
    CHECK(cases[0].op == "gemm");
    CHECK(cases[0].names == "gemm,matmul");
  }
  CHECK(ops_named(std::vector<std::string>{"conv", "softmax,conv2d"}, "test") ==
        std::vector<std::string>{"conv2d", "softmax"});
  const auto all = registered_ops();
  CHECK(std::ranges::is_sorted(all));
  CHECK(std::ranges::none_of(all, [](const std::string& op) { return op.find(',') != op.npos; }));
}

TEST_CASE("a misspelt op gets the nearest one suggested") {
  CHECK_THROWS_WITH_AS(cases_of("sofmax"),
                       "[cases] unknown name \"sofmax\"; did you mean \"softmax\"? (rein gradcheck --list shows all)",
                       std::invalid_argument);
  CHECK_THROWS_AS(cases_of(""), std::invalid_argument);
  CHECK_THROWS_WITH_AS(ops_named(std::vector<std::string>{"softmax", "matmull"}, "bench"),
                       doctest::Contains("[bench] unknown name \"matmull\"; did you mean \"matmul\"?"),
                       std::invalid_argument);
}

}  // namespace
