// The files of a folder, for whoever looks for photos or labels: training, evaluation, pretraining, prediction, `rein
// data`. One rule for all: folders are searched to their ends, links are followed (one that leads back to a folder
// around it is not), hidden files and folders and those that systems leave behind are passed over. What is left out is
// kept with the reason, so that it can be said.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace rein::data {

struct LeftOut {
  std::filesystem::path file;
  std::string why;  // "hidden", "a link to nothing", "HEIC is not read", …
};

struct Listing {
  std::vector<std::filesystem::path> files;  // regular ones, sorted
  std::vector<LeftOut> left_out;             // sorted by file
};

// `skip`: a folder not to be entered, such as that of results; may be empty. std::runtime_error naming `folder` when it
// cannot be read, with the nearest folder that is there when it does not exist.
Listing list_files(const std::filesystem::path& folder, const std::filesystem::path& skip = {});

// Of these, the photos that read_photo reads, by their suffix in any case; the others are left out.
Listing list_photos(const std::filesystem::path& folder, const std::filesystem::path& skip = {});

// "3: hidden (".a", …); 2: HEIC is not read ("b.heic", …)": of each reason how many and which; empty of nothing.
std::string left_out_text(const std::vector<LeftOut>& left_out, const std::filesystem::path& folder);

}  // namespace rein::data
