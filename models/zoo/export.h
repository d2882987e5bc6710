// Weights under our names back to the names and shapes of a published layout.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "models/zoo/zoo.h"
#include "tensor/io/weight_write.h"

namespace rein::models::zoo {

// Throws std::runtime_error with the known names when there is no such layout.
const Layout& layout_named(std::string_view name);

// The tensors of `weights` as a file of `target` holds them, sorted by name: packed tensors taken apart, shapes in its
// form. Each is read when it is written. Throws std::runtime_error when `target` is of another family or has no name
// for some of them; a value that becomes infinite in f16 is an error when it is read.
std::vector<TensorToWrite> as_layout(const Weights& weights, const Layout& target, DType dtype);

// f32 or f64 to `dtype`; std::runtime_error when a finite value would become infinite. `name` is for the error text.
Tensor narrowed(const Tensor& value, DType dtype, const std::string& name);

}  // namespace rein::models::zoo
