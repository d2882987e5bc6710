#include "tensor/cuda/emulated/emulate.h"

#include <setjmp.h>
#include <ucontext.h>

#include <algorithm>
#include <memory>
#include <vector>

#include "tensor/cuda/driver.h"
#include "tensor/cuda/emulated/device_access.h"
#include "tensor/error.h"

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/common_interface_defs.h>
#endif

namespace rein::cuda::emulated {

Index thread_index, block_index;
Extent block_extent, grid_extent;

namespace {

enum class State : std::uint8_t { not_started, ready, at_block_barrier, at_warp_barrier, done };

// A stack that runs threads one after the other; one that waits keeps its stack, and another stack goes on.
struct Fiber {
  static constexpr std::size_t stack_bytes = 128 << 10;
  ucontext_t start{};
  jmp_buf place{};  // where it waits, once it has been started
  bool started = false;
  std::unique_ptr<std::byte[]> stack{new std::byte[stack_bytes]};
  void* fake_stack = nullptr;  // AddressSanitizer's, kept while another stack runs
};

// Leaves this stack for a place on another one. A jump does not save the signal mask, as swapcontext does with two
// system calls: that makes barriers ten times cheaper.
void jump(jmp_buf& from, jmp_buf& to) {
  if (_setjmp(from) == 0) _longjmp(to, 1);
}

// AddressSanitizer has to be told of each change of stacks.
void leave_stack([[maybe_unused]] void** keep, [[maybe_unused]] const void* bottom,
                 [[maybe_unused]] std::size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_start_switch_fiber(keep, bottom, bytes);
#endif
}
void enter_stack([[maybe_unused]] void* kept, [[maybe_unused]] const void** from_bottom,
                 [[maybe_unused]] std::size_t* from_bytes) {
#ifdef __SANITIZE_ADDRESS__
  __sanitizer_finish_switch_fiber(kept, from_bottom, from_bytes);
#endif
}

struct Thread {
  State state = State::not_started;
  unsigned mask = 0;  // of the warp barrier it waits at
  int phase = 0;
  Fiber* fiber = nullptr;
};

class Block {
 public:
  Block(const char* name, Extent extent, std::size_t shared_bytes, const std::function<void()>& body)
      : name_(name),
        body_(body),
        count_(static_cast<int>(extent.x * extent.y * extent.z)),
        threads_(static_cast<std::size_t>(count_)),
        warps_(static_cast<std::size_t>((count_ + 31) / 32)),
        shared_(shared_bytes) {}

  void run();
  void wait(State why, unsigned mask);
  std::byte* shared() { return shared_.data(); }
  std::byte* slot(int lane, int phase) {
    return warps_[static_cast<std::size_t>(current_ / 32)][static_cast<std::size_t>(phase)]
                 [static_cast<std::size_t>(lane)]
                     .data();
  }
  int next_phase() { return thread().phase++ & 1; }
  int lane() const { return current_ % 32; }

 private:
  using WarpSlots = std::array<std::array<std::array<std::byte, 16>, 32>, 2>;
  Thread& thread() { return threads_[static_cast<std::size_t>(current_)]; }
  Thread& thread(int i) { return threads_[static_cast<std::size_t>(i)]; }
  void enter(int i);
  void resume(int i);
  void add_fiber();
  void switch_to(Fiber& fiber);
  void to_scheduler(Fiber& self);
  bool release_warps();
  bool release_block();
  static void fiber_main();

  const char* name_;
  const std::function<void()>& body_;
  int count_;
  std::vector<Thread> threads_;
  std::vector<WarpSlots> warps_;
  std::vector<std::byte> shared_;
  int current_ = 0, next_ = 0;
  jmp_buf scheduler_{};
  const void* scheduler_bottom_ = nullptr;
  std::size_t scheduler_bytes_ = 0;
  std::vector<std::unique_ptr<Fiber>> fibers_;
  std::vector<Fiber*> idle_;
  Fiber* running_ = nullptr;
};

Block* active = nullptr;

void Block::enter(int i) {
  current_ = i;
  const auto n = static_cast<unsigned>(i);
  thread_index = {n % block_extent.x, n / block_extent.x % block_extent.y, n / (block_extent.x * block_extent.y)};
}

void Block::fiber_main() {
  Block& block = *active;
  enter_stack(nullptr, &block.scheduler_bottom_, &block.scheduler_bytes_);
  for (;;) {
    Fiber* self = block.running_;
    while (block.next_ < block.count_) {
      block.enter(block.next_++);
      block.thread().fiber = self;
      block.body_();
      block.thread().state = State::done;
    }
    block.idle_.push_back(self);
    block.to_scheduler(*self);
  }
}

void Block::to_scheduler(Fiber& self) {
  leave_stack(&self.fake_stack, scheduler_bottom_, scheduler_bytes_);
  jump(self.place, scheduler_);
  enter_stack(self.fake_stack, &scheduler_bottom_, &scheduler_bytes_);
}

void Block::switch_to(Fiber& fiber) {
  running_ = &fiber;
  void* fake_stack = nullptr;
  leave_stack(&fake_stack, fiber.stack.get(), Fiber::stack_bytes);
  if (fiber.started) {
    jump(scheduler_, fiber.place);
  } else {
    fiber.started = true;
    if (_setjmp(scheduler_) == 0) setcontext(&fiber.start);
  }
  enter_stack(fake_stack, nullptr, nullptr);
}

void Block::wait(State why, unsigned mask) {
  const int mine = current_;
  thread().state = why;
  thread().mask = mask;
  to_scheduler(*thread().fiber);
  enter(mine);
}

bool Block::release_warps() {
  bool released = false;
  for (int first = 0; first < count_; first += 32) {
    for (int i = first; i < first + 32 && i < count_; ++i) {
      if (thread(i).state != State::at_warp_barrier) continue;
      const unsigned mask = thread(i).mask;
      bool complete = (mask >> (i - first) & 1u) != 0;
      for (int k = first; k < first + 32 && k < count_; ++k) {
        if ((mask >> (k - first) & 1u) == 0 || thread(k).state == State::done) continue;
        complete = complete && thread(k).state == State::at_warp_barrier && thread(k).mask == mask;
      }
      if (!complete) continue;
      for (int k = first; k < first + 32 && k < count_; ++k) {
        if ((mask >> (k - first) & 1u) != 0 && thread(k).state == State::at_warp_barrier)
          thread(k).state = State::ready;
      }
      released = true;
    }
  }
  return released;
}

bool Block::release_block() {
  bool any = false;
  for (const Thread& t : threads_) {
    if (t.state == State::at_warp_barrier) return false;
    any = any || t.state == State::at_block_barrier;
  }
  for (Thread& t : threads_)
    if (t.state == State::at_block_barrier) t.state = State::ready;
  return any;
}

// In a function of its own: getcontext may return twice.
void Block::add_fiber() {
  fibers_.push_back(std::make_unique<Fiber>());
  Fiber& fiber = *fibers_.back();
  getcontext(&fiber.start);
  fiber.start.uc_stack.ss_sp = fiber.stack.get();
  fiber.start.uc_stack.ss_size = Fiber::stack_bytes;
  fiber.start.uc_link = nullptr;
  makecontext(&fiber.start, &Block::fiber_main, 0);
  idle_.push_back(&fiber);
}

void Block::run() {
  std::ranges::fill(threads_, Thread{});
  std::ranges::fill(shared_, std::byte{0xFF});
  next_ = 0;
  for (;;) {
    bool progress = false;
    for (int i = 0; i < count_; ++i) {
      if (thread(i).state != State::ready) continue;
      progress = true;
      current_ = i;
      switch_to(*thread(i).fiber);
    }
    while (next_ < count_) {
      progress = true;
      if (idle_.empty()) add_fiber();
      Fiber* fiber = idle_.back();
      idle_.pop_back();
      switch_to(*fiber);
    }
    if (release_warps() || release_block() || progress) continue;
    for (const Thread& t : threads_) {
      if (t.state != State::done)
        fail_runtime("cuda", "in ", name_, ": threads of a block wait at different barriers, or some have left");
    }
    return;
  }
}

std::uint64_t kernel_count = 0;

}  // namespace

void run(const char* name, Extent grid, Extent block, std::size_t shared_bytes, const std::function<void()>& body) {
  const std::size_t threads = std::size_t{block.x} * block.y * block.z;
  require(threads >= 1 && threads <= 1024 && block.z <= 64, "cuda", name, ": a block has 1 to 1024 threads, got ",
          threads);
  require(shared_bytes <= 227 * 1024, "cuda", name, ": a block has at most 227 KiB of shared memory, asked for ",
          shared_bytes);
  require(grid.y <= 65535 && grid.z <= 65535 && grid.x <= 2147483647u, "cuda", name, ": grid (", grid.x, ", ", grid.y,
          ", ", grid.z, ") is too large");
  require(active == nullptr, "cuda", name, ": kernels cannot start kernels");
  count_launch(name);
  ++kernel_count;
  if (!runs_kernels()) return;
  const DeviceAccess access;
  block_extent = block;
  grid_extent = grid;
  Block state(name, block, shared_bytes, body);
  active = &state;
  try {
    for (unsigned z = 0; z < grid.z; ++z)
      for (unsigned y = 0; y < grid.y; ++y)
        for (unsigned x = 0; x < grid.x; ++x) {
          block_index = {x, y, z};
          state.run();
        }
  } catch (...) {
    active = nullptr;
    throw;
  }
  active = nullptr;
}

std::uint64_t kernels_run() {
  return kernel_count;
}

void block_barrier() {
  active->wait(State::at_block_barrier, 0);
}
void warp_barrier(unsigned mask) {
  active->wait(State::at_warp_barrier, mask);
}
std::byte* shared_memory() {
  return active->shared();
}
std::byte* warp_slot(int lane, int phase) {
  return active->slot(lane, phase);
}
int next_phase() {
  return active->next_phase();
}
int lane() {
  return active->lane();
}

}  // namespace rein::cuda::emulated
