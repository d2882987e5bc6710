#include "tensor/io/mapped_file.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cerrno>
#include <cstring>

#include "tensor/error.h"

namespace rein {
namespace {

bool starts_with_ignoring_case(std::string_view text, std::string_view lower) {
  return text.size() >= lower.size() && std::equal(lower.begin(), lower.end(), text.begin(), [](char a, char b) {
           return a == static_cast<char>(std::tolower(static_cast<unsigned char>(b)));
         });
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }

 private:
  int fd_;
};

}  // namespace

std::shared_ptr<Storage> map_file(const std::filesystem::path& path, std::string_view reader) {
  // Not blocking: opening a named pipe would wait for a writer.
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() < 0) fail_runtime(reader, path.string(), ": cannot open: ", std::strerror(errno));
  struct stat info {};
  if (::fstat(fd.get(), &info) != 0) fail_runtime(reader, path.string(), ": ", std::strerror(errno));
  if (!S_ISREG(info.st_mode)) fail_runtime(reader, path.string(), ": is not a regular file");
  const auto size = static_cast<std::size_t>(info.st_size);
  if (size == 0) fail_runtime(reader, path.string(), ": the file is empty");
  void* data = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, fd.get(), 0);
  if (data == MAP_FAILED) {
    fail_runtime(reader, path.string(), ": cannot map ", size, " bytes: ", std::strerror(errno));
  }
  return Storage::borrow(data, size, [data, size] { ::munmap(data, size); });
}

void refuse_wrong_downloads(std::string_view text, const std::string& file, std::string_view reader) {
  if (text.starts_with("version https://git-lfs")) {
    fail_runtime(reader, file, ": this is a git-LFS pointer, not the weights; fetch the file itself (git lfs pull)");
  }
  const auto first = text.find_first_not_of(" \t\r\n\xEF\xBB\xBF");
  const std::string_view page = first == std::string_view::npos ? "" : text.substr(first, 64);
  for (const char* tag : {"<!doctype", "<html", "<head", "<?xml"}) {
    if (starts_with_ignoring_case(page, tag)) {
      fail_runtime(reader, file, ": this is a web page, not the weights; the download went wrong");
    }
  }
}

}  // namespace rein
