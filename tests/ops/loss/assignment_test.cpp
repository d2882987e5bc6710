#include "tensor/ops/loss/assignment.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "tensor/random.h"

namespace {

using namespace rein;

using Matrix = std::vector<std::vector<double>>;  // queries x slots

Tensor cost_of(const Matrix& m) {
  const auto queries = static_cast<std::int64_t>(m.size()), slots = static_cast<std::int64_t>(m[0].size());
  std::vector<double> flat;
  for (const auto& row : m) flat.insert(flat.end(), row.begin(), row.end());
  return Tensor::from(flat, {1, queries, slots});
}

Tensor all_present(std::int64_t slots) {
  return Tensor::full({1, slots}, 1, DType::u8);
}

// Every query at most one present slot, every slot at most one query, as many as possible; the sum of costs.
double total_of(const Tensor& slots, const Matrix& m, const std::vector<bool>& present) {
  std::set<std::int64_t> taken;
  double total = 0;
  for (std::size_t q = 0; q < m.size(); ++q) {
    const auto k = slots.data<std::int64_t>()[q];
    if (k < 0) continue;
    CHECK(present[static_cast<std::size_t>(k)]);
    CHECK(taken.insert(k).second);
    total += m[q][static_cast<std::size_t>(k)];
  }
  CHECK(taken.size() == std::min(m.size(), static_cast<std::size_t>(std::count(present.begin(), present.end(), true))));
  return total;
}

// All ways, one by one.
double brute_force(const Matrix& m, std::size_t query, std::vector<bool>& free, std::size_t left) {
  if (left == 0) return 0;
  double best = std::numeric_limits<double>::infinity();
  if (m.size() - query > left) best = brute_force(m, query + 1, free, left);  // this query takes none
  for (std::size_t k = 0; k < free.size(); ++k) {
    if (!free[k]) continue;
    free[k] = false;
    best = std::min(best, m[query][k] + brute_force(m, query + 1, free, left - 1));
    free[k] = true;
  }
  return best;
}

// Another way altogether: minimum-cost flow, one unit at a time, each along a cheapest path by Bellman and Ford's
// relaxation over matched (backward) and unmatched (forward) edges. No prices.
double min_cost_flow(const Matrix& m, const std::vector<bool>& present) {
  const std::size_t queries = m.size(), slots = m[0].size();
  std::vector<std::ptrdiff_t> query_of(slots, -1), slot_of(queries, -1);
  const double inf = std::numeric_limits<double>::infinity();
  while (true) {
    std::vector<double> to_query(queries), to_slot(slots, inf);
    std::vector<std::size_t> via(slots, 0);
    for (std::size_t q = 0; q < queries; ++q) to_query[q] = slot_of[q] < 0 ? 0 : inf;
    for (bool changed = true; changed;) {
      changed = false;
      for (std::size_t q = 0; q < queries; ++q) {
        for (std::size_t k = 0; k < slots; ++k) {
          if (!present[k] || slot_of[q] == static_cast<std::ptrdiff_t>(k)) continue;
          if (to_query[q] + m[q][k] < to_slot[k] - 1e-12)
            to_slot[k] = to_query[q] + m[q][k], via[k] = q, changed = true;
        }
      }
      for (std::size_t k = 0; k < slots; ++k) {
        if (query_of[k] < 0 || to_slot[k] == inf) continue;
        const auto q = static_cast<std::size_t>(query_of[k]);
        if (to_slot[k] - m[q][k] < to_query[q] - 1e-12) to_query[q] = to_slot[k] - m[q][k], changed = true;
      }
    }
    std::ptrdiff_t end = -1;
    for (std::size_t k = 0; k < slots; ++k)
      if (query_of[k] < 0 && to_slot[k] < inf && (end < 0 || to_slot[k] < to_slot[static_cast<std::size_t>(end)]))
        end = static_cast<std::ptrdiff_t>(k);
    if (end < 0) break;
    while (end >= 0) {
      const std::size_t q = via[static_cast<std::size_t>(end)];
      query_of[static_cast<std::size_t>(end)] = static_cast<std::ptrdiff_t>(q);
      std::swap(slot_of[q], end);
    }
  }
  double total = 0;
  for (std::size_t q = 0; q < queries; ++q)
    if (slot_of[q] >= 0) total += m[q][static_cast<std::size_t>(slot_of[q])];
  return total;
}

// kind 0: reals; 1: small integers (many ties); 2: equal columns of reals; 3: reals of very different size.
Matrix random_costs(std::size_t queries, std::size_t slots, std::uint64_t seed, int kind) {
  Matrix m(queries, std::vector<double>(slots));
  const RandomKey key = RandomKey(7).child(seed);
  for (std::size_t q = 0; q < queries; ++q) {
    for (std::size_t k = 0; k < slots; ++k) {
      const std::uint64_t at = q * slots + k;
      m[q][k] = kind == 1   ? static_cast<double>(key.below(at, 4))
                : kind == 2 ? key.uniform(q, -5, 5)
                : kind == 3 ? key.normal(at) * std::pow(10.0, static_cast<double>(key.below(at, 7)) - 3)
                            : key.uniform(at, -5, 5);
    }
  }
  return m;
}

TEST_CASE("small assignments cost what trying all of them finds") {
  std::uint64_t seed = 0;
  for (std::size_t queries = 1; queries <= 6; ++queries) {
    for (std::size_t slots = 1; slots <= 6; ++slots) {
      for (int kind = 0; kind < 4; ++kind) {
        for (int repeat = 0; repeat < 4; ++repeat) {
          const Matrix m = random_costs(queries, slots, ++seed, kind);
          const ops::Assignment found = ops::assignment(cost_of(m), all_present(static_cast<std::int64_t>(slots)));
          std::vector<bool> free(slots, true);
          const double best = brute_force(m, 0, free, std::min(queries, slots));
          CHECK(total_of(found.slots, m, free) == doctest::Approx(best).epsilon(1e-12));
          CHECK(found.bad.item() == 0);
        }
      }
    }
  }
}

TEST_CASE("many random assignments, absent slots and ties included, cost what minimum-cost flow finds") {
  for (std::uint64_t seed = 0; seed < 400; ++seed) {
    const RandomKey key = RandomKey(8).child(seed);
    const std::size_t queries = 1 + key.below(0, 40), slots = 1 + key.below(1, 25);
    const Matrix m = random_costs(queries, slots, 1000 + seed, static_cast<int>(seed % 4));
    Tensor present = Tensor::zeros({1, static_cast<std::int64_t>(slots)}, DType::u8);
    std::vector<bool> there(slots);
    for (std::size_t k = 0; k < slots; ++k) {
      there[k] = key.below(2 + k, 4) != 0;
      present.mutable_data<std::uint8_t>()[k] = there[k] ? 1 : 0;
    }
    Matrix poisoned = m;  // absent slots are not read
    for (auto& row : poisoned)
      for (std::size_t k = 0; k < slots; ++k)
        if (!there[k]) row[k] = std::nan("");
    const ops::Assignment found = ops::assignment(cost_of(poisoned), present);
    CHECK(found.bad.item() == 0);
    CHECK(total_of(found.slots, m, there) == doctest::Approx(min_cost_flow(m, there)).epsilon(1e-10));
    CHECK(ops::assignment(cost_of(poisoned), present).slots.to_doubles() == found.slots.to_doubles());
  }
}

TEST_CASE("equal costs go to the lowest index") {
  const auto slots = [](const Matrix& m) {
    return ops::assignment(cost_of(m), all_present(static_cast<std::int64_t>(m[0].size()))).slots.to_doubles();
  };
  CHECK(slots(Matrix(4, std::vector<double>(2, 1.0))) == std::vector<double>{0, 1, -1, -1});
  CHECK(slots(Matrix(2, std::vector<double>(4, 1.0))) == std::vector<double>{0, 1});
  CHECK(slots(Matrix(3, std::vector<double>(3, 0.0))) == std::vector<double>{0, 1, 2});
  CHECK(slots({{1, 5}, {1, 5}, {5, 1}}) == std::vector<double>{0, -1, 1});
}

TEST_CASE("NaN and infinite costs are counted, avoided, and survived") {
  const double nan = std::numeric_limits<double>::quiet_NaN(), inf = std::numeric_limits<double>::infinity();
  // Query 1 is all bad: the others get the targets at the cost they would have without it.
  const Matrix one_row{{3, 1}, {nan, inf}, {1, 2}};
  const ops::Assignment found = ops::assignment(cost_of(one_row), all_present(2));
  CHECK(found.bad.item() == 2);
  CHECK(found.slots.to_doubles() == std::vector<double>{1, -1, 0});
  // -inf is as good as can be.
  CHECK(ops::assignment(cost_of({{0, 1}, {1, -inf}, {0, -50}}), all_present(2)).slots.to_doubles() ==
        std::vector<double>{0, 1, -1});
  // Nothing but NaN: by index.
  const ops::Assignment all = ops::assignment(cost_of(Matrix(3, std::vector<double>(2, nan))), all_present(2));
  CHECK(all.bad.item() == 6);
  CHECK(all.slots.to_doubles() == std::vector<double>{0, 1, -1});
  // The replacement does not swallow the differences of the finite ones.
  const ops::Assignment fine = ops::assignment(cost_of({{1e-3, 5}, {2e-3, 5}, {nan, nan}}), all_present(2));
  CHECK(fine.slots.to_doubles() == std::vector<double>{0, 1, -1});
  CHECK(ops::assignment(cost_of({{1e300, 1}, {0, 1}}), all_present(2)).bad.item() == 1);
}

TEST_CASE("no slot present, no slots, no queries; several images; what does not fit") {
  CHECK(ops::assignment(cost_of({{1, 2}}), Tensor::zeros({1, 2}, DType::u8)).slots.to_doubles() ==
        std::vector<double>{-1});
  CHECK(ops::assignment(Tensor::empty({1, 3, 0}, DType::f64), Tensor::empty({1, 0}, DType::u8)).slots.to_doubles() ==
        std::vector<double>{-1, -1, -1});
  CHECK(ops::assignment(Tensor::empty({2, 0, 3}, DType::f64), Tensor::full({2, 3}, 1, DType::u8)).slots.shape() ==
        Shape{2, 0});
  const Tensor two = Tensor::from(std::vector<double>{1, 2, 3, 0, 0, 5, 5, 1}, {2, 2, 2});
  CHECK(ops::assignment(two, Tensor::full({2, 2}, 1, DType::u8)).slots.to_doubles() == std::vector<double>{0, 1, 0, 1});
  CHECK_THROWS_WITH_AS(ops::assignment(two, Tensor::full({2, 3}, 1, DType::u8)),
                       "[assignment] present must be u8 (2, 2), got u8 (2, 3); cost is (2, 2, 2)",
                       std::invalid_argument);
}

}  // namespace
