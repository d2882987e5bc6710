// A trained model without its adapter: where the method allows it, the weights take over what the adapter does.
#pragma once

#include <memory>

#include "models/segmentor.h"

namespace rein::models {

// A model of method freeze that gives what `model` gives, to rounding; null where the method has no such form. Its
// values are shared with `model`, but for the merged weights. `model` must be bound, in f32 or f64 (before use_bf16),
// and is not to be used afterwards: its own weights are merged, too.
std::unique_ptr<Segmentor> merged(Segmentor& model);

}  // namespace rein::models
