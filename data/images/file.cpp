#include "data/images/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

// An open regular file of a known size.
struct Opened {
  Descriptor file;
  std::size_t bytes = 0;

  explicit Opened(const std::filesystem::path& path) : file{::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)} {
    if (file.fd < 0) fail_runtime("read", path.string(), ": ", reason());
    struct stat info {};
    if (::fstat(file.fd, &info) != 0) fail_runtime("read", path.string(), ": ", reason());
    if (!S_ISREG(info.st_mode)) fail_runtime("read", path.string(), ": not a regular file");
    bytes = static_cast<std::size_t>(info.st_size);
  }

  std::vector<std::uint8_t> first(std::size_t count, const std::filesystem::path& path) const {
    std::vector<std::uint8_t> out(count);
    std::size_t done = 0;
    while (done < count) {
      const ssize_t got = ::read(file.fd, out.data() + done, count - done);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0) fail_runtime("read", path.string(), ": ", reason());
      if (got == 0) fail_runtime("read", path.string(), ": ended after ", done, " of ", count, " bytes");
      done += static_cast<std::size_t>(got);
    }
    return out;
  }
};

}  // namespace

std::vector<std::uint8_t> read_file(const std::filesystem::path& path, std::size_t limit) {
  const Opened opened(path);
  if (opened.bytes > limit)
    fail_runtime("read", path.string(), ": ", opened.bytes, " bytes, more than the allowed ", limit);
  return opened.first(opened.bytes, path);
}

std::vector<std::uint8_t> read_beginning(const std::filesystem::path& path, std::size_t count) {
  const Opened opened(path);
  return opened.first(std::min(opened.bytes, count), path);
}

std::vector<std::uint8_t> read_end(const std::filesystem::path& path, std::size_t count) {
  const Opened opened(path);
  if (opened.bytes > count && ::lseek(opened.file.fd, static_cast<off_t>(opened.bytes - count), SEEK_SET) < 0)
    fail_runtime("read", path.string(), ": ", reason());
  return opened.first(std::min(opened.bytes, count), path);
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
