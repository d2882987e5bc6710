#include "tensor/cuda/emulated/device_access.h"

#include <sys/mman.h>

#include <cstdlib>
#include <map>
#include <string_view>

#include "tensor/error.h"

namespace rein::cuda::emulated {
namespace {

#ifdef __SANITIZE_ADDRESS__
// AddressSanitizer finds what kernels touch outside of a segment; it needs memory of its own making for that.
constexpr bool guarded = false;
#else
constexpr bool guarded = true;
#endif
constexpr std::size_t arena_bytes = std::size_t{64} << 30;

struct Arena {
  std::byte* base = nullptr;
  std::size_t used = 0;  // everything handed out lies below
  std::map<std::byte*, std::size_t> live;
  std::multimap<std::size_t, std::byte*> idle;
  int depth = 0;
};

Arena& arena() {
  static Arena a = [] {
    Arena made;
    void* p = mmap(nullptr, arena_bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) fail_runtime("cuda", "no address space for the emulated device");
    made.base = static_cast<std::byte*>(p);
    return made;
  }();
  return a;
}

void protect(int protection) {
  if (arena().used > 0 && mprotect(arena().base, arena().used, protection) != 0)
    fail_runtime("cuda", "could not change the protection of the emulated device's memory");
}

}  // namespace

std::size_t arena_size() {
  return arena_bytes;
}

bool runs_kernels() {
  static const bool on = [] {
    const char* setting = std::getenv("REIN_EMULATED_KERNELS");
    return setting == nullptr || std::string_view(setting) != "off";
  }();
  return on;
}

DeviceAccess::DeviceAccess() {
  if (guarded && arena().depth++ == 0) protect(PROT_READ | PROT_WRITE);
}
DeviceAccess::~DeviceAccess() {
  if (guarded && --arena().depth == 0) mprotect(arena().base, arena().used, PROT_NONE);
}

void* take_memory(std::size_t bytes) {
  if (!guarded) return std::aligned_alloc(512, (bytes + 511) / 512 * 512);
  Arena& a = arena();
  const auto found = a.idle.find(bytes);
  std::byte* segment = nullptr;
  if (found != a.idle.end()) {
    segment = found->second;
    a.idle.erase(found);
  } else if (bytes <= arena_bytes - a.used) {
    segment = a.base + a.used;
    a.used += (bytes + 4095) / 4096 * 4096;
  } else {
    return nullptr;
  }
  a.live[segment] = bytes;
  return segment;
}

void give_memory(void* segment) {
  if (!guarded) return std::free(segment);
  Arena& a = arena();
  const auto found = a.live.find(static_cast<std::byte*>(segment));
  if (found == a.live.end()) return;
  madvise(segment, found->second, MADV_DONTNEED);
  a.idle.emplace(found->second, found->first);
  a.live.erase(found);
}

}  // namespace rein::cuda::emulated
