// Every op and every kernel file stands in its family's README, and what a README names is there.
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>
#include <string>
#include <vector>

namespace {

namespace fs = std::filesystem;

struct Readme {
  std::set<std::string> ops;    // first cell of a row of the table
  std::set<std::string> names;  // all in backticks
};

Readme read(const fs::path& path) {
  Readme readme;
  std::ifstream in(path);
  const std::regex row(R"(^\| `([a-z0-9_]+)` \|)"), name("`([^`]+)`");
  for (std::string line; std::getline(in, line);) {
    std::smatch match;
    if (std::regex_search(line, match, row)) readme.ops.insert(match[1]);
    for (std::sregex_iterator it(line.begin(), line.end(), name), end; it != end; ++it) readme.names.insert((*it)[1]);
  }
  return readme;
}

// What the README of `folder` lacks or has too much; empty when all is well.
std::vector<std::string> faults(const fs::path& folder, const Readme& readme) {
  std::vector<std::string> found;
  std::set<std::string> ops;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const fs::path file = entry.path();
    const std::string stem = file.stem().string();
    // An op is a contract with a door of the same name; what only serves another op (resize_taps) is named, too.
    const bool kernels = stem.ends_with("_cpu") || stem.ends_with("_cuda");
    if (!kernels && file.extension() == ".h" && fs::exists(folder / (stem + ".cpp"))) ops.insert(stem);
    if (kernels && file.extension() != ".h" && !readme.names.contains(file.filename().string()))
      found.push_back("does not name the kernels " + file.filename().string());
  }
  for (const std::string& op : ops)
    if (!readme.ops.contains(op) && !readme.names.contains(op + ".h")) found.push_back("does not name the op " + op);
  for (const std::string& op : readme.ops)
    if (!ops.contains(op)) found.push_back("names the op " + op + ", which is not there");
  for (const std::string& name : readme.names) {
    const std::string ext = fs::path(name).extension().string();
    if (ext != ".h" && ext != ".cpp" && ext != ".cu") continue;
    if (!fs::exists(name) && !fs::exists(folder / name)) found.push_back("names " + name + ", which is not there");
  }
  return found;
}

TEST_CASE("each family's README names its ops and kernels, and nothing that is not there") {
  int families = 0;
  for (const auto& entry : fs::directory_iterator("tensor/ops")) {
    if (!entry.is_directory() || entry.path().filename() == "levels") continue;
    ++families;
    for (const std::string& fault : faults(entry.path(), read(entry.path() / "README.md")))
      FAIL_CHECK(entry.path().string() << "/README.md " << fault);
  }
  CHECK(families == 9);
}

TEST_CASE("an op that is missing from its README is noticed, and one that is not there") {
  const fs::path norm = "tensor/ops/norm";
  const Readme whole = read(norm / "README.md");
  REQUIRE(faults(norm, whole).empty());
  Readme without = whole;
  without.ops.erase("softmax");
  without.names.erase("softmax.h");
  CHECK(faults(norm, without) == std::vector<std::string>{"does not name the op softmax"});
  Readme no_kernel = whole;
  no_kernel.names.erase("layer_norm_cuda.cu");
  CHECK(faults(norm, no_kernel) == std::vector<std::string>{"does not name the kernels layer_norm_cuda.cu"});
  Readme more = whole;
  more.ops.insert("no_such_op");
  more.names.insert("no_such_op_cpu.cpp");
  CHECK(faults(norm, more).size() == 2);
}

}  // namespace
