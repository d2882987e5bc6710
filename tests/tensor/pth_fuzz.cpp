// A structure-aware fuzzer of the .pth reader: tests_fuzz_pth [SECONDS [SEED [FILE...]]].
// It builds valid archives (or starts from the given files), breaks them where readers go wrong (operations and
// arguments of the pickle, sizes, strides, storages, the zip's records, whole entries, raw bytes), and reads every
// tensor of what is still accepted. Only std::runtime_error and std::invalid_argument may come out. What is accepted
// must survive a write and a second reading. Exits 1 on a finding, after writing the file to fuzz_finding.pth.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <exception>
#include <fstream>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "tensor/error.h"
#include "tensor/io/pth.h"
#include "tensor/io/weight_write.h"
#include "tests/harness/temp_folder.h"
#include "tests/tensor/pth_bytes.h"

namespace {

using namespace rein::test;

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

// Numbers at which sums, products and conversions go wrong.
constexpr std::int64_t numbers[] = {0,        1,        -1,       2,        3,          4,          7,
                                    255,      256,      65535,    65536,    0x7FFFFFFF, 0xFFFFFFFF, 0x100000000,
                                    1L << 40, 1L << 59, 1L << 61, 1L << 62, INT64_MAX,  INT64_MIN,  INT64_MAX / 4};
constexpr const char* types[] = {"FloatStorage", "HalfStorage",   "LongStorage", "ByteStorage",
                                 "BoolStorage",  "DoubleStorage", "CharStorage", "BFloat16Storage"};
constexpr std::size_t type_bytes[] = {4, 2, 8, 1, 1, 8, 1, 2};

// Pieces of pickles that belong somewhere else.
std::string piece(Random& random) {
  const std::string pieces[] = {"}",
                                "]",
                                ")",
                                "(",
                                "N",
                                "\x88",
                                "K\x01",
                                "t",
                                "l",
                                "d",
                                "u",
                                "e",
                                "s",
                                "a",
                                "R",
                                "Q",
                                "b",
                                ".",
                                "0",
                                "1",
                                "2",
                                "\x85",
                                "\x86",
                                "\x87",
                                "\x93",
                                "\x81",
                                "\x94",
                                "\x90",
                                "\x8f",
                                "q\x01",
                                "h\x01",
                                "h\x02",
                                "r\x01\x02\x03\x04",
                                "j\x01\x02\x03\x04",
                                "G12345678",
                                p_text("model"),
                                p_text("state_dict"),
                                p_text("storage"),
                                p_text("w1"),
                                p_text("\xFF"),
                                p_text(std::string(2000, 'n')),
                                p_word("collections", "OrderedDict"),
                                p_word("torch", "Size"),
                                p_word("torch._utils", "_rebuild_parameter"),
                                p_word("__torch__.a", "M"),
                                p_word("__torch__.a", "M") + ")\x81",
                                p_word("os", "system"),
                                p_word("builtins", "set"),
                                "\x8a\x02\xff\x7f",
                                p_storage("FloatStorage", "0", 4),
                                p_tuple({2, 2}),
                                "\x80\x02",
                                "\x95"
                                "12345678",
                                "\x8d" + std::string(8, '\xff')};
  return random.once_in(4) ? p_int(random.of(numbers)) : random.of(pieces);
}

ZipEntries valid_entries(Random& random) {
  ZipEntries entries;
  std::string body;
  const std::size_t count = random.below(5);
  for (std::size_t i = 0; i < count; ++i) {
    PickledTensor t;
    const std::size_t type = random.below(std::size(types));
    t.type = types[type];
    t.key = std::to_string(i);
    t.sizes.clear();
    t.strides.clear();
    std::int64_t elements = 1;
    for (std::size_t rank = random.below(4); rank-- > 0;) t.sizes.push_back(static_cast<std::int64_t>(random.below(4)));
    t.strides.resize(t.sizes.size());
    for (std::size_t axis = t.sizes.size(); axis-- > 0;) {
      t.strides[axis] = random.once_in(6) ? 0 : elements;
      elements *= std::max<std::int64_t>(t.sizes[axis], 1);
    }
    t.offset = static_cast<std::int64_t>(random.below(3));
    t.elements = elements + t.offset;
    entries.emplace_back("a/data/" + t.key, std::string(static_cast<std::size_t>(t.elements) * type_bytes[type], 'x'));
    body += p_text("w" + std::to_string(i)) + (random.once_in(3) ? "q\x01" : "") + t.text();
  }
  body += p_text("z") + PickledTensor{.key = "z", .elements = 4}.text();
  entries.emplace_back("a/data/z", std::string(16, 'z'));
  std::string pickle = "}(" + body + "u";
  const std::size_t nest = random.below(3);
  if (nest == 1) pickle = "}" + p_text("model") + pickle + "s";
  if (nest == 2)
    pickle = p_word("collections", "OrderedDict") + ")R(" + p_text("x") + "N" + p_text("state_dict") + pickle + "u}b";
  entries.emplace_back("a/data.pkl", "\x80\x02" + pickle + ".");
  if (random.once_in(2)) entries.emplace_back("a/byteorder", "little");
  return entries;
}

void mutate_text(std::string& text, Random& random) {
  const std::size_t at = random.below(text.size() + 1);
  switch (random.below(7)) {
    case 0:
      if (!text.empty()) text[random.below(text.size())] = static_cast<char>(random.bits());
      break;
    case 1:
      if (!text.empty()) text[random.below(text.size())] ^= static_cast<char>(1u << random.below(8));
      break;
    case 2:
      text.insert(at, piece(random));
      break;
    case 3:
      text.erase(at, 1 + random.below(random.once_in(3) ? 40 : 4));
      break;
    case 4:
      text.insert(random.below(text.size() + 1), text.substr(at, random.below(80)));
      break;
    case 5: {  // eight bytes become a number
      if (text.size() < 8) break;
      const std::string number = little(random.of(numbers));
      text.replace(random.below(text.size() - 7), 8, number);
      break;
    }
    default: {  // an argument of LONG1 becomes another
      const std::size_t found = text.find("\x8a\x08", at);
      if (found != text.npos && text.size() - found >= 10) text.replace(found + 2, 8, little(random.of(numbers)));
    }
  }
}

void mutate_entries(ZipEntries& entries, Random& random) {
  if (entries.empty()) return;
  auto& [name, data] = entries[random.below(entries.size())];
  switch (random.below(5)) {
    case 0:
      data.resize(random.below(data.size() + 20), 'y');
      break;
    case 1:
      name = random.of(entries).first;
      break;
    case 2:
      entries.pop_back();
      break;
    case 3:
      mutate_text(name, random);
      break;
    default:
      for (auto& [n, d] : entries)
        if (n.ends_with(".pkl")) mutate_text(d, random);
  }
}

void mutate_file(std::string& file, Random& random) {
  if (file.empty()) return;
  switch (random.below(6)) {
    case 0:
      file.resize(random.below(file.size() + 1));
      break;
    case 1:
      file[random.below(file.size())] = static_cast<char>(random.bits());
      break;
    case 2:
      file.insert(random.below(file.size() + 1), random.once_in(2) ? "PK\x05\x06" : "PK\x06\x07");
      break;
    case 3: {  // somewhere in the table of contents or the end record
      const std::size_t back = 1 + random.below(std::min<std::size_t>(file.size(), 120));
      const std::string number = little(static_cast<std::uint32_t>(random.of(numbers)));
      if (back >= 4) file.replace(file.size() - back, 4, number);
      break;
    }
    case 4:
      file += std::string(1 + random.below(30), 'x');
      break;
    default:
      mutate_text(file, random);
  }
}

struct Counts {
  std::uint64_t executions = 0, accepted = 0;
};

void read_all(const std::string& bytes, const std::filesystem::path* write_to) {
  const auto file = rein::PthFile::parse(std::as_bytes(std::span(bytes)));
  std::vector<rein::TensorToWrite> items;
  std::size_t total = 0;
  for (const std::string& name : file->names()) {
    const auto entry = file->entry(name);
    try {
      const rein::Tensor t = file->tensor(name);
      if (!entry.problem.empty()) throw std::logic_error("a tensor with a problem was given");
      if (t.shape() != entry.shape || t.dtype() != entry.dtype) throw std::logic_error("a tensor is not its entry");
      unsigned sum = 0;
      for (std::size_t i = 0; i < t.bytes(); ++i) sum += static_cast<const unsigned char*>(t.raw())[i];
      total += t.bytes() + sum % 2;
      if (total < (64u << 20)) items.push_back(rein::TensorToWrite::of(name, t));
    } catch (const std::runtime_error&) {
      if (entry.problem.empty()) throw std::logic_error("a tensor without a problem was refused");
    }
  }
  if (write_to == nullptr) return;
  rein::write_pth(*write_to, items, items.size() % 2 == 0 ? "" : "state_dict");
  if (items.empty()) return;
  const auto again = rein::PthFile::open(*write_to);
  for (const auto& item : items) {
    // A "module." before every name is dropped, once per reading.
    if (!again->has(item.name)) continue;
    const rein::Tensor a = again->tensor(item.name), b = item.read();
    if (a.shape() != b.shape() || a.dtype() != b.dtype() ||
        (a.bytes() != 0 && std::memcmp(a.raw(), b.raw(), a.bytes()) != 0))
      throw std::logic_error("a tensor changed by writing and reading");
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
  } catch (const std::runtime_error&) {
    return true;
  } catch (const std::invalid_argument&) {
    return true;
  } catch (const std::exception& error) {
    finding = error.what();
  } catch (...) {
    finding = "an exception that is no std::exception";
  }
  std::ofstream("fuzz_finding.pth", std::ios::binary) << bytes;
  std::fprintf(stderr, "finding after %llu executions: %s\n", static_cast<unsigned long long>(counts.executions),
               finding.c_str());
  return false;
}

bool fuzz(double seconds, std::uint64_t seed, const std::vector<std::string>& seeds, Counts& counts) {
  const TempFolder folder;
  const auto out = folder / "out.pth";
  const auto end = std::chrono::steady_clock::now() + std::chrono::duration<double>(seconds);
  for (std::uint64_t run = 0; std::chrono::steady_clock::now() < end; ++run) {
    Random random(seed * 0x9E3779B97F4A7C15u + run);
    if (!seeds.empty() && random.once_in(3)) {  // a real file, broken byte by byte
      std::string file = random.of(seeds);
      for (std::size_t breaks = 1 + random.below(3); breaks != 0; --breaks) mutate_file(file, random);
      if (!execute(file, nullptr, counts)) return false;
      continue;
    }
    ZipEntries entries = valid_entries(random);
    if (random.once_in(50)) {  // an unbroken file must be accepted
      const auto accepted = counts.accepted;
      if (!execute(zip_text(entries), random.once_in(4) ? &out : nullptr, counts)) return false;
      if (counts.accepted == accepted) {
        std::ofstream("fuzz_finding.pth", std::ios::binary) << zip_text(entries);
        std::fprintf(stderr, "a valid file was refused\n");
        return false;
      }
    }
    // Breaks add up, and every state on the way is tried.
    for (std::size_t breaks = 1 + random.below(4); breaks != 0; --breaks) {
      if (random.once_in(4)) {
        mutate_entries(entries, random);
      } else {
        for (auto& [name, data] : entries)
          if (name.ends_with(".pkl")) mutate_text(data, random);
      }
      std::string file = zip_text(entries);
      if (random.once_in(6)) mutate_file(file, random);
      if (!execute(file, random.once_in(2000) ? &out : nullptr, counts)) return false;
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const double seconds = argc > 1 ? std::atof(argv[1]) : 5;
    const auto seed = static_cast<std::uint64_t>(argc > 2 ? std::atoll(argv[2]) : 1);
    std::vector<std::string> seeds;
    for (int i = 3; i < argc; ++i) seeds.push_back(contents_of(argv[i]));
    Counts counts;
    const bool ok = fuzz(seconds, seed, seeds, counts);
    std::printf("%llu executions, %llu accepted, seed %llu\n", static_cast<unsigned long long>(counts.executions),
                static_cast<unsigned long long>(counts.accepted), static_cast<unsigned long long>(seed));
    return ok ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "error: %s\n", error.what());
    return 2;
  }
}
