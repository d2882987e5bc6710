#include "tensor/kept.h"

#include <doctest/doctest.h>

#include <array>

using namespace rein;

TEST_CASE("kept: made once while its source holds what it held") {
  Tensor source = Tensor::from<float>({1, 2, 3, 4}, {4});
  Kept<double> sum;
  int made = 0;
  const auto get = [&](const Tensor& t) {
    return sum.of(t, [&] {
      ++made;
      double s = 0;
      for (const double v : t.to_doubles()) s += v;
      return s;
    });
  };
  CHECK(get(source) == 10);
  CHECK(get(source) == 10);
  CHECK(made == 1);
  source.mutable_data<float>()[0] = 5;  // written to
  CHECK(get(source) == 14);
  CHECK(made == 2);
  CHECK(get(source.clone()) == 14);  // another storage with the same numbers
  CHECK(made == 3);
  const Tensor whole = Tensor::from<float>({1, 2, 3, 4}, {2, 2});  // another part of the same storage
  CHECK(get(whole.rows(0, 1)) == 3);
  CHECK(get(whole.rows(1, 2)) == 7);
  CHECK(made == 5);
  sum.forget();
  CHECK(get(whole.rows(1, 2)) == 7);
  CHECK(made == 6);
}

TEST_CASE("kept: of several sources, each and their order count; a null one is a source too") {
  const Tensor a = Tensor::from<float>({1}, {1}), b = Tensor::from<float>({2}, {1});
  Kept<int> kept;
  int made = 0;
  const auto get = [&](const Tensor& first, const Tensor& second) {
    return kept.of(std::array{first, second}, [&] { return ++made; });
  };
  CHECK(get(a, b) == 1);
  CHECK(get(a, b) == 1);
  CHECK(get(b, a) == 2);
  CHECK(get(b, {}) == 3);
  CHECK(get(b, {}) == 3);
  CHECK(kept.of(b, [&] { return ++made; }) == 4);
}

TEST_CASE("kept: holds no memory of its sources, and nothing when making throws") {
  Kept<int> kept;
  std::weak_ptr<Storage> storage;
  {
    const Tensor source = Tensor::from<float>({1}, {1});
    storage = source.storage();
    CHECK(kept.of(source, [] { return 1; }) == 1);
  }
  CHECK(storage.expired());
  const Tensor other = Tensor::from<float>({1}, {1});
  CHECK_THROWS(kept.of(other, []() -> int { throw 1; }));
  CHECK(kept.of(other, [] { return 2; }) == 2);
}
