// A pickle machine that can build state dictionaries of tensors and nothing else. Internal to tensor/io.
//
// A pickle is a program: it may name any function of Python and call it. This machine has no functions to call. The
// names in its allow-list are words for the values below; any other name ends the reading with an error that says
// which name it was. Values live in an arena and refer to each other by address, so shared and even circular values
// cost nothing and nothing recurses.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "tensor/error.h"

namespace rein::pickle {

enum class Kind : std::uint8_t {
  none,
  boolean,
  integer,
  real,
  big,
  text,
  sequence,
  dict,
  word,
  storage,
  tensor,
  object
};

// What a name of the allow-list stands for.
enum class Word : std::uint8_t {
  ordered_dict,
  sequence,           // torch.Size, set, frozenset: of their one argument's items
  rebuild_tensor,     // torch._utils._rebuild_tensor, _rebuild_tensor_v2
  rebuild_parameter,  // the tensor of its first argument
  storage_type,       // torch.FloatStorage …; Value::integer is its row in storage_types()
  plain,              // torch.float32, torch.device …: says nothing about a tensor's numbers
  encode,             // _codecs.encode: Python 2 strings
  first_argument,     // TorchScript's typed lists
  script_class,       // __torch__.…: a module of a TorchScript archive; becomes an object with attributes
};

struct Value {
  Kind kind = Kind::none;
  Word word{};               // of Kind::word
  std::int64_t integer = 0;  // of integer, boolean; the row of a storage type
  std::string_view text;     // of text, big, and the full name of a word
  // sequence: its items. dict and object: key, value, key, value … (a later key wins).
  // storage: type, key, number of elements. tensor: storage, offset, sizes, strides (all of the right kinds).
  std::vector<Value*> items;
};

struct StorageType {
  std::string_view name;   // "FloatStorage"
  std::string_view dtype;  // as safetensors spells it: "F32"
  std::size_t bytes;       // of one element
};
std::span<const StorageType> storage_types();

class Machine {
 public:
  // `bytes` must outlive the machine and its values. `file` is for error texts, which begin with [pth].
  Machine(std::span<const std::byte> bytes, std::string file);
  // Runs one pickle from the current position to its end. std::runtime_error for anything but what the allow-list
  // builds, for broken or cut pickles, and for more than most_values values.
  const Value& run();
  std::size_t position() const { return at_; }
  // Every storage that the pickles so far referred to.
  const std::vector<const Value*>& storages() const { return storages_; }

  static constexpr std::size_t most_values = 4'000'000;  // also of the stack, the memo, and copies
  static constexpr std::size_t longest_name = 1000;

 private:
  Value* make(Kind kind);
  Value* make_text(std::string_view text);
  Value* make_integer(std::int64_t integer);
  void push(Value* value);
  Value* pop();
  Value* top();
  std::size_t take_mark();
  std::string_view take(std::size_t bytes);
  std::string_view take_line();
  std::uint64_t take_number(int bytes);
  void keep(std::uint64_t index);
  Value* get(std::uint64_t index);

  bool step();  // false after the end of the pickle
  bool step_scalar(unsigned char code);
  bool step_container(unsigned char code);
  void set_items(Value* into, std::size_t first);
  void sequence_from(std::size_t first);
  Value* find_word(std::string_view module, std::string_view name);
  Value* call(const Value& word, Value& arguments);
  Value* rebuild_tensor(const Value& word, const Value& arguments);
  Value* storage(const Value& id);
  void build();
  void count_copies(std::size_t items);
  template <class... Parts>
  [[noreturn]] void refuse(const Parts&... parts) const {
    fail_runtime("pth", file_, ": ", parts..., " (byte ", at_, " of the pickle)");
  }

  std::span<const std::byte> bytes_;
  std::string file_;
  std::size_t at_ = 0;
  std::deque<Value> values_;
  std::deque<std::string> texts_;  // names put together from two strings
  std::vector<const Value*> storages_;
  std::size_t copied_ = 0;
  std::vector<Value*> stack_;
  std::vector<std::size_t> marks_;
  std::unordered_map<std::uint64_t, Value*> memo_;
};

std::string_view name_of(Kind kind);

}  // namespace rein::pickle
