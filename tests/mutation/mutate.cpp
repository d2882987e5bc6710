// Plants one fault in a backward function: the tool behind scripts/mutate.sh, which tests the tests.
//   mutate sites FILE…           one line per possible fault: FILE<tab>NUMBER<tab>LINE<tab>KIND<tab>TEXT
//   mutate apply FILE NUMBER     rewrites FILE with that fault
// Faults: sign (+ and -, Add and Sub), factor (a constant doubled), index (an offset or input number changed), dropped
// term (+= becomes =, one operand of a sum goes). Only functions whose name has backward, vjp or grad are touched, and
// in them no lines that only say how work is cut into pieces.
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <regex>
#include <string>
#include <vector>

namespace {

struct Rule {
  const char* kind;
  std::regex pattern;
  const char* replacement;
};

const std::vector<Rule>& rules() {
  static const std::vector<Rule> all{
      {"sign", std::regex(R"( \+ (?!=))"), " - "},
      {"sign", std::regex(R"( - (?!=))"), " + "},
      {"sign", std::regex(R"(hn::Add\()"), "hn::Sub("},
      {"sign", std::regex(R"(hn::Sub\()"), "hn::Add("},
      {"sign", std::regex(R"(hn::MulAdd\()"), "hn::NegMulAdd("},
      {"sign", std::regex(R"(hn::NegMulAdd\()"), "hn::MulAdd("},
      {"sign", std::regex(R"( \+= )"), " -= "},
      {"sign", std::regex(R"( -= )"), " += "},
      {"sign", std::regex(R"((return|=) -)"), "$1 +"},
      {"factor", std::regex(R"(T\(1\))"), "T(2)"},
      {"factor", std::regex(R"(\b0\.5\b)"), "0.25"},
      {"factor", std::regex(R"(\b1\.0\b)"), "2.0"},
      {"factor", std::regex(R"(hn::Mul\()"), "hn::Add("},
      {"factor", std::regex(R"( \* )"), " + "},
      {"factor", std::regex(R"( / )"), " * "},
      {"index", std::regex(R"(g\.set\(0, )"), "g.set(1, "},
      {"index", std::regex(R"(g\.set\(1, )"), "g.set(0, "},
      {"index", std::regex(R"(g\.set\(2, )"), "g.set(1, "},
      {"index", std::regex(R"(\[([a-z])\])"), "[0]"},
      {"index", std::regex(R"( < )"), " <= "},
      {"dropped", std::regex(R"( \+= )"), " = "},
      {"dropped", std::regex(R"(wants\((\d)\))"), "wants($1) && false"},
      {"dropped", std::regex(R"(s\.(scale|factor)\b)"), "1.0"},
  };
  return all;
}

// How work is cut into pieces and how much memory they get: a fault there changes no number, only speed or bytes.
bool plans_work(const std::string& code) {
  for (const char* word : {"grain", "parts", "part_rows", "std::vector<", "new T[", " most "})
    if (code.find(word) != std::string::npos) return true;
  return false;
}

struct Site {
  std::size_t line;
  std::size_t position, length;
  const Rule* rule;
};

std::vector<std::string> read(const std::string& path) {
  std::ifstream in(path);
  if (!in) {
    std::cerr << "error: cannot open " << path << "\n";
    std::exit(2);
  }
  std::vector<std::string> lines;
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

// True for the lines inside the bodies of gradient functions: these start at a definition whose name says so and end at
// a closing brace in the first column.
std::vector<bool> gradient_lines(const std::vector<std::string>& lines) {
  const std::regex definition(R"(^[A-Za-z].*\b\w*(backward|vjp|grad)\w*\()");
  std::vector<bool> inside(lines.size(), false);
  bool in = false, body = false;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    const std::string& line = lines[i];
    if (!in && std::regex_search(line, definition) && line.find("HWY_") == std::string::npos) in = true;
    if (!in) continue;
    if (!body && line.find(';') != std::string::npos && line.find('{') == std::string::npos) {
      in = false;  // a declaration or an instantiation
      continue;
    }
    inside[i] = body;
    if (line.find('{') != std::string::npos) body = true;
    if (!line.empty() && line[0] == '}') in = body = false;
  }
  return inside;
}

std::vector<Site> sites_of(const std::vector<std::string>& lines) {
  std::vector<Site> sites;
  const std::vector<bool> inside = gradient_lines(lines);
  for (std::size_t i = 0; i < lines.size(); ++i) {
    if (!inside[i]) continue;
    const std::string code = lines[i].substr(0, lines[i].find("//"));
    if (code.find("require(") != std::string::npos || code.find("#") != std::string::npos ||
        code.find("parallel_") != std::string::npos || code.find("for (") != std::string::npos ||
        code.find("static_assert") != std::string::npos || plans_work(code)) {
      continue;
    }
    for (const Rule& rule : rules()) {
      for (std::sregex_iterator m(code.begin(), code.end(), rule.pattern), end; m != end; ++m) {
        sites.push_back({i, static_cast<std::size_t>(m->position()), static_cast<std::size_t>(m->length()), &rule});
      }
    }
  }
  return sites;
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> args(argv + 1, argv + argc);
  if (args.size() >= 2 && args[0] == "sites") {
    for (std::size_t a = 1; a < args.size(); ++a) {
      const auto lines = read(args[a]);
      const auto sites = sites_of(lines);
      for (std::size_t n = 0; n < sites.size(); ++n) {
        std::cout << args[a] << '\t' << n << '\t' << sites[n].line + 1 << '\t' << sites[n].rule->kind << '\t'
                  << lines[sites[n].line] << '\n';
      }
    }
    return 0;
  }
  if (args.size() == 3 && args[0] == "apply") {
    auto lines = read(args[1]);
    const auto sites = sites_of(lines);
    const std::size_t n = std::strtoul(args[2].c_str(), nullptr, 10);
    if (n >= sites.size()) {
      std::cerr << "error: " << args[1] << " has " << sites.size() << " sites\n";
      return 2;
    }
    const Site& site = sites[n];
    std::string& line = lines[site.line];
    const std::string head = line.substr(0, site.position), tail = line.substr(site.position + site.length);
    const std::string piece = line.substr(site.position, site.length);
    std::smatch match;
    // The pattern may look ahead, so it is matched again on the rest of the line.
    const std::string rest = line.substr(site.position);
    std::regex_search(rest, match, site.rule->pattern);
    line = head + match.format(site.rule->replacement) + tail;
    std::ofstream out(args[1]);
    for (const std::string& l : lines) out << l << '\n';
    std::cout << piece << " -> " << line << '\n';
    return out ? 0 : 1;
  }
  std::cerr << "usage: mutate sites FILE… | mutate apply FILE NUMBER\n";
  return 2;
}
