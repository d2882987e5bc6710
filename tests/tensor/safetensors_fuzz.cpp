// A structure-aware fuzzer of the safetensors reader: tests_fuzz_safetensors [SECONDS [SEED [FILE...]]].
// It builds valid files (or starts from the given ones), breaks them at the levels where readers go wrong (bytes, the
// header's length, tokens of the JSON, numbers, whole entries), and reads every tensor of what is still accepted. Only
// std::runtime_error and std::invalid_argument may come out; what is accepted must keep the format's promises and
// survive a write and a second reading. Build with sanitizers to see memory errors. Exits 1 on a finding, after writing
// the file to fuzz_finding.safetensors.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <map>
#include <random>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "tensor/error.h"
#include "tensor/io/safetensors.h"
#include "tests/harness/temp_folder.h"
#include "tests/tensor/safetensors_text.h"

namespace {

using rein::SafeTensors;
using rein::test::safetensors_text;

class Random {
 public:
  explicit Random(std::uint64_t seed) : engine_(seed) {}
  std::size_t below(std::size_t n) { return n == 0 ? 0 : engine_() % n; }
  bool once_in(std::size_t n) { return below(n) == 0; }
  std::uint64_t bits() { return engine_(); }
  template <class Container>
  const auto& of(const Container& values) {
    return values[below(std::size(values))];
  }

 private:
  std::mt19937_64 engine_;
};

std::vector<std::string> words(const char* text) {
  std::istringstream in(text);
  std::vector<std::string> all;
  for (std::string word; in >> word;) all.push_back(word);
  return all;
}

constexpr const char* dtypes[] = {"F64", "F32", "F16",  "BF16", "I64", "I32",     "U8",      "I8",
                                  "I16", "U16", "BOOL", "U64",  "F4",  "F8_E4M3", "F6_E2M3", "C64"};
std::size_t bits_of(std::string_view dtype) {
  if (dtype == "F4") return 4;
  if (dtype == "F6_E2M3") return 6;
  if (dtype == "F8_E4M3") return 8;
  if (dtype == "BOOL") return 8;
  if (dtype == "BF16") return 16;
  return static_cast<std::size_t>(std::atoi(dtype.data() + 1));
}

// Numbers at which sums, products and conversions go wrong.
const std::vector<std::string> numbers = words(
    "0 -0 1 -1 2 3 7 8 255 65536 2147483647 2147483648 4294967295 4294967296 4611686018427387903 4611686018427387904 "
    "9223372036854775807 9223372036854775808 18446744073709551615 18446744073709551616 -9223372036854775808 "
    "1.0 1e3 1e308 1e999 0x10 01 NaN");
const std::vector<std::string> pieces = words(
    R"({ } [ ] , : " \ null true [] {} "" "dtype" "dtype":"F32", "shape":[], "data_offsets":[0,0], "__metadata__" )"
    R"("__metadata__":{}, "__metadata__":{"a":"b"}, \u0000 \ud800 \u00e4 // /**/ )"
    R"({"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}} )"
    "\xC3\xA4 \xED\xA0\x80 \xF4\x90\x80\x80 \xFF \xEF\xBB\xBF");

struct Parts {
  std::string header;
  std::string data;
};

// A valid file with up to 6 tensors of any dtype and rank, in any order, with or without metadata and padding.
Parts valid_file(Random& random) {
  Parts parts;
  std::vector<std::string> entries;
  const std::size_t count = random.below(7);
  for (std::size_t i = 0; i < count; ++i) {
    const char* dtype = random.of(dtypes);
    std::size_t bits = bits_of(dtype);
    std::string shape;
    const std::size_t rank = random.below(random.once_in(4) ? 9 : 4);
    for (std::size_t axis = 0; axis < rank; ++axis) {
      const std::size_t size = bits % 8 != 0 ? 4 : random.below(4);
      bits *= size;
      shape += (axis == 0 ? "" : ",") + std::to_string(size);
    }
    if (bits % 8 != 0) {
      shape = "8";
      bits *= 8;
    }
    const std::size_t begin = parts.data.size();
    for (std::size_t k = 0; k < bits / 8; ++k) parts.data += static_cast<char>(random.bits());
    const std::string name = random.once_in(5) ? "n\\u00e4me\\\"" + std::to_string(i) : "layer." + std::to_string(i);
    entries.push_back(rein::concat_text('"', name, "\":{\"dtype\":\"", dtype, "\",\"shape\":[", shape,
                                        "],\"data_offsets\":[", begin, ",", parts.data.size(), "]}"));
  }
  if (random.once_in(2)) entries.push_back(R"("__metadata__":{"format":"pt","epoch":"3"})");
  for (std::size_t i = entries.size(); i > 1; --i) std::swap(entries[i - 1], entries[random.below(i)]);
  parts.header = "{";
  for (const std::string& entry : entries) parts.header += (parts.header.size() > 1 ? "," : "") + entry;
  parts.header += "}";
  if (random.once_in(2)) parts.header.append(8 - parts.header.size() % 8, ' ');
  return parts;
}

// The begin and end of every number, or string, in the JSON text (roughly: mutated text need not be JSON).
std::vector<std::pair<std::size_t, std::size_t>> tokens(const std::string& text, bool strings) {
  std::vector<std::pair<std::size_t, std::size_t>> found;
  for (std::size_t i = 0; i < text.size();) {
    std::size_t end = i + 1;
    if (strings && text[i] == '"') {
      while (end < text.size() && text[end] != '"') end += text[end] == '\\' ? 2 : 1;
      end = std::min(end + 1, text.size());
      found.emplace_back(i, end);
    } else if (!strings && text[i] >= '0' && text[i] <= '9') {
      while (end < text.size() && text[end] >= '0' && text[end] <= '9') ++end;
      found.emplace_back(i, end);
    }
    i = end;
  }
  return found;
}

// A whole entry vanishes, moves, or stands twice, perhaps under another name: holes, duplicates, overlaps.
void mutate_entry(std::string& h, Random& random) {
  std::vector<std::pair<std::size_t, std::size_t>> entries;
  for (std::size_t colon = h.find("\":{"); colon != std::string::npos; colon = h.find("\":{", colon + 1)) {
    const std::size_t name = colon == 0 ? std::string::npos : h.rfind('"', colon - 1), end = h.find('}', colon);
    if (name != std::string::npos && end != std::string::npos) entries.emplace_back(name, end + 1);
  }
  if (entries.empty()) return;
  const auto [begin, end] = random.of(entries);
  std::string entry = h.substr(begin, end - begin);
  const std::size_t what = random.below(4);
  if (what <= 1) {  // with one of its commas, so that the rest stays valid
    const bool comma_after = end < h.size() && h[end] == ',', comma_before = begin > 0 && h[begin - 1] == ',';
    h.erase(begin - (!comma_after && comma_before ? 1 : 0), end - begin + (comma_after || comma_before ? 1 : 0));
  }
  if (what == 3) entry.insert(1, 1, 'x');
  if (what != 0 && !h.empty()) h.insert(1, entry + (h.size() > 1 && h[1] == '"' ? "," : ""));
}

void mutate_header(std::string& h, Random& random) {
  const auto place = [&] { return random.below(h.size() + 1); };
  switch (random.below(12)) {
    case 10:
    case 11:
      mutate_entry(h, random);
      break;
    case 0:
      if (!h.empty()) h[random.below(h.size())] = static_cast<char>(random.bits());
      break;
    case 1:
      if (!h.empty()) h[random.below(h.size())] ^= static_cast<char>(1u << random.below(8));
      break;
    case 2:
      h.insert(place(), random.of(pieces));
      break;
    case 3:
      h.erase(std::min(place(), h.size()), 1 + random.below(random.once_in(3) ? 40 : 4));
      break;
    case 4: {  // a piece of the header once more, elsewhere: duplicates, overlaps, wrong nesting
      const std::size_t begin = place();
      h.insert(place(), h.substr(begin, random.below(120)));
      break;
    }
    case 5:
    case 6: {  // a number becomes a dangerous one, or nearly itself
      const auto all = tokens(h, false);
      if (all.empty()) break;
      const auto [begin, end] = random.of(all);
      const std::string old = h.substr(begin, std::min<std::size_t>(end - begin, 18));
      const auto near = std::to_string(std::atoll(old.c_str()) + static_cast<long long>(random.below(5)) - 2);
      h.replace(begin, end - begin, random.once_in(2) ? near : random.of(numbers));
      break;
    }
    case 7: {  // a string becomes another of the same header: duplicate names, dtypes as names
      const auto all = tokens(h, true);
      if (all.empty()) break;
      const auto [from_begin, from_end] = random.of(all);
      const std::string with = random.once_in(3) ? "\"" + std::string(random.of(dtypes)) + "\""
                                                 : h.substr(from_begin, from_end - from_begin);
      const auto [begin, end] = random.of(all);
      h.replace(begin, end - begin, with);
      break;
    }
    case 8:
      h.insert(place(), std::string(1 + random.below(random.once_in(50) ? 100'000 : 200), random.of("[{\" ,0\n")));
      break;
    default: {  // two numbers change places
      const auto all = tokens(h, false);
      if (all.size() < 2) break;
      auto a = random.of(all), b = random.of(all);
      if (a.first > b.first) std::swap(a, b);
      if (a.second > b.first) break;
      const std::string first = h.substr(a.first, a.second - a.first), second = h.substr(b.first, b.second - b.first);
      h.replace(b.first, b.second - b.first, first);
      h.replace(a.first, a.second - a.first, second);
    }
  }
}

void mutate_data(std::string& data, Random& random) {
  if (random.once_in(2)) {
    data.resize(data.size() - random.below(data.size() + 1));
  } else {
    data.append(1 + random.below(20), 'x');
  }
}

void mutate_file(std::string& file, Random& random) {
  switch (random.below(4)) {
    case 0:
      file.resize(random.below(file.size() + 1));
      break;
    case 1: {  // the header's length
      std::uint64_t length = 0;
      if (file.size() < sizeof length) break;
      std::memcpy(&length, file.data(), sizeof length);
      const std::uint64_t lengths[] = {
          0,     1,         length + 1,  length - 1,  file.size() - 8, file.size(),
          ~0ull, ~0ull - 7, 100'000'000, 100'000'001, random.bits(),   random.below(2 * file.size() + 1)};
      length = random.of(lengths);
      std::memcpy(file.data(), &length, sizeof length);
      break;
    }
    case 2:
      if (!file.empty()) file[random.below(file.size())] = static_cast<char>(random.bits());
      break;
    default: {
      const char* fronts[] = {"version https://git-lfs", "<!DOCTYPE html>", "PK\x03\x04", "\xEF\xBB\xBF<html>", " "};
      file.insert(0, random.of(fronts));
    }
  }
}

struct Counts {
  std::uint64_t executions = 0, accepted = 0;
  std::set<std::string> messages;  // with digits and names taken out
};

// The message without what differs from file to file: quoted text, numbers, and what the JSON library adds.
std::string kind_of_message(const std::string& message) {
  std::string kind;
  bool quoted = false;
  for (const char c : message.substr(0, message.find("not valid JSON"))) {
    if (c == '\'') quoted = !quoted;
    if (!quoted && (c < '0' || c > '9') && c != ',') kind += c;
  }
  return kind;
}

void expect(bool ok, const char* what) {
  if (!ok) throw std::logic_error(what);
}

// Everything a user can do with a file. Throws what the library throws; std::logic_error when a promise is broken.
void read_all(const std::string& bytes, const std::filesystem::path* write_to) {
  const auto file = SafeTensors::parse(std::as_bytes(std::span(bytes)));
  std::map<std::string, rein::Tensor> tensors;
  std::size_t total = 0;
  for (const std::string& name : file.names()) {
    const auto& entry = file.entry(name);
    expect(entry.begin <= entry.end && entry.end <= bytes.size() - 8, "an entry lies outside of the file");
    total += entry.end - entry.begin;
    if (!entry.problem.empty()) {
      try {
        file.tensor(name);
        expect(false, "a tensor with a problem was given");
      } catch (const std::runtime_error&) {
      }
      continue;
    }
    const rein::Tensor t = file.tensor(name);
    expect(t.bytes() == entry.end - entry.begin, "a tensor's bytes are not those of its entry");
    expect(t.shape() == entry.shape && t.dtype() == entry.dtype, "a tensor is not what its entry says");
    file.tensor(name, rein::DType::f64).to_doubles();
    file.tensor(name, rein::DType::i32);
    tensors[name] = t;
  }
  std::uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof header);
  expect(total == bytes.size() - 8 - header, "the tensors do not cover the data");
  if (write_to == nullptr) return;
  rein::write_safetensors(*write_to, tensors, file.metadata());
  const auto again = SafeTensors::open(*write_to);
  expect(again.metadata() == file.metadata(), "metadata changed by writing and reading");
  expect(again.names().size() == tensors.size(), "tensors lost by writing and reading");
  for (const auto& [name, t] : tensors) {
    const rein::Tensor other = again.tensor(name);
    expect(other.shape() == t.shape() && other.dtype() == t.dtype(), "a tensor changed by writing and reading");
    expect(t.bytes() == 0 || std::memcmp(other.raw(), t.raw(), t.bytes()) == 0, "values changed");
  }
}

// False on a finding.
bool execute(const std::string& bytes, const std::filesystem::path* write_to, Counts& counts) {
  ++counts.executions;
  std::string finding;
  try {
    read_all(bytes, write_to);
    ++counts.accepted;
    return true;
  } catch (const std::runtime_error& error) {
    counts.messages.insert(kind_of_message(error.what()));
    return true;
  } catch (const std::invalid_argument& error) {
    counts.messages.insert(kind_of_message(error.what()));
    return true;
  } catch (const std::exception& error) {
    finding = error.what();
  } catch (...) {
    finding = "an exception that is no std::exception";
  }
  std::ofstream("fuzz_finding.safetensors", std::ios::binary) << bytes;
  std::fprintf(stderr, "finding after %llu executions: %s\n", static_cast<unsigned long long>(counts.executions),
               finding.c_str());
  return false;
}

bool fuzz(double seconds, std::uint64_t seed, const std::vector<Parts>& seeds, Counts& counts) {
  const rein::test::TempFolder folder;
  const auto out = folder / "out.safetensors";
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (std::uint64_t run = 0; std::chrono::steady_clock::now() < end; ++run) {
    Random random(seed * 0x9E3779B97F4A7C15u + run);
    Parts parts = !seeds.empty() && random.once_in(4) ? random.of(seeds) : valid_file(random);
    // An unbroken file must be accepted; every hundredth is also written, which waits for the disk.
    if (random.once_in(100)) {
      const auto accepted = counts.accepted;
      if (!execute(safetensors_text(parts.header, parts.data), run % 100 == 0 ? &out : nullptr, counts)) return false;
      if (counts.accepted == accepted) {
        std::fprintf(stderr, "a valid file was refused: %s\n", parts.header.c_str());
        return false;
      }
    }
    // Breaks add up, and every state on the way is tried.
    for (std::size_t breaks = 1 + random.below(4); breaks != 0; --breaks) {
      if (random.once_in(8))
        mutate_data(parts.data, random);
      else
        mutate_header(parts.header, random);
      std::string file = safetensors_text(parts.header, parts.data);
      if (random.once_in(8)) mutate_file(file, random);
      if (!execute(file, random.once_in(1000) ? &out : nullptr, counts)) return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 5;
    const auto seed = static_cast<std::uint64_t>(argc > 2 ? std::atoll(argv[2]) : 1);
    std::vector<Parts> seeds;
    for (int i = 3; i < argc; ++i) {
      const std::string bytes = rein::test::contents_of(argv[i]);
      SafeTensors::parse(std::as_bytes(std::span(bytes)), argv[i]);  // a seed must be valid
      std::uint64_t length = 0;
      std::memcpy(&length, bytes.data(), sizeof length);
      seeds.push_back({bytes.substr(8, length), bytes.substr(8 + length)});
    }
    Counts counts;
    const bool ok = fuzz(seconds, seed, seeds, counts);
    std::printf("%llu executions, %llu accepted, %zu kinds of message, seed %llu\n",
                static_cast<unsigned long long>(counts.executions), static_cast<unsigned long long>(counts.accepted),
                counts.messages.size(), static_cast<unsigned long long>(seed));
    if (std::getenv("REIN_FUZZ_MESSAGES") != nullptr) {
      for (const std::string& message : counts.messages) std::printf("  %s\n", message.c_str());
    }
    return ok ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
