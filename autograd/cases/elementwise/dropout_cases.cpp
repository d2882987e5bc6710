#include "autograd/cases/case.h"
#include "autograd/ops/elementwise/dropout.h"
#include "tensor/error.h"
#include "tensor/ops/elementwise/dropout.h"

namespace {

using namespace rein;
using namespace rein::testing;
using Unit = ops::DropoutMask::Unit;

Tensor dropout_loops(const Tensor& x, double p, const DropoutKey& key, Unit unit) {
  Tensor y = Tensor::empty_like(x);
  const std::int64_t size = x.count() / x.size(0);
  for (std::int64_t i = 0; i < x.count(); ++i) {
    const std::int64_t element = unit == Unit::element ? i % size : unit == Unit::channel ? i % x.size(-1) : 0;
    const RandomKey sample = key.key.child(static_cast<std::uint64_t>(key.first_sample + i / size));
    y.mutable_data<double>()[i] = sample.uniform(static_cast<std::uint64_t>(element)) < p ? 0 : x.at(i) / (1 - p);
  }
  return y;
}

const Cases cases("dropout", [](CaseList& list) {
  struct Op {
    const char* name;
    Unit unit;
    Variable (*variable)(const Variable&, double, const DropoutKey&);
  };
  const DropoutKey key{RandomKey(7).child("head"), 2};
  for (const Op& op : {Op{"dropout", Unit::element, dropout}, Op{"dropout_channels", Unit::channel, dropout_channels},
                       Op{"drop_path", Unit::sample, drop_path}}) {
    for (const Shape& shape : {Shape{5, 1}, Shape{6, 31}, Shape{4, 3, 2, 33}}) {
      list.add({.label = concat_text(op.name, " ", shape),
                .inputs = {normal("x", shape)},
                .run = [=](Vars v) { return Outs{op.variable(v[0], 0.3, key)}; },
                .reference = [=](Refs t) { return std::vector{dropout_loops(t[0], 0.3, key, op.unit)}; },
                .f32_tolerance = 2e-7,
                .f32_grad_tolerance = 2e-7,
                .why = "one product with a rounded factor"});
    }
  }
});

}  // namespace
