#include "tensor/io/pth.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>

#include "tensor/error.h"
#include "tensor/io/mapped_file.h"
#include "tensor/io/pickle.h"
#include "tensor/io/pth_state.h"
#include "tensor/io/safetensors_header.h"
#include "tensor/io/zip.h"

namespace rein {

static_assert(std::endian::native == std::endian::little, "the bytes of storages are little-endian");

namespace {

using pickle::Kind;
using pickle::Value;
using safetensors_detail::in_quotes;

// PyTorch's old format begins with a pickle of this number, little-endian.
constexpr std::string_view old_number("\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", 10);
constexpr std::string_view old_mark("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.", 15);
constexpr std::size_t largest_pickle = std::size_t{256} << 20;
constexpr std::int64_t most_repeated = 1 << 24;  // elements of a tensor that repeats its storage's (strides of 0)
constexpr std::size_t max_dimensions = 64;

std::string_view text_of(std::span<const std::byte> bytes) {
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// a * b + c, or nothing when it does not fit; all of them are at least 0.
std::optional<std::int64_t> multiply_add(std::int64_t a, std::int64_t b, std::int64_t c) {
  std::int64_t product = 0, sum = 0;
  if (__builtin_mul_overflow(a, b, &product) || __builtin_add_overflow(product, c, &sum)) return std::nullopt;
  return sum;
}

DType known_dtype(std::string_view file_dtype, std::string& problem) {
  for (const DType d : {DType::f64, DType::f32, DType::f16, DType::bf16, DType::i64, DType::i32, DType::u8})
    if (safetensors_detail::file_name_of(d) == file_dtype) return d;
  problem = "dtype " + std::string(file_dtype) + " is not supported (F64, F32, F16, BF16, I64, I32 and U8 are)";
  return DType::u8;
}

bool is_row_major(const Shape& shape, const std::vector<std::int64_t>& strides) {
  std::int64_t step = 1;
  for (int axis = shape.rank() - 1; axis >= 0; --axis) {
    if (shape[axis] != 1 && strides[static_cast<std::size_t>(axis)] != step) return false;
    step *= shape[axis];
  }
  return true;
}

// Row-major copy of a tensor with any strides.
void gather(const std::byte* from, const Shape& shape, const std::vector<std::int64_t>& strides, std::size_t element,
            std::byte* to) {
  const int rank = shape.rank();
  std::vector<std::int64_t> index(static_cast<std::size_t>(rank), 0);
  const auto e = static_cast<std::int64_t>(element);
  const std::int64_t inner = shape[-1], inner_stride = strides.back() * e;
  for (std::int64_t done = 0; done < shape.count(); done += inner) {
    std::int64_t begin = 0;
    for (std::size_t axis = 0; axis + 1 < index.size(); ++axis) begin += index[axis] * strides[axis];
    const std::byte* at = from + begin * e;
    for (std::int64_t i = 0; i < inner; ++i, to += e, at += inner_stride) std::memcpy(to, at, element);
    for (int axis = rank - 2; axis >= 0; --axis) {
      if (++index[static_cast<std::size_t>(axis)] < shape[axis]) break;
      index[static_cast<std::size_t>(axis)] = 0;
    }
  }
}

}  // namespace

class PthReader {
 public:
  PthReader(std::shared_ptr<Storage> bytes, const std::filesystem::path& path)
      : bytes_(bytes->data(), bytes->bytes()), name_(path.string()), file_(new PthFile) {
    file_->bytes_ = std::move(bytes);
    file_->path_ = path;
  }

  std::shared_ptr<const PthFile> read() {
    const std::string_view text = text_of(bytes_);
    refuse_wrong_downloads(text.substr(0, 512), name_, "pth");
    if (text.starts_with(zip::local_mark))
      read_zip();
    else if (text.starts_with(old_mark))
      read_old();
    else if (text.size() > 262 && text.substr(257, 5) == "ustar")
      refuse("this is a tar archive, PyTorch's format before 0.1.10; load and save it with a newer PyTorch");
    else
      refuse("this is no PyTorch file: it begins neither as a zip archive nor as the old format");
    return file_;
  }

 private:
  struct Range {
    std::size_t begin, end;
  };
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail_runtime("pth", name_, ": ", parts...);
  }

  // Bytes of a storage according to the pickle; checks that the multiplication fits.
  std::size_t storage_bytes(const Value& storage) const {
    const std::int64_t elements = storage.items[2]->integer;
    const auto each = static_cast<std::int64_t>(type_of(storage).bytes);
    if (elements < 0 || elements > INT64_MAX / each)
      refuse("storage ", in_quotes(storage.items[1]->text), " claims ", elements, " elements");
    return static_cast<std::size_t>(elements * each);
  }
  static const pickle::StorageType& type_of(const Value& storage) {
    return pickle::storage_types()[static_cast<std::size_t>(storage.items[0]->integer)];
  }

  void read_zip() {
    file_->format_ = "PyTorch zip";
    const auto entries = zip::read_directory(bytes_, name_);
    const auto at = [&](const std::string& entry) -> std::span<const std::byte> {
      const auto found = entries.find(entry);
      if (found == entries.end()) refuse("the archive lacks ", in_quotes(entry));
      if (found->second.method != 0)
        refuse("entry ", in_quotes(entry), " of the archive is compressed (method ", found->second.method,
               "); PyTorch stores entries as they are: unpack the archive and pack it again with zip -0");
      return bytes_.subspan(found->second.begin, found->second.size);
    };
    std::string folder;
    for (const auto& [entry, place] : entries) {
      if (!entry.ends_with("/data.pkl") || entry.find('/') != entry.size() - 9) continue;
      if (!folder.empty()) refuse("the archive has more than one data.pkl");
      folder = entry.substr(0, entry.size() - 8);
    }
    if (folder.empty()) refuse("this is a zip archive without data.pkl: no PyTorch file");
    if (entries.contains(folder + "byteorder") && text_of(at(folder + "byteorder")) != "little")
      refuse("its numbers are big-endian; only little-endian files are read");
    const auto program = at(folder + "data.pkl");
    if (program.size() > largest_pickle)
      refuse("data.pkl has ", program.size(), " bytes, at most ", largest_pickle, " are read");
    pickle::Machine machine(program, name_);
    const Value& root = machine.run();
    add_tensors(root, [&](const Value& storage) -> Range {
      const std::string entry = folder + "data/" + std::string(storage.items[1]->text.substr(0, 100));
      const auto data = at(entry);
      if (const std::size_t wanted = storage_bytes(storage); data.size() != wanted)
        refuse("the pickle wants ", wanted, " bytes of storage ", in_quotes(entry), ", which has ", data.size());
      const auto begin = static_cast<std::size_t>(data.data() - bytes_.data());
      return {begin, begin + data.size()};
    });
  }

  // Pickles of the number, the version, the machine, the object, the storages' keys; then each storage's number of
  // elements and bytes.
  void read_old() {
    file_->format_ = "PyTorch, old format";
    pickle::Machine machine(bytes_, name_);
    if (const Value& number = machine.run(); number.kind != Kind::big || number.text != old_number)
      refuse("this is no PyTorch file");
    if (const Value& version = machine.run(); version.kind != Kind::integer || version.integer != 1001)
      refuse("its version is not 1001");
    const Value& system = machine.run();
    for (std::size_t i = 0; i + 1 < system.items.size(); i += 2)
      if (system.items[i]->kind == Kind::text && system.items[i]->text == "little_endian" &&
          system.items[i + 1]->integer == 0)
        refuse("its numbers are big-endian; only little-endian files are read");
    const Value& root = machine.run();
    const Value& keys = machine.run();
    std::map<std::string_view, std::size_t> wanted;
    for (const Value* storage : machine.storages()) {
      const auto [at, added] = wanted.emplace(storage->items[1]->text, storage_bytes(*storage));
      if (!added && at->second != storage_bytes(*storage))
        refuse("storage ", in_quotes(at->first), " has two sizes, ", at->second, " and ", storage_bytes(*storage));
    }
    std::map<std::string_view, Range> ranges;
    std::size_t at = machine.position();
    for (const Value* key : keys.items) {
      const auto known = key->kind == Kind::text ? wanted.find(key->text) : wanted.end();
      if (known == wanted.end()) refuse("it has bytes of a storage that the pickle does not know");
      if (bytes_.size() - at < 8 || bytes_.size() - at - 8 < known->second)
        refuse("the file is truncated: storage ", in_quotes(known->first), " needs ", known->second,
               " bytes after byte ", at + 8, " of ", bytes_.size());
      at += 8;
      ranges[known->first] = {at, at + known->second};
      at += known->second;
    }
    if (at != bytes_.size()) refuse(bytes_.size() - at, " bytes after the last storage belong to none");
    add_tensors(root, [&](const Value& storage) -> Range {
      const auto found = ranges.find(storage.items[1]->text);
      if (found == ranges.end()) refuse("storage ", in_quotes(storage.items[1]->text), " has no bytes");
      return found->second;
    });
  }

  template <class RangeOf>
  void add_tensors(const Value& root, const RangeOf& range_of) {
    pickle::StateDict state = pickle::find_state_dict(root, name_);
    file_->found_under_ = std::move(state.under);
    for (const auto& [name, value] : state.tensors)
      file_->places_.emplace(name, place_of(name, *value, range_of(*value->items[0])));
  }

  PthFile::Place place_of(const std::string& name, const Value& tensor, Range range) const {
    const Value& storage = *tensor.items[0];
    const std::vector<Value*>&sizes = tensor.items[2]->items, &strides = tensor.items[3]->items;
    PthFile::Place place;
    place.element = type_of(storage).bytes;
    place.begin = range.begin;
    place.end = range.end;
    place.offset = tensor.items[1]->integer;
    place.entry.file_dtype = type_of(storage).dtype;
    place.entry.dtype = known_dtype(place.entry.file_dtype, place.entry.problem);
    const auto elements = static_cast<std::int64_t>((range.end - range.begin) / place.element);
    if (sizes.size() > max_dimensions)
      refuse("tensor ", in_quotes(name), " has ", sizes.size(), " dimensions, at most ", max_dimensions, " are read");
    std::vector<std::int64_t> shape;
    std::optional<std::int64_t> last = place.offset, count = 1;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      const std::int64_t size = sizes[i]->integer, stride = strides[i]->integer;
      if (size < 0 || stride < 0) refuse("tensor ", in_quotes(name), " has a negative size or stride");
      shape.push_back(size);
      place.strides.push_back(size > 1 ? stride : 0);  // of a single one it says nothing, and may be any number
      // Sizes beside a zero must be sane too: they are multiplied later.
      if (count) count = multiply_add(*count, std::max<std::int64_t>(size, 1), 0);
      if (last && size > 0) last = multiply_add(size - 1, stride, *last);
    }
    if (!count || *count > (std::int64_t{1} << 62) / 8) refuse("the size of tensor ", in_quotes(name), " overflows");
    const bool empty = std::ranges::find(shape, 0) != shape.end();
    if (place.offset < 0 || place.offset > elements || (!empty && (!last || *last >= elements)))
      refuse("tensor ", in_quotes(name), " reaches beyond its storage of ", elements, " elements");
    if (shape.size() > Shape::max_rank) {
      place.entry.problem =
          concat_text("it has rank ", shape.size(), "; at most ", int{Shape::max_rank}, " is supported");
      return place;
    }
    place.entry.shape = Shape(std::span<const std::int64_t>(shape));
    if (!empty && *count > elements && *count > most_repeated)
      place.entry.problem =
          concat_text("it repeats the ", elements, " numbers of its storage ", *count, " times in all");
    return place;
  }

  std::span<const std::byte> bytes_;
  std::string name_;
  std::shared_ptr<PthFile> file_;
};

std::shared_ptr<const PthFile> PthFile::open(const std::filesystem::path& path) {
  return PthReader(map_file(path, "pth"), path).read();
}

std::shared_ptr<const PthFile> PthFile::parse(std::span<const std::byte> bytes, const std::string& name) {
  auto copy = Storage::allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy->data(), bytes.data(), bytes.size());
  return PthReader(std::move(copy), name).read();
}

bool PthFile::looks_like(std::span<const std::byte> head) {
  return text_of(head).starts_with(zip::local_mark) || text_of(head).starts_with(old_mark);
}

std::vector<std::string> PthFile::names() const {
  std::vector<std::string> names;
  names.reserve(places_.size());
  for (const auto& [name, place] : places_) names.push_back(name);
  return names;
}

const PthFile::Place& PthFile::place(const std::string& name) const {
  const auto found = places_.find(name);
  if (found == places_.end())
    fail_runtime("pth", path_.string(), ": there is no tensor ", in_quotes(name), " among the ", places_.size(),
                 " of this file");
  return found->second;
}

WeightFile::Entry PthFile::entry(const std::string& name) const {
  return place(name).entry;
}

Tensor PthFile::tensor(const std::string& name) const {
  const Place& p = place(name);
  const Shape& shape = p.entry.shape;
  if (!p.entry.problem.empty())
    fail_runtime("pth", path_.string(), ": tensor ", in_quotes(name), ": ", p.entry.problem);
  const std::byte* data = bytes_->data() + p.begin + static_cast<std::size_t>(p.offset) * p.element;
  const std::size_t bytes = static_cast<std::size_t>(shape.count()) * p.element;
  const bool in_order = shape.count() == 0 || is_row_major(shape, p.strides);
  if (in_order && reinterpret_cast<std::uintptr_t>(data) % p.element == 0) {
    // A storage per tensor, so that the account of bytes per storage sees the tensor and not the whole file.
    auto view = Storage::borrow(const_cast<std::byte*>(data), bytes, [keep = bytes_] {});
    return Tensor::over(std::move(view), 0, shape, p.entry.dtype);
  }
  Tensor copy = Tensor::empty(shape, p.entry.dtype);
  auto* to = static_cast<std::byte*>(copy.mutable_raw());
  if (in_order) {
    if (bytes != 0) std::memcpy(to, data, bytes);
  } else {
    gather(data, shape, p.strides, p.element, to);
  }
  return copy;
}

}  // namespace rein
