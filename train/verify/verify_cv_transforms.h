// Kind "cv_transforms" of the recorded cases (golden README, section 14), through the functions that training uses.
#pragma once

#include <functional>
#include <string>

#include "tensor/io/safetensors.h"
#include "tensor/tensor.h"

namespace rein::train {

// `name` is a tensor of the file ("out.y.3"), or a path into its config for results that stand there ("cases.2.y1").
// `ref` is what the file holds; integers and floats may differ by `allowed_difference` (0: the same numbers).
using CompareTransform =
    std::function<void(const std::string& name, const Tensor& ours, const Tensor& ref, int allowed_difference)>;

// Throws std::runtime_error for a file that is not of this kind or lacks something.
void verify_cv_transforms(const SafeTensors& file, const CompareTransform& compare);

}  // namespace rein::train
