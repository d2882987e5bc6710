// A file that appears whole or not at all: written beside, flushed to the disk, renamed.
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace rein {

// Killed at any moment, or on a full disk, `path` holds its old contents (or is absent as before). Every member throws
// std::runtime_error that names the file and what the system said. The temporary file is `.NAME.tmp-PID-N` in the same
// folder; a killed process leaves it, an exception does not.
class AtomicFile {
 public:
  // The folder must exist; `path` must be absent or a regular file.
  explicit AtomicFile(const std::filesystem::path& path);
  ~AtomicFile();  // removes the temporary file unless committed
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, std::size_t bytes);  // appends
  void write(std::string_view text) { write(text.data(), text.size()); }
  void commit();  // flush, rename, flush the folder; once, last

 private:
  void close_and_remove() noexcept;
  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
};

void write_file_atomically(const std::filesystem::path& path, std::span<const std::byte> bytes);
void write_file_atomically(const std::filesystem::path& path, std::string_view text);

// Makes renames and removals inside `folder` last through a power cut. Throws std::runtime_error.
void sync_folder(const std::filesystem::path& folder);

}  // namespace rein
