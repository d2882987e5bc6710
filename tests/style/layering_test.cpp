// The house rules that a machine can check: includes point down, small files, a README in each room, no stray paths.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

std::vector<std::string> lines_of(const fs::path& path) {
  std::ifstream in(path);
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// Which rooms' headers each room may include: the table of rooms in docs/design.md.
std::map<std::string, std::set<std::string>> read_rooms() {
  std::map<std::string, std::set<std::string>> rooms;
  const std::regex row(R"(^\| `([a-z]+)` \| `([a-z ]+)` \|.*)");
  for (const std::string& line : lines_of("docs/design.md")) {
    std::smatch match;
    if (!std::regex_match(line, match, row)) continue;
    std::istringstream words(match[2]);
    std::set<std::string>& may = rooms[match[1]];
    for (std::string word; words >> word;) may.insert(word);
  }
  return rooms;
}

const std::map<std::string, std::set<std::string>>& may_include() {
  static const auto rooms = read_rooms();
  return rooms;
}

std::vector<fs::path> sources() {
  std::vector<fs::path> files;
  for (const auto& [room, may] : may_include()) {
    for (const auto& entry : fs::recursive_directory_iterator(room)) {
      const std::string ext = entry.path().extension().string();
      if (ext == ".h" || ext == ".cpp" || ext == ".cu" || ext == ".cuh") files.push_back(entry.path());
    }
  }
  return files;
}

TEST_CASE("docs/design.md names the rooms, and they are there") {
  CHECK(may_include().size() == 7);
  for (const auto& [room, may] : may_include()) {
    CHECK_MESSAGE(fs::is_directory(room), room);
    for (const std::string& other : may) CHECK_MESSAGE(may_include().contains(other), room, " includes ", other);
    // Down, never up: what a room includes may not include it.
    for (const std::string& other : may)
      if (other != room) CHECK_MESSAGE(!may_include().at(other).contains(room), room, " and ", other);
  }
}

TEST_CASE("includes point down") {
  const std::regex include(R"(^\s*#\s*include\s+"([a-z]+)/)");
  int seen = 0;
  for (const fs::path& file : sources()) {
    const std::string room = file.begin()->string();
    for (const std::string& line : lines_of(file)) {
      std::smatch match;
      if (!std::regex_search(line, match, include) || !may_include().contains(match[1])) continue;
      ++seen;
      CHECK_MESSAGE(may_include().at(room).contains(match[1]), file.string(), " may not include ", match[1].str(), "/");
    }
  }
  CHECK(seen > 50);
}

TEST_CASE("doctest is known to tests/ alone: the program builds without it") {
  for (const fs::path& file : sources()) {
    if (file.begin()->string() == "tests") continue;
    for (const std::string& line : lines_of(file))
      CHECK_MESSAGE(line.find("doctest/") == std::string::npos, file.string());
  }
}

TEST_CASE("pickle, JSON and TOML types stay out of headers") {
  const fs::path wrapper =
      "data/sets/toml.h";  // toml++ as .cpp files include it; a header that includes this fails, too
  for (const fs::path& file : sources()) {
    if (file.extension() != ".h" || file == wrapper) continue;
    for (const std::string& line : lines_of(file)) {
      const bool include = line.find("#include") != std::string::npos;
      CHECK_MESSAGE(
          !(include && (line.find("nlohmann") != std::string::npos || line.find("toml") != std::string::npos)),
          file.string());
    }
  }
}

TEST_CASE("no hand-written file is longer than 400 lines") {
  for (const fs::path& file : sources()) {
    const auto count = lines_of(file).size();
    CHECK_MESSAGE(count <= 400, file.string(), " has ", count, " lines");
  }
}

TEST_CASE("no folder holds more than 40 source files, and each room's folders say what they hold") {
  std::map<fs::path, int> counts;
  for (const fs::path& file : sources()) ++counts[file.parent_path()];
  for (const auto& [folder, count] : counts) {
    CHECK_MESSAGE(count <= 40, folder.string(), " holds ", count, " source files");
    if (folder.begin()->string() == "tests") continue;
    // A folder of a folder (autograd/ops/norm, data/scenes/render) may be described one level up.
    const bool deep = std::distance(folder.begin(), folder.end()) > 2;
    CHECK_MESSAGE((fs::exists(folder / "README.md") || (deep && fs::exists(folder.parent_path() / "README.md"))),
                  folder.string(), " has no README.md");
  }
  CHECK(fs::exists("tests/README.md"));
}

TEST_CASE("every op has cases: a kernel without a case struct is not ours to ship") {
  // Files that are part of another op. An op without a gradient or a plain formula (a decision, a cast) has its test.
  const std::map<std::string, std::string> covered_by{{"resize_taps", "resize"}, {"shape_ops_axes", "shape_ops"}};
  int seen = 0;
  for (const auto& entry : fs::recursive_directory_iterator("tensor/ops")) {
    if (entry.path().extension() != ".cpp") continue;
    std::string op = entry.path().stem().string();
    if (op.find("_cpu") != std::string::npos || op.find("_reference") != std::string::npos) continue;
    if (covered_by.contains(op)) op = covered_by.at(op);
    const std::string place = (entry.path().parent_path().filename() / op).string();
    const bool covered =
        fs::exists("autograd/cases/" + place + "_cases.cpp") || fs::exists("tests/ops/" + place + "_test.cpp");
    CHECK_MESSAGE(covered, "tensor/ops/", place, ".cpp has neither autograd/cases/", place, "_cases.cpp nor tests/ops/",
                  place, "_test.cpp");
    ++seen;
  }
  CHECK(seen > 25);
}

}  // namespace
