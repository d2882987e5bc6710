// What the machine can do at best, measured: the yardstick beside every GFLOP/s figure.
#pragma once

namespace rein {

// GFLOP/s (f32, a fused multiply-add counts two) of register-only multiply-adds on `threads` threads with the
// instruction set in use; the best of several short runs, about 0.1 s in all. `threads` at least 1.
double measure_fma_peak_gflops(int threads);

}  // namespace rein
