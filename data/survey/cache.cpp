#include "data/survey/cache.h"

#include <sys/stat.h>

#include <cstdlib>
#include <sstream>

#include "data/images/file.h"
#include "tensor/io/atomic_file.h"
#include "tensor/io/sha256.h"

namespace rein::data {
namespace {

constexpr const char* first_line = "rein survey 1";
constexpr std::size_t max_cache_bytes = std::size_t{1} << 29;

std::string line_of(const LabelFacts& facts) {
  std::ostringstream out;
  out << facts.size.height << ' ' << facts.size.width << ' ' << facts.palette << ' ' << facts.more_ids;
  for (const auto& [id, pixels] : facts.ids) out << ' ' << id << ' ' << pixels;
  return out.str();
}

std::optional<LabelFacts> facts_in(const std::string& line) {
  std::istringstream in(line);
  LabelFacts facts;
  if (!(in >> facts.size.height >> facts.size.width >> facts.palette >> facts.more_ids)) return std::nullopt;
  std::int64_t sum = 0;
  std::uint32_t id = 0;
  std::int64_t pixels = 0;
  while (in >> id) {
    if (!(in >> pixels) || pixels < 1 || (!facts.ids.empty() && id <= facts.ids.back().first)) return std::nullopt;
    facts.ids.emplace_back(id, pixels);
    sum += pixels;
  }
  const std::int64_t all = std::int64_t{facts.size.height} * facts.size.width;
  if (!in.eof() || (!facts.more_ids && sum != all)) return std::nullopt;  // cut off
  return facts;
}

}  // namespace

SurveyCache::SurveyCache(std::filesystem::path file, Encoding encoding)
    : file_(std::move(file)), encoding_(static_cast<char>('0' + static_cast<int>(encoding))) {
  std::error_code ignored;
  if (file_.empty() || !std::filesystem::is_regular_file(file_, ignored)) return;
  try {
    const auto bytes = read_file(file_, max_cache_bytes);
    std::istringstream in(std::string(bytes.begin(), bytes.end()));
    std::string line;
    if (!std::getline(in, line) || line != first_line) return;
    while (std::getline(in, line)) {
      const auto tab = line.rfind('\t');
      if (tab == std::string::npos) continue;
      if (auto facts = facts_in(line.substr(tab + 1))) lines_[line.substr(0, tab)] = std::move(*facts);
    }
  } catch (const std::runtime_error&) {
    lines_.clear();
  }
}

std::optional<LabelFacts> SurveyCache::find(const std::filesystem::path& label, std::string& key) const {
  struct stat info {};
  if (::stat(label.c_str(), &info) != 0) return std::nullopt;
  std::ostringstream text;
  text << encoding_ << ' ' << info.st_size << ' ' << info.st_mtim.tv_sec << '.' << info.st_mtim.tv_nsec << ' '
       << std::filesystem::absolute(label).string();
  key = text.str();
  if (key.find('\n') != std::string::npos || key.find('\t') != std::string::npos) key.clear();
  const auto found = lines_.find(key);
  return found == lines_.end() ? std::nullopt : std::optional(found->second);
}

bool SurveyCache::write() const {
  if (file_.empty()) return false;
  std::string text = std::string(first_line) + "\n";
  for (const auto& [key, facts] : lines_)
    if (!key.empty()) text += key + "\t" + line_of(facts) + "\n";
  try {
    std::error_code ignored;
    std::filesystem::create_directories(file_.parent_path(), ignored);
    write_file_atomically(file_, text);
    return true;
  } catch (const std::runtime_error&) {
    return false;
  }
}

std::filesystem::path default_survey_cache(const std::filesystem::path& root, const Description& set,
                                           const std::string& split) {
  const char* home = std::getenv("HOME");
  const char* cache = std::getenv("XDG_CACHE_HOME");
  std::filesystem::path folder;
  if (cache != nullptr && *cache != 0)
    folder = cache;
  else if (home != nullptr && *home != 0)
    folder = std::filesystem::path(home) / ".cache";
  else
    return {};
  std::error_code ignored;
  const std::string place = std::filesystem::absolute(root, ignored).lexically_normal().string();
  std::string safe = set.name + "-" + split + "-" + sha256(place + "\n" + split).substr(0, 16) + ".txt";
  for (char& c : safe)
    if (c == '/') c = '_';
  return folder / "rein" / safe;
}

}  // namespace rein::data
