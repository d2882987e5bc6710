// A file from outside as read-only memory, and what everybody gets wrong before a weight file is even one.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "tensor/memory.h"

namespace rein {

// Maps the whole file read-only and private. std::runtime_error, with `reader` in brackets, for what is no regular
// file, is empty, or cannot be opened.
std::shared_ptr<Storage> map_file(const std::filesystem::path& path, std::string_view reader);

// `head`: the first bytes of a file (512 are enough). Throws std::runtime_error when they are a git-LFS pointer or a
// web page: downloads that went wrong.
void refuse_wrong_downloads(std::string_view head, const std::string& file, std::string_view reader);

}  // namespace rein
