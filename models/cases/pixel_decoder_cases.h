// A tiny pixel decoder, for cases and tests.
#pragma once

#include "autograd/cases/case.h"
#include "models/heads/pixel_decoder.h"

namespace rein::testing {

models::PixelDecoderOptions tiny_pixel_decoder();

// The mask features and all memories.
Outs outputs_of(const models::PixelDecoderOut& out);

}  // namespace rein::testing
