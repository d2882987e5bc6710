// Helpers shared by tests of kernels: the same computation under several thread counts and instruction sets.
#pragma once

#include <doctest/doctest.h>

#include <algorithm>
#include <cstring>
#include <functional>
#include <vector>

#include "autograd/cases/case.h"
#include "tensor/cpu_features.h"
#include "tensor/parallel.h"
#include "tests/ops/keep_isa.h"

namespace rein::testing {

inline bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

// Runs `make` with 1, 2 and 3 threads; every tensor must come out with the same bits.
inline void check_same_bits_for_any_threads(const std::function<std::vector<Tensor>()>& make) {
  const int before = thread_count();
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3}) {
    set_thread_count(threads);
    const std::vector<Tensor> now = make();
    if (first.empty()) first = now;
    REQUIRE(now.size() == first.size());
    for (std::size_t i = 0; i < now.size(); ++i) {
      CAPTURE(threads);
      CAPTURE(i);
      CHECK(same_bits(now[i], first[i]));
    }
  }
  set_thread_count(before);
}

// Every case of an op on every instruction set of this machine: values in both dtypes, and f32 gradients.
inline void check_every_isa(const std::string& op) {
  const KeepIsa keep;
  for (const std::string& isa : available_isas()) {
    force_isa(isa);
    for (const OpCase& c : cases_of(op)) {
      if (c.bench_only) continue;
      CAPTURE(isa);
      CAPTURE(c.label);
      for (const DType dtype : {DType::f64, DType::f32}) {
        const Comparison value = check_value(c, dtype);
        CHECK_MESSAGE(value.ok, "error ", value.error, " ", value.text);
      }
      if (!c.check_gradient) continue;
      const Comparison gradient = check_f32_gradient(c);
      CHECK_MESSAGE(gradient.ok, "error ", gradient.error, " ", gradient.text);
    }
  }
}

}  // namespace rein::testing
