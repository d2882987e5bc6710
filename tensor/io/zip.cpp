#include "tensor/io/zip.h"

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "tensor/error.h"
#include "tensor/io/safetensors_header.h"

namespace rein::zip {
namespace {

using safetensors_detail::in_quotes;

constexpr std::uint64_t most_entries = 1'000'000;
constexpr std::size_t end_bytes = 22, end64_bytes = 56, locator_bytes = 20, central_bytes = 46, local_bytes = 30;
constexpr std::uint16_t in_zip64_16 = 0xFFFF;
constexpr std::uint32_t in_zip64_32 = 0xFFFFFFFF;

class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file) : bytes_(bytes), file_(file) {}

  std::map<std::string, Entry> read() {
    find_end();
    std::map<std::string, Entry> entries;
    std::size_t at = directory_;
    for (std::uint64_t i = 0; i < count_; ++i) at = read_entry(at, entries);
    if (at != directory_ + directory_size_)
      refuse("the table of contents has ", directory_size_, " bytes, its ", count_, " entries take ", at - directory_);
    check_overlap(entries);
    return entries;
  }

 private:
  template <class T>
  T number(std::size_t at) const {
    T value;
    std::memcpy(&value, bytes_.data() + at, sizeof value);
    return value;
  }
  bool mark(std::size_t at, const char* two) const {
    const char wanted[] = {'P', 'K', two[0], two[1]};
    return at <= bytes_.size() && bytes_.size() - at >= 4 && std::memcmp(bytes_.data() + at, wanted, 4) == 0;
  }
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail_runtime("pth", file_, ": ", parts...);
  }

  // The record at the very end says where the table of contents is; a comment of at most 65535 bytes may follow it.
  void find_end() {
    const std::size_t size = bytes_.size();
    std::optional<std::size_t> end;
    for (std::size_t back = end_bytes; back <= std::min<std::size_t>(size, end_bytes + 0xFFFF) && !end; ++back)
      if (mark(size - back, "\x05\x06") && number<std::uint16_t>(size - back + 20) == back - end_bytes)
        end = size - back;
    if (!end) refuse("the file is truncated: it begins as a zip archive but has no table of contents at its end");
    const std::size_t at = *end;
    std::uint64_t disk = number<std::uint16_t>(at + 4), first_disk = number<std::uint16_t>(at + 6);
    std::uint64_t here = number<std::uint16_t>(at + 8);
    std::uint64_t count = number<std::uint16_t>(at + 10);
    std::uint64_t bytes = number<std::uint32_t>(at + 12), begin = number<std::uint32_t>(at + 16);
    std::size_t limit = at;  // where the table must end
    if (at >= locator_bytes && mark(at - locator_bytes, "\x06\x07")) {
      const auto end64 = number<std::uint64_t>(at - locator_bytes + 8);
      if (end64 > at - locator_bytes || at - locator_bytes - end64 < end64_bytes ||
          !mark(static_cast<std::size_t>(end64), "\x06\x06"))
        refuse("the zip64 record of the table of contents is not at byte ", end64, " where it must be");
      limit = static_cast<std::size_t>(end64);
      disk = number<std::uint32_t>(limit + 16), first_disk = number<std::uint32_t>(limit + 20);
      here = number<std::uint64_t>(limit + 24), count = number<std::uint64_t>(limit + 32);
      bytes = number<std::uint64_t>(limit + 40), begin = number<std::uint64_t>(limit + 48);
    }
    if (disk != 0 || first_disk != 0 || here != count) refuse("zip archives of several parts cannot be read");
    if (count > most_entries) refuse("the archive claims ", count, " entries; at most ", most_entries, " are read");
    if (begin > limit || bytes > limit - begin)
      refuse("the table of contents, bytes [", begin, ", +", bytes, "), lies outside of the file's first ", limit);
    directory_ = static_cast<std::size_t>(begin);
    directory_size_ = static_cast<std::size_t>(bytes);
    count_ = count;
  }

  // The zip64 field among an entry's extra fields holds, in this order, those of (size, packed size, offset) that do
  // not fit 32 bits.
  void read_zip64(std::size_t extra, std::size_t extra_size, std::array<std::uint64_t*, 3> values,
                  const std::string& name) const {
    for (std::size_t at = extra, end = extra + extra_size; end - at >= 4;) {
      const std::size_t size = number<std::uint16_t>(at + 2);
      if (size > end - at - 4) break;  // what follows is padding
      if (number<std::uint16_t>(at) == 1) {
        std::size_t from = at + 4;
        for (std::uint64_t* value : values) {
          if (*value != in_zip64_32) continue;
          if (from + 8 > at + 4 + size) refuse("entry ", in_quotes(name), ": its zip64 field is too short");
          *value = number<std::uint64_t>(from);
          from += 8;
        }
        return;
      }
      at += 4 + size;
    }
  }

  std::size_t read_entry(std::size_t at, std::map<std::string, Entry>& entries) {
    const std::size_t end = directory_ + directory_size_;
    if (end - at < central_bytes || !mark(at, "\x01\x02"))
      refuse("the table of contents is broken at byte ", at, ", after ", entries.size(), " entries");
    const std::size_t name_size = number<std::uint16_t>(at + 28), extra_size = number<std::uint16_t>(at + 30),
                      comment_size = number<std::uint16_t>(at + 32);
    if (end - at - central_bytes < name_size + extra_size + comment_size)
      refuse("the table of contents is broken at byte ", at, ": an entry reaches beyond it");
    std::string name(reinterpret_cast<const char*>(bytes_.data()) + at + central_bytes, name_size);
    if ((number<std::uint16_t>(at + 8) & 1) != 0) refuse("entry ", in_quotes(name), " is encrypted");
    std::uint64_t packed = number<std::uint32_t>(at + 20), size = number<std::uint32_t>(at + 24),
                  local = number<std::uint32_t>(at + 42);
    read_zip64(at + central_bytes + name_size, extra_size, {&size, &packed, &local}, name);
    Entry entry;
    entry.method = number<std::uint16_t>(at + 10);
    if (entry.method == 0 && packed != size)
      refuse("entry ", in_quotes(name), " is stored as it is but has two sizes, ", packed, " and ", size);
    entry.begin = data_begin(local, name);
    if (packed > directory_ - entry.begin)
      refuse("entry ", in_quotes(name), " of ", packed, " bytes reaches into the table of contents");
    entry.size = static_cast<std::size_t>(packed);
    if (!entries.emplace(std::move(name), entry).second)
      refuse("there are two entries of one name, at byte ", at, " of the table of contents");
    return at + central_bytes + name_size + extra_size + comment_size;
  }

  std::size_t data_begin(std::uint64_t local, const std::string& name) const {
    if (local > directory_ || directory_ - local < local_bytes || !mark(static_cast<std::size_t>(local), "\x03\x04"))
      refuse("entry ", in_quotes(name), " is not at byte ", local, " where the table of contents says");
    const auto at = static_cast<std::size_t>(local);
    const std::size_t name_size = number<std::uint16_t>(at + 26), extra_size = number<std::uint16_t>(at + 28);
    if (directory_ - at - local_bytes < name_size + extra_size)
      refuse("entry ", in_quotes(name), " reaches into the table of contents");
    if (name_size != name.size() || std::memcmp(bytes_.data() + at + local_bytes, name.data(), name_size) != 0)
      refuse("entry ", in_quotes(name), " has another name at byte ", local);
    return at + local_bytes + name_size + extra_size;
  }

  void check_overlap(const std::map<std::string, Entry>& entries) const {
    std::vector<std::pair<std::size_t, std::size_t>> ranges;
    for (const auto& [name, entry] : entries)
      if (entry.size != 0) ranges.emplace_back(entry.begin, entry.begin + entry.size);
    std::ranges::sort(ranges);
    for (std::size_t i = 1; i < ranges.size(); ++i)
      if (ranges[i].first < ranges[i - 1].second) refuse("two entries overlap at byte ", ranges[i].first);
  }

  std::span<const std::byte> bytes_;
  const std::string& file_;
  std::size_t directory_ = 0, directory_size_ = 0;
  std::uint64_t count_ = 0;
};

// Eight tables of 256: eight bytes per step, table k for a byte that k more bytes follow.
std::array<std::array<std::uint32_t, 256>, 8> crc_tables() {
  std::array<std::array<std::uint32_t, 256>, 8> tables{};
  for (std::uint32_t i = 0; i < 256; ++i) {
    std::uint32_t value = i;
    for (int bit = 0; bit < 8; ++bit) value = (value >> 1) ^ ((value & 1) != 0 ? 0xEDB88320u : 0u);
    tables[0][i] = value;
  }
  for (std::size_t k = 1; k < 8; ++k)
    for (std::size_t i = 0; i < 256; ++i) tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
  return tables;
}

}  // namespace

std::map<std::string, Entry> read_directory(std::span<const std::byte> bytes, const std::string& file) {
  return Reader(bytes, file).read();
}

std::uint32_t crc32(std::uint32_t before, std::span<const std::byte> bytes) {
  static const auto t = crc_tables();
  std::uint32_t crc = ~before;
  const auto* p = reinterpret_cast<const unsigned char*>(bytes.data());
  std::size_t left = bytes.size();
  for (; left >= 8; left -= 8, p += 8) {
    std::uint32_t low, high;
    std::memcpy(&low, p, 4);
    std::memcpy(&high, p + 4, 4);
    low ^= crc;
    crc = t[7][low & 0xFF] ^ t[6][low >> 8 & 0xFF] ^ t[5][low >> 16 & 0xFF] ^ t[4][low >> 24] ^ t[3][high & 0xFF] ^
          t[2][high >> 8 & 0xFF] ^ t[1][high >> 16 & 0xFF] ^ t[0][high >> 24];
  }
  for (; left != 0; --left, ++p) crc = (crc >> 8) ^ t[0][(crc ^ *p) & 0xFF];
  return ~crc;
}

}  // namespace rein::zip
