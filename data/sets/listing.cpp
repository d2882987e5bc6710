#include "data/sets/listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <cctype>
#include <map>

#include "data/images/header.h"
#include "tensor/error.h"
#include "tensor/text.h"

namespace rein::data {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t max_depth = 128;

// What Macs, Windows and storage boxes leave in folders beside what they begin with a dot.
bool is_litter(const std::string& name) {
  static constexpr std::string_view known[] = {"Thumbs.db",    "ehthumbs.db", "desktop.ini",
                                               "__MACOSX",     "@eaDir",      "#recycle",
                                               "$RECYCLE.BIN", "lost+found",  "System Volume Information",
                                               "__pycache__"};
  return std::ranges::find(known, name) != std::end(known);
}

class Search {
 public:
  Search(const fs::path& folder, const fs::path& skip) : skip_(skip) {
    walk(folder);
    std::ranges::sort(out_.files);
    std::ranges::sort(out_.left_out, {}, &LeftOut::file);
  }
  Listing take() { return std::move(out_); }

 private:
  struct Place {
    dev_t device;
    ino_t inode;
    bool operator==(const Place&) const = default;
  };

  void leave_out(const fs::path& path, std::string why) { out_.left_out.push_back({path, std::move(why)}); }

  void walk(const fs::path& folder) {
    struct stat info {};
    if (::stat(folder.c_str(), &info) != 0) return leave_out(folder, "unreadable");
    const Place here{info.st_dev, info.st_ino};
    if (std::ranges::find(around_, here) != around_.end())
      return leave_out(folder, "a link back to a folder around it");
    if (around_.size() >= max_depth) return leave_out(folder, "nested too deeply");
    std::error_code error;
    fs::directory_iterator it(folder, error);
    if (error) return leave_out(folder, "unreadable: " + error.message());
    around_.push_back(here);
    for (; it != fs::directory_iterator(); it.increment(error)) {
      if (error) break;
      visit(it->path());
    }
    if (error) leave_out(folder, "unreadable: " + error.message());
    around_.pop_back();
  }

  void visit(const fs::path& path) {
    const std::string name = path.filename().string();
    if (name.starts_with(".")) return leave_out(path, "hidden");
    if (is_litter(name)) return leave_out(path, "left by a system");
    struct stat info {};
    if (::stat(path.c_str(), &info) != 0) {
      std::error_code ignored;
      const bool link = fs::is_symlink(fs::symlink_status(path, ignored));
      return leave_out(path, link ? "a link to nothing" : "unreadable");
    }
    if (S_ISDIR(info.st_mode)) {
      std::error_code ignored;
      if (skip_.empty() || !fs::equivalent(path, skip_, ignored)) walk(path);
    } else if (S_ISREG(info.st_mode)) {
      out_.files.push_back(path);
    } else {
      leave_out(path, "no regular file");
    }
  }

  fs::path skip_;
  std::vector<Place> around_;  // the folders that the present one lies in
  Listing out_;
};

}  // namespace

Listing list_files(const fs::path& folder, const fs::path& skip) {
  std::error_code error;
  const fs::directory_iterator readable(folder, error);
  if (error) {
    std::string advice;
    if (!fs::exists(folder, error)) {
      std::vector<std::string> known;
      for (const auto& entry : fs::directory_iterator(folder.parent_path().empty() ? "." : folder.parent_path(), error))
        if (entry.is_directory(error)) known.push_back(entry.path().filename().string());
      std::ranges::sort(known);
      advice = did_you_mean(folder.filename().string(), known);
      if (advice.empty() && !known.empty()) advice = "; beside it are the folders " + quoted_list(known, 6);
    }
    fs::directory_iterator again(folder, error);
    fail_runtime("dataset", folder.string(), ": ", error.message(), advice);
  }
  return Search(folder, skip).take();
}

Listing list_photos(const fs::path& folder, const fs::path& skip) {
  Listing all = list_files(folder, skip);
  Listing out;
  out.left_out = std::move(all.left_out);
  for (const fs::path& file : all.files) {
    const PictureKind kind = kind_by_suffix(file);
    if (can_read(kind))
      out.files.push_back(file);
    else
      out.left_out.push_back(
          {file, kind == PictureKind::unknown ? "by its suffix no photo" : concat_text(name_of(kind), " is not read")});
  }
  std::ranges::sort(out.left_out, {}, &LeftOut::file);
  return out;
}

std::string left_out_text(const std::vector<LeftOut>& left_out, const fs::path& folder) {
  std::map<std::string, std::vector<std::string>> by_reason;
  for (const LeftOut& one : left_out)
    by_reason[one.why].push_back(one.file.lexically_relative(folder).generic_string());
  std::string text;
  for (const auto& [why, files] : by_reason)
    text += concat_text(text.empty() ? "" : "; ", files.size(), ": ", why, " (", quoted_list(files, 3), ")");
  return text;
}

}  // namespace rein::data
