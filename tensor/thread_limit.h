// A number of threads for the loops of one calling thread, whatever the process's is (tensor/parallel.h).
#pragma once

namespace rein {

// While alive on a thread, thread_count() there is `threads`; 0: changes nothing. Other threads do not see it.
class ThreadLimit {
 public:
  explicit ThreadLimit(int threads);
  ~ThreadLimit();
  ThreadLimit(const ThreadLimit&) = delete;
  ThreadLimit& operator=(const ThreadLimit&) = delete;

 private:
  int before_;
};

}  // namespace rein
