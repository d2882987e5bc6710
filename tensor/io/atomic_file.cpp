#include "tensor/io/atomic_file.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstring>
#include <utility>

#include "tensor/error.h"

namespace rein {
namespace {

std::filesystem::path folder_of(const std::filesystem::path& path) {
  const auto folder = path.parent_path();
  return folder.empty() ? std::filesystem::path(".") : folder;
}

[[noreturn]] void fail_errno(const std::filesystem::path& path, const char* what, int error) {
  fail_runtime("file", path.string(), ": ", what, ": ", std::strerror(error));
}

}  // namespace

AtomicFile::AtomicFile(const std::filesystem::path& path) : path_(path) {
  static std::atomic<unsigned> counter{0};
  if (path.filename().empty()) fail_runtime("file", "'", path.string(), "' does not name a file");
  std::error_code error;
  const auto status = std::filesystem::status(path, error);
  if (std::filesystem::exists(status) && !std::filesystem::is_regular_file(status)) {
    fail_runtime("file", path.string(), ": exists and is not a regular file");
  }
  // A link stays a link: the file it points to is replaced.
  if (std::filesystem::is_symlink(path, error)) {
    const auto target = std::filesystem::weakly_canonical(path, error);
    if (!error) path_ = target;
  }
  const auto suffix = ".tmp-" + std::to_string(::getpid()) + "-" + std::to_string(counter.fetch_add(1));
  temporary_ = folder_of(path_) / ("." + path_.filename().string() + suffix);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_errno(path_, "cannot create a file beside it", errno);
}

AtomicFile::~AtomicFile() {
  close_and_remove();
}

void AtomicFile::close_and_remove() noexcept {
  if (fd_ >= 0) ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
  fd_ = -1;
  temporary_.clear();
}

void AtomicFile::write(const void* data, std::size_t bytes) {
  if (fd_ < 0) fail_runtime("file", path_.string(), ": is already closed");
  const char* from = static_cast<const char*>(data);
  while (bytes != 0) {
    // Linux takes at most 2 GiB at once.
    const ssize_t taken = ::write(fd_, from, std::min<std::size_t>(bytes, std::size_t{1} << 30));
    if (taken < 0 && errno == EINTR) continue;
    if (taken <= 0) {
      const int error = taken == 0 ? ENOSPC : errno;
      close_and_remove();
      fail_errno(path_, "cannot write", error);
    }
    from += taken;
    bytes -= static_cast<std::size_t>(taken);
  }
}

void AtomicFile::commit() {
  if (fd_ < 0) fail_runtime("file", path_.string(), ": is already closed");
  const auto check = [&](bool ok, const char* what) {
    if (ok) return;
    const int error = errno;
    close_and_remove();
    fail_errno(path_, what, error);
  };
  // A full disk may show only here, or at close.
  check(::fsync(fd_) == 0 || errno == EINVAL, "cannot flush to the disk");
  check(::close(std::exchange(fd_, -1)) == 0, "cannot close");
  check(::rename(temporary_.c_str(), path_.c_str()) == 0, "cannot rename into place");
  temporary_.clear();
  sync_folder(folder_of(path_));
}

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  AtomicFile file(path);
  file.write(bytes.data(), bytes.size());
  file.commit();
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  write_file_atomically(path, std::as_bytes(std::span(text)));
}

void sync_folder(const std::filesystem::path& folder) {
  const int fd = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd < 0) fail_errno(folder, "cannot open the folder", errno);
  const int result = ::fsync(fd);
  const int error = errno;
  ::close(fd);
  // Some file systems cannot flush a folder and say EINVAL; there is nothing better to do there.
  if (result != 0 && error != EINVAL) fail_errno(folder, "cannot flush the folder", error);
}

}  // namespace rein
