// What the machine's words make: dictionaries, storages, tensors.
#include "tensor/error.h"
#include "tensor/io/pickle.h"
#include "tensor/io/pickle_words.h"
#include "tensor/io/safetensors_header.h"

namespace rein::pickle {

using safetensors_detail::in_quotes;

Value* Machine::find_word(std::string_view module, std::string_view name) {
  if (module.size() + name.size() > longest_name)
    refuse("the pickle names something with more than ", longest_name, " letters");
  const auto row = look_up(module, name);
  if (!row)
    refuse("the pickle names ", in_quotes(concat_text(module, '.', name)),
           ", which builds no tensor and is refused; nothing of it was run");
  Value* value = make(Kind::word);
  value->word = row->word;
  value->integer = row->detail;
  texts_.push_back(concat_text(module, '.', name));
  value->text = texts_.back();
  return value;
}

Value* Machine::call(const Value& word, Value& arguments) {
  if (word.kind != Kind::word) refuse("the pickle wants to call ", name_of(word.kind), "; nothing of it was run");
  if (arguments.kind != Kind::sequence)
    refuse("the pickle is broken: it calls ", in_quotes(word.text), " with ", name_of(arguments.kind),
           " for its arguments");
  const std::vector<Value*>& given = arguments.items;
  const auto need = [&](bool ok, const char* what) {
    if (!ok) refuse("the pickle calls ", in_quotes(word.text), " without ", what);
  };
  switch (word.word) {
    case Word::ordered_dict: {
      Value* dict = make(Kind::dict);
      if (given.empty()) return dict;
      need(given.size() == 1 && (given[0]->kind == Kind::sequence || given[0]->kind == Kind::dict), "a list of pairs");
      if (given[0]->kind == Kind::dict) return given[0];
      count_copies(2 * given[0]->items.size());
      for (const Value* pair : given[0]->items) {
        need(pair->kind == Kind::sequence && pair->items.size() == 2, "a list of pairs");
        dict->items.insert(dict->items.end(), pair->items.begin(), pair->items.end());
      }
      return dict;
    }
    case Word::sequence: {
      if (given.empty()) return make(Kind::sequence);
      need(given.size() == 1 && given[0]->kind == Kind::sequence, "one list");
      return given[0];
    }
    case Word::rebuild_tensor:
      return rebuild_tensor(word, arguments);
    case Word::rebuild_parameter:
      need(!given.empty() && given[0]->kind == Kind::tensor, "a tensor");
      return given[0];
    case Word::encode:
      need(!given.empty() && given[0]->kind == Kind::text, "a text");
      return given[0];
    case Word::first_argument:
      need(!given.empty(), "arguments");
      return given[0];
    case Word::plain:
      return make(Kind::none);
    case Word::storage_type:
    case Word::script_class:
    default:
      refuse("the pickle wants to call ", in_quotes(word.text), ", which is no part of a tensor");
  }
}

Value* Machine::rebuild_tensor(const Value& word, const Value& arguments) {
  const std::vector<Value*>& given = arguments.items;
  const auto integers = [](const Value& v) {
    if (v.kind != Kind::sequence) return false;
    for (const Value* item : v.items)
      if (item->kind != Kind::integer) return false;
    return true;
  };
  if (given.size() < 4 || given[0]->kind != Kind::storage || given[1]->kind != Kind::integer || !integers(*given[2]) ||
      !integers(*given[3]) || given[2]->items.size() != given[3]->items.size())
    refuse("the pickle calls ", in_quotes(word.text), " without a storage, an offset, sizes and as many strides");
  Value* tensor = make(Kind::tensor);
  tensor->items.assign(given.begin(), given.begin() + 4);
  return tensor;
}

// ("storage", type, key, device, number of elements), in old files with the view that it is of (None) at the end.
Value* Machine::storage(const Value& id) {
  const std::vector<Value*>& parts = id.items;
  if (id.kind != Kind::sequence || parts.size() < 5 || parts[0]->kind != Kind::text || parts[0]->text != "storage")
    refuse("the pickle refers to something outside of it that is no storage",
           id.kind == Kind::sequence && !parts.empty() && parts[0]->kind == Kind::text
               ? " but " + in_quotes(parts[0]->text)
               : "");
  if (parts[1]->kind != Kind::word || parts[1]->word != Word::storage_type || parts[2]->kind != Kind::text ||
      parts[4]->kind != Kind::integer)
    refuse("the pickle has a storage without type, key or number of elements");
  if (parts.size() > 5 && parts[5]->kind != Kind::none) refuse("the pickle has a storage that is a view of another");
  Value* value = make(Kind::storage);
  value->items = {parts[1], parts[2], parts[4]};
  storages_.push_back(value);
  return value;
}

void Machine::build() {
  const Value* state = pop();
  Value* object = top();
  if (object->kind == Kind::dict) return;  // attributes of an OrderedDict: versions of modules
  if (object->kind != Kind::object || state->kind != Kind::dict)
    refuse("the pickle gives ", name_of(state->kind), " to ", name_of(object->kind), " as its state");
  count_copies(state->items.size());
  object->items = state->items;
}

// A few bytes of a pickle may copy a long list; the sum of such copies is bounded like everything else.
void Machine::count_copies(std::size_t items) {
  copied_ += items;
  if (copied_ > most_values) refuse("the pickle copies more than ", most_values, " values");
}

std::string_view name_of(Kind kind) {
  constexpr std::string_view names[] = {"None",     "a truth value", "a number",   "a number",
                                        "a number", "a text",        "a sequence", "a dictionary",
                                        "a name",   "a storage",     "a tensor",   "an object"};
  return names[static_cast<std::size_t>(kind)];
}

}  // namespace rein::pickle
