// CUDA's kernel language on the CPU, for tests: a block's threads are fibers that take turns at barriers, blocks run
// one after the other. Not a performance model and no replacement for a GPU: races between the threads of a block show
// only when the order that is used here makes them visible, and shared memory starts as garbage (0xFF), never as zero.
#pragma once

#include <math.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <type_traits>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static  // one block at a time

namespace rein::cuda::emulated {

struct Index {
  unsigned x = 0, y = 0, z = 0;
};
struct Extent {
  unsigned x = 1, y = 1, z = 1;
  constexpr Extent(unsigned x_ = 1, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// Of the thread that runs now.
extern Index thread_index, block_index;
extern Extent block_extent, grid_extent;

// Runs `body` for every thread of every block. Throws std::runtime_error when threads wait at different barriers, and
// std::invalid_argument for a block, grid or shared memory that no GPU would take.
void run(const char* name, Extent grid, Extent block, std::size_t shared_bytes, const std::function<void()>& body);

std::uint64_t kernels_run();  // so far
bool runs_kernels();          // device_access.h

void block_barrier();
void warp_barrier(unsigned mask);
std::byte* shared_memory();
std::byte* warp_slot(int lane, int phase);  // 16 bytes per lane; two phases, so that one barrier per exchange is enough
int next_phase();
int lane();

template <class T>
T exchange(unsigned mask, T value, int source) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16);
  const int phase = next_phase();
  std::memcpy(warp_slot(lane(), phase), &value, sizeof(T));
  warp_barrier(mask);
  T other;
  std::memcpy(&other, warp_slot(source & 31, phase), sizeof(T));
  return other;
}

// What every lane of the warp gives, in one barrier.
template <class T>
std::array<T, 32> gather(unsigned mask, T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 16);
  const int phase = next_phase();
  std::memcpy(warp_slot(lane(), phase), &value, sizeof(T));
  warp_barrier(mask);
  std::array<T, 32> all;
  for (int source = 0; source < 32; ++source)
    std::memcpy(&all[static_cast<std::size_t>(source)], warp_slot(source, phase), sizeof(T));
  return all;
}

}  // namespace rein::cuda::emulated

using dim3 = rein::cuda::emulated::Extent;
#define threadIdx rein::cuda::emulated::thread_index
#define blockIdx rein::cuda::emulated::block_index
#define blockDim rein::cuda::emulated::block_extent
#define gridDim rein::cuda::emulated::grid_extent

inline void __syncthreads() {
  rein::cuda::emulated::block_barrier();
}
inline void __syncwarp(unsigned mask = 0xffffffffu) {
  rein::cuda::emulated::warp_barrier(mask);
}
template <class T>
T __shfl_sync(unsigned mask, T value, int source) {
  return rein::cuda::emulated::exchange(mask, value, source);
}
template <class T>
T __shfl_xor_sync(unsigned mask, T value, int bits) {
  return rein::cuda::emulated::exchange(mask, value, rein::cuda::emulated::lane() ^ bits);
}
template <class T>
T __shfl_down_sync(unsigned mask, T value, unsigned distance) {
  const int lane = rein::cuda::emulated::lane(), source = lane + static_cast<int>(distance);
  return rein::cuda::emulated::exchange(mask, value, source < 32 ? source : lane);
}
template <class T>
T __shfl_up_sync(unsigned mask, T value, unsigned distance) {
  const int lane = rein::cuda::emulated::lane(), source = lane - static_cast<int>(distance);
  return rein::cuda::emulated::exchange(mask, value, source >= 0 ? source : lane);
}
inline unsigned __ballot_sync(unsigned mask, bool predicate) {
  unsigned votes = 0;
  for (int step = 0; step < 32; ++step) {  // lane by lane, so that lanes outside of the mask do not count
    const int source = step;
    const bool vote = rein::cuda::emulated::exchange(mask, predicate, source);
    if ((mask >> source & 1u) != 0 && vote) votes |= 1u << source;
  }
  return votes;
}
inline bool __any_sync(unsigned mask, bool predicate) {
  return __ballot_sync(mask, predicate) != 0;
}
inline bool __all_sync(unsigned mask, bool predicate) {
  return __ballot_sync(mask, predicate) == mask;
}

template <class T>
T atomicAdd(T* address, T value) {
  const T before = *address;
  *address = before + value;
  return before;
}
template <class T>
T atomicMax(T* address, T value) {
  const T before = *address;
  if (value > before) *address = value;
  return before;
}
template <class T>
T __ldg(const T* address) {
  return *address;
}
inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline float rsqrtf(float x) {
  return 1.0F / sqrtf(x);
}
inline double rsqrt(double x) {
  return 1.0 / sqrt(x);
}

namespace rein::cuda {

template <class... P>
void launch(const char* name, void (*kernel)(P...), dim3 grid, dim3 block, std::size_t shared_bytes,
            std::type_identity_t<P>... args) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return;
  emulated::run(name, grid, block, shared_bytes, [=] { kernel(args...); });
}

template <class T>
T* dynamic_shared() {
  return reinterpret_cast<T*>(emulated::shared_memory());
}

}  // namespace rein::cuda
