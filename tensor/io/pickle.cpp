#include "tensor/io/pickle.h"

#include "tensor/error.h"
#include "tensor/io/safetensors_header.h"

namespace rein::pickle {

using safetensors_detail::in_quotes;

Machine::Machine(std::span<const std::byte> bytes, std::string file) : bytes_(bytes), file_(std::move(file)) {}

Value* Machine::make(Kind kind) {
  if (values_.size() >= most_values) refuse("the pickle makes more than ", most_values, " values");
  values_.emplace_back().kind = kind;
  return &values_.back();
}
Value* Machine::make_text(std::string_view text) {
  Value* value = make(Kind::text);
  value->text = text;
  return value;
}
Value* Machine::make_integer(std::int64_t integer) {
  Value* value = make(Kind::integer);
  value->integer = integer;
  return value;
}

void Machine::push(Value* value) {
  if (stack_.size() >= most_values) refuse("the pickle stacks more than ", most_values, " values");
  stack_.push_back(value);
}
Value* Machine::top() {
  if (stack_.empty() || (!marks_.empty() && stack_.size() <= marks_.back()))
    refuse("the pickle is broken: it takes a value where there is none");
  return stack_.back();
}
Value* Machine::pop() {
  Value* value = top();
  stack_.pop_back();
  return value;
}
std::size_t Machine::take_mark() {
  if (marks_.empty()) refuse("the pickle is broken: it takes a mark where there is none");
  const std::size_t mark = marks_.back();
  marks_.pop_back();
  return mark;
}

std::string_view Machine::take(std::size_t bytes) {
  if (bytes > bytes_.size() - at_)
    refuse("the pickle is truncated: ", bytes, " more bytes are needed, ", bytes_.size() - at_, " are left");
  const std::string_view taken(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes);
  at_ += bytes;
  return taken;
}
std::string_view Machine::take_line() {
  const std::string_view rest(reinterpret_cast<const char*>(bytes_.data()) + at_, bytes_.size() - at_);
  const std::size_t end = rest.find('\n');
  if (end == rest.npos) refuse("the pickle is truncated: a name has no end");
  at_ += end + 1;
  return rest.substr(0, end);
}
std::uint64_t Machine::take_number(int bytes) {
  const std::string_view text = take(static_cast<std::size_t>(bytes));
  std::uint64_t value = 0;
  for (int i = 0; i < bytes; ++i)
    value |= std::uint64_t{static_cast<unsigned char>(text[static_cast<std::size_t>(i)])} << (8 * i);
  return value;
}

void Machine::keep(std::uint64_t index) {
  memo_[index] = top();
  if (memo_.size() > most_values) refuse("the pickle keeps more than ", most_values, " values");
}
Value* Machine::get(std::uint64_t index) {
  const auto found = memo_.find(index);
  if (found == memo_.end()) refuse("the pickle is broken: it recalls value ", index, ", which it never kept");
  return found->second;
}

const Value& Machine::run() {
  stack_.clear();
  marks_.clear();
  memo_.clear();
  while (step()) {
  }
  Value* result = pop();
  if (!stack_.empty() || !marks_.empty()) refuse("the pickle is broken: it leaves more than one value");
  return *result;
}

// The names of the operations are those of Python's pickletools.
bool Machine::step() {
  const auto code = static_cast<unsigned char>(take(1)[0]);
  switch (code) {
    case 0x80:  // PROTO
      if (const auto protocol = take_number(1); protocol > 5) refuse("pickle protocol ", protocol, " is unknown");
      return true;
    case 0x95:  // FRAME: its length is of no use here
      take(8);
      return true;
    case '.':  // STOP
      return false;
    case 'p':  // PUT
      refuse("the pickle has text operation PUT of protocol 0; protocol 2 and later are read");
    case 'q':  // BINPUT
      keep(take_number(1));
      return true;
    case 'r':  // LONG_BINPUT
      keep(take_number(4));
      return true;
    case 0x94:  // MEMOIZE
      keep(memo_.size());
      return true;
    case 'h':  // BINGET
      push(get(take_number(1)));
      return true;
    case 'j':  // LONG_BINGET
      push(get(take_number(4)));
      return true;
    case 'c': {  // GLOBAL
      const std::string_view module = take_line(), name = take_line();
      push(find_word(module, name));
      return true;
    }
    case 0x93: {  // STACK_GLOBAL
      const Value *name = pop(), *module = pop();
      if (name->kind != Kind::text || module->kind != Kind::text) refuse("the pickle is broken: a name is no text");
      push(find_word(module->text, name->text));
      return true;
    }
    case 'Q': {  // BINPERSID
      push(storage(*pop()));
      return true;
    }
    case 'R': {  // REDUCE
      Value* arguments = pop();
      push(call(*pop(), *arguments));
      return true;
    }
    case 0x81: {  // NEWOBJ
      const Value *arguments = pop(), *type = pop();
      if (type->kind != Kind::word || type->word != Word::script_class || arguments->kind != Kind::sequence)
        refuse("the pickle wants to make an object of ", in_quotes(type->text), ", which is no part of a tensor");
      Value* object = make(Kind::object);
      object->text = type->text;
      push(object);
      return true;
    }
    case 'b':  // BUILD
      build();
      return true;
    default:
      if (step_scalar(code) || step_container(code)) return true;
      refuse("the pickle has operation ", int{code},
             code > 32 && code < 127 ? concat_text(" ('", static_cast<char>(code), "')") : "",
             ", which builds no tensor; nothing of it was run");
  }
}

bool Machine::step_scalar(unsigned char code) {
  const auto boolean = [&](bool value) {
    Value* v = make(Kind::boolean);
    v->integer = value ? 1 : 0;
    push(v);
  };
  switch (code) {
    case 'N':  // NONE
      push(make(Kind::none));
      return true;
    case 0x88:  // NEWTRUE
      boolean(true);
      return true;
    case 0x89:  // NEWFALSE
      boolean(false);
      return true;
    case 'J':  // BININT
      push(make_integer(static_cast<std::int32_t>(take_number(4))));
      return true;
    case 'K':  // BININT1
      push(make_integer(static_cast<std::int64_t>(take_number(1))));
      return true;
    case 'M':  // BININT2
      push(make_integer(static_cast<std::int64_t>(take_number(2))));
      return true;
    case 0x8a: {  // LONG1: little-endian, signed
      const std::string_view digits = take(take_number(1));
      if (digits.size() > 8) {
        Value* value = make(Kind::big);
        value->text = digits;
        push(value);
        return true;
      }
      std::uint64_t bits = !digits.empty() && (digits.back() & 0x80) != 0 ? ~std::uint64_t{0} : 0;
      for (std::size_t i = digits.size(); i-- > 0;) bits = bits << 8 | static_cast<unsigned char>(digits[i]);
      push(make_integer(static_cast<std::int64_t>(bits)));
      return true;
    }
    case 'G':  // BINFLOAT
      take(8);
      push(make(Kind::real));
      return true;
    case 'U':   // SHORT_BINSTRING
    case 0x8c:  // SHORT_BINUNICODE
    case 'C':   // SHORT_BINBYTES
      push(make_text(take(take_number(1))));
      return true;
    case 'T':  // BINSTRING
    case 'X':  // BINUNICODE
    case 'B':  // BINBYTES
      push(make_text(take(take_number(4))));
      return true;
    case 0x8d:  // BINUNICODE8
    case 0x8e:  // BINBYTES8
      push(make_text(take(take_number(8))));
      return true;
    default:
      return false;
  }
}

void Machine::sequence_from(std::size_t first) {
  Value* value = make(Kind::sequence);
  value->items.assign(stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
  push(value);
}

void Machine::set_items(Value* into, std::size_t first) {
  const bool pairs = into->kind == Kind::dict;
  if (!pairs && into->kind != Kind::sequence) refuse("the pickle is broken: it fills ", name_of(into->kind));
  if (pairs && (stack_.size() - first) % 2 != 0) refuse("the pickle is broken: a key without a value");
  into->items.insert(into->items.end(), stack_.begin() + static_cast<std::ptrdiff_t>(first), stack_.end());
  stack_.resize(first);
}

bool Machine::step_container(unsigned char code) {
  const auto last = [&](std::size_t n) {  // the place of the n topmost values
    const std::size_t floor = marks_.empty() ? 0 : marks_.back();
    if (stack_.size() - floor < n) refuse("the pickle is broken: it takes ", n, " values where there are fewer");
    return stack_.size() - n;
  };
  switch (code) {
    case '(':  // MARK
      if (marks_.size() >= most_values) refuse("the pickle sets more than ", most_values, " marks");
      marks_.push_back(stack_.size());
      return true;
    case '0':  // POP
      pop();
      return true;
    case '1':  // POP_MARK
      stack_.resize(take_mark());
      return true;
    case '2':  // DUP
      push(top());
      return true;
    case ')':   // EMPTY_TUPLE
    case ']':   // EMPTY_LIST
    case 0x8f:  // EMPTY_SET
      sequence_from(stack_.size());
      return true;
    case 0x85:  // TUPLE1, 2, 3
    case 0x86:
    case 0x87:
      sequence_from(last(code - std::size_t{0x84}));
      return true;
    case 't':   // TUPLE
    case 'l':   // LIST
    case 0x91:  // FROZENSET
      sequence_from(take_mark());
      return true;
    case '}':  // EMPTY_DICT
      push(make(Kind::dict));
      return true;
    case 'd': {  // DICT
      Value* dict = make(Kind::dict);
      set_items(dict, take_mark());
      push(dict);
      return true;
    }
    case 'a': {  // APPEND
      const std::size_t first = last(2) + 1;
      set_items(stack_[first - 1], first);
      return true;
    }
    case 's': {  // SETITEM
      const std::size_t first = last(3) + 1;
      set_items(stack_[first - 1], first);
      return true;
    }
    case 'e':     // APPENDS
    case 'u':     // SETITEMS
    case 0x90: {  // ADDITEMS
      const std::size_t first = take_mark();
      if (first == 0 || (!marks_.empty() && first <= marks_.back()))
        refuse("the pickle is broken: it fills a value where there is none");
      set_items(stack_[first - 1], first);
      return true;
    }
    default:
      return false;
  }
}

}  // namespace rein::pickle
