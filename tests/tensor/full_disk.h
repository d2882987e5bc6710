// While alive, no file of this process can grow beyond some bytes: writes fail as on a full disk, without one.
#pragma once

#include <signal.h>
#include <sys/resource.h>

namespace rein::test {

class FullDisk {
 public:
  explicit FullDisk(rlim_t bytes) {
    ::getrlimit(RLIMIT_FSIZE, &limit_before_);
    handler_before_ = ::signal(SIGXFSZ, SIG_IGN);  // so that write() fails with EFBIG
    const rlimit limit{bytes, limit_before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FullDisk() {
    ::setrlimit(RLIMIT_FSIZE, &limit_before_);
    ::signal(SIGXFSZ, handler_before_);
  }
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

 private:
  rlimit limit_before_{};
  void (*handler_before_)(int) = nullptr;
};

}  // namespace rein::test
