#include "data/images/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "tensor/error.h"

namespace rein::data {
namespace {

struct Descriptor {
  int fd = -1;
  ~Descriptor() {
    if (fd >= 0) ::close(fd);
  }
};

std::string reason() {
  return std::strerror(errno);
}

}  // namespace

std::vector<std::uint8_t> read_file(const std::filesystem::path& path, std::size_t limit) {
  const Descriptor file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
  if (file.fd < 0) fail_runtime("read", path.string(), ": ", reason());
  struct stat info {};
  if (::fstat(file.fd, &info) != 0) fail_runtime("read", path.string(), ": ", reason());
  if (!S_ISREG(info.st_mode)) fail_runtime("read", path.string(), ": not a regular file");
  const auto bytes = static_cast<std::size_t>(info.st_size);
  if (bytes > limit) fail_runtime("read", path.string(), ": ", bytes, " bytes, more than the allowed ", limit);
  std::vector<std::uint8_t> out(bytes);
  std::size_t done = 0;
  while (done < bytes) {
    const ssize_t got = ::read(file.fd, out.data() + done, bytes - done);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_runtime("read", path.string(), ": ", reason());
    if (got == 0) fail_runtime("read", path.string(), ": ended after ", done, " of ", bytes, " bytes");
    done += static_cast<std::size_t>(got);
  }
  return out;
}

std::vector<std::string> read_lines(const std::filesystem::path& path) {
  const auto bytes = read_file(path, std::size_t{1} << 26);
  std::vector<std::string> lines;
  std::string line;
  const auto add = [&] {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    lines.push_back(std::move(line));
    line.clear();
  };
  for (const std::uint8_t c : bytes) {
    if (c == '\n')
      add();
    else
      line.push_back(static_cast<char>(c));
  }
  if (!line.empty()) add();
  return lines;
}

}  // namespace rein::data
