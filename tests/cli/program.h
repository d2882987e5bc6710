// Runs the real program as a process of its own.
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <stdexcept>
#include <string>
#include <vector>

#include "tests/harness/temp_folder.h"

namespace rein::testing {

struct Finished {
  int status = -1;  // exit status, or -signal
  std::string out, err;
};

class Program {
 public:
  // stdout and stderr go to files in `scratch`. `file_limit`: no file may grow beyond this many bytes (a full disk); 0:
  // none.
  Program(const std::vector<std::string>& arguments, const std::filesystem::path& scratch, rlim_t file_limit = 0)
      : out_(scratch / "stdout.txt"), err_(scratch / "stderr.txt") {
    std::vector<std::string> all = {REIN_PROGRAM};
    all.insert(all.end(), arguments.begin(), arguments.end());
    std::vector<char*> argv;
    for (std::string& a : all) argv.push_back(a.data());
    argv.push_back(nullptr);
    pid_ = ::fork();
    if (pid_ < 0) throw std::runtime_error("cannot fork");
    if (pid_ == 0) {
      const int out = ::open(out_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      const int err = ::open(err_.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      ::dup2(out, STDOUT_FILENO);
      ::dup2(err, STDERR_FILENO);
      if (file_limit > 0) {
        ::signal(SIGXFSZ, SIG_IGN);
        const rlimit limit{file_limit, file_limit};
        ::setrlimit(RLIMIT_FSIZE, &limit);
      }
      ::execv(argv[0], argv.data());
      ::_exit(127);
    }
  }
  ~Program() {
    if (pid_ > 0) kill_now();
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  bool running() {
    if (pid_ <= 0) return false;
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == 0) return true;
    keep(status);
    return false;
  }
  void kill_now() {
    if (pid_ <= 0) return;
    ::kill(pid_, SIGKILL);
    wait();
  }
  Finished wait() {
    int status = 0;
    if (pid_ > 0 && ::waitpid(pid_, &status, 0) == pid_) keep(status);
    return {status_, test::contents_of(out_), test::contents_of(err_)};
  }

 private:
  void keep(int status) {
    status_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
    pid_ = -1;
  }
  std::filesystem::path out_, err_;
  pid_t pid_ = -1;
  int status_ = -1;
};

inline Finished run_program(const std::vector<std::string>& arguments, const std::filesystem::path& scratch,
                            rlim_t file_limit = 0) {
  return Program(arguments, scratch, file_limit).wait();
}

}  // namespace rein::testing
