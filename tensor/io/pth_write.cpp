#include <algorithm>
#include <array>
#include <cstdint>
#include <span>
#include <string_view>

#include "tensor/error.h"
#include "tensor/io/atomic_file.h"
#include "tensor/io/pickle.h"
#include "tensor/io/safetensors_header.h"
#include "tensor/io/weight_write.h"
#include "tensor/io/zip.h"

namespace rein {
namespace {

constexpr const char* writer = "write_pth";
constexpr std::size_t alignment = 64;  // of an entry's data in the file, as PyTorch aligns them
constexpr std::uint64_t fits_32 = 0xFFFFFFFF;
constexpr std::uint16_t zip_version = 45;  // the first with zip64

template <class T>
void put(std::string& out, T value) {
  for (std::size_t i = 0; i < sizeof value; ++i) out += static_cast<char>(value >> (8 * i) & 0xFF);
}
template <class... Values>
std::string bytes(Values... values) {
  std::string out;
  (put(out, values), ...);
  return out;
}

// Protocol 2, the operations of Python's pickletools.
class Pickle {
 public:
  Pickle& code(char c) { return raw({&c, 1}); }
  Pickle& raw(std::string_view text) {
    text_ += text;
    return *this;
  }
  Pickle& text(std::string_view text) {  // BINUNICODE
    code('X');
    put(text_, static_cast<std::uint32_t>(text.size()));
    return raw(text);
  }
  Pickle& integer(std::int64_t value) {
    if (value >= 0 && value <= INT32_MAX) {
      code('J');  // BININT
      put(text_, static_cast<std::uint32_t>(value));
    } else {
      raw("\x8a\x08");  // LONG1 of eight bytes
      put(text_, static_cast<std::uint64_t>(value));
    }
    return *this;
  }
  template <class Values>
  Pickle& tuple(const Values& values) {
    code('(');
    for (const std::int64_t value : values) integer(value);
    return code('t');
  }
  Pickle& word(std::string_view module, std::string_view name) {
    return code('c').raw(module).raw("\n").raw(name).raw("\n");
  }
  const std::string& done() const { return text_; }

 private:
  std::string text_ = "\x80\x02";
};

std::string_view storage_name(DType dtype) {
  const auto types = pickle::storage_types();
  return std::ranges::find(types, safetensors_detail::file_name_of(dtype), &pickle::StorageType::dtype)->name;
}

std::string pickle_of(const std::vector<TensorToWrite>& tensors, const std::string& under) {
  Pickle p;
  if (!under.empty()) p.code('}').text(under);
  p.code('}').code('(');
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const TensorToWrite& t = tensors[i];
    std::vector<std::int64_t> strides(t.shape.sizes().size());
    std::int64_t step = 1;
    for (std::size_t axis = strides.size(); axis-- > 0;) {
      strides[axis] = step;
      step *= std::max<std::int64_t>(t.shape.sizes()[axis], 1);
    }
    p.text(t.name).word("torch._utils", "_rebuild_tensor_v2").code('(');
    p.code('(').text("storage").word("torch", storage_name(t.dtype)).text(std::to_string(i)).text("cpu");
    p.integer(t.shape.count()).code('t').code('Q');                                // the storage, by its key
    p.integer(0).tuple(t.shape.sizes()).tuple(strides).code('\x89');               // no gradient
    p.word("collections", "OrderedDict").code(')').code('R').code('t').code('R');  // no hooks
  }
  p.code('u');
  if (!under.empty()) p.code('s');
  return p.code('.').done();
}

// Entries one after the other, then the table of contents.
class Archive {
 public:
  explicit Archive(const std::filesystem::path& path) : file_(path) {}

  void add(const std::string& name, std::span<const std::byte> data) {
    const std::uint32_t crc = zip::crc32(0, data);
    const bool wide = data.size() >= fits_32;
    const std::uint32_t short_size = static_cast<std::uint32_t>(std::min<std::uint64_t>(data.size(), fits_32));
    std::string extra;
    if (wide)
      extra = bytes(std::uint16_t{1}, std::uint16_t{16}, std::uint64_t{data.size()}, std::uint64_t{data.size()});
    // A field of padding ("FB", which PyTorch uses too) up to the next multiple of the alignment.
    const std::size_t before = static_cast<std::size_t>(at_) + 30 + name.size() + extra.size() + 4;
    const auto padding = static_cast<std::uint16_t>((alignment - before % alignment) % alignment);
    extra += bytes(std::uint16_t{0x4246}, padding) + std::string(padding, 'Z');
    const std::string common = bytes(zip_version, std::uint16_t{0x800}, std::uint16_t{0}, std::uint16_t{0},
                                     std::uint16_t{0x21}, crc, short_size, short_size);
    const auto name_size = static_cast<std::uint16_t>(name.size());
    const std::uint64_t local = at_;
    write("PK\x03\x04" + common + bytes(name_size, static_cast<std::uint16_t>(extra.size())) + name + extra);
    file_.write(data.data(), data.size());
    at_ += data.size();

    std::string wide_fields;
    if (wide) wide_fields += bytes(std::uint64_t{data.size()}, std::uint64_t{data.size()});
    if (local >= fits_32) wide_fields += bytes(local);
    if (!wide_fields.empty())
      wide_fields = bytes(std::uint16_t{1}, static_cast<std::uint16_t>(wide_fields.size())) + wide_fields;
    directory_ +=
        "PK\x01\x02" + bytes(zip_version) + common +
        bytes(name_size, static_cast<std::uint16_t>(wide_fields.size()), std::uint16_t{0}, std::uint16_t{0},
              std::uint16_t{0}, std::uint32_t{0}, static_cast<std::uint32_t>(std::min<std::uint64_t>(local, fits_32))) +
        name + wide_fields;
    ++count_;
  }

  void commit() {
    const std::uint64_t begin = at_, size = directory_.size(), end64 = begin + size;
    write(directory_);
    write("PK\x06\x06" + bytes(std::uint64_t{44}, zip_version, zip_version, std::uint32_t{0}, std::uint32_t{0}, count_,
                               count_, size, begin));
    write("PK\x06\x07" + bytes(std::uint32_t{0}, end64, std::uint32_t{1}));
    const auto short_count = static_cast<std::uint16_t>(std::min<std::uint64_t>(count_, 0xFFFF));
    write("PK\x05\x06" + bytes(std::uint16_t{0}, std::uint16_t{0}, short_count, short_count,
                               static_cast<std::uint32_t>(std::min(size, fits_32)),
                               static_cast<std::uint32_t>(std::min(begin, fits_32)), std::uint16_t{0}));
    file_.commit();
  }

 private:
  void write(const std::string& text) {
    file_.write(text);
    at_ += text.size();
  }
  AtomicFile file_;
  std::uint64_t at_ = 0, count_ = 0;
  std::string directory_;
};

}  // namespace

void write_pth(const std::filesystem::path& path, const std::vector<TensorToWrite>& tensors, const std::string& under) {
  weight_write_detail::check_names(tensors, writer);
  const auto text = [](std::string_view t) { return std::as_bytes(std::span(t)); };
  Archive archive(path);
  archive.add("archive/data.pkl", text(pickle_of(tensors, under)));
  archive.add("archive/byteorder", text("little"));
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    const Tensor tensor = weight_write_detail::read_checked(tensors[i], writer);
    archive.add("archive/data/" + std::to_string(i), {static_cast<const std::byte*>(tensor.raw()), tensor.bytes()});
  }
  archive.add("archive/version", text("3\n"));
  archive.commit();
}

}  // namespace rein
