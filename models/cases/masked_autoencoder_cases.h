// A tiny masked autoencoder, for cases and tests.
#pragma once

#include "models/pretraining/masked_autoencoder.h"

namespace rein::testing {

// A ViT of 2 blocks on a 2 x 3 grid, a decoder of one.
models::MaskedAutoencoderOptions tiny_masked_autoencoder();

}  // namespace rein::testing
