#include "tensor/io/pickle_words.h"

#include <algorithm>

namespace rein::pickle {
namespace {

constexpr StorageType types[] = {
    {"FloatStorage", "F32", 4}, {"DoubleStorage", "F64", 8}, {"HalfStorage", "F16", 2},  {"BFloat16Storage", "BF16", 2},
    {"LongStorage", "I64", 8},  {"IntStorage", "I32", 4},    {"ShortStorage", "I16", 2}, {"CharStorage", "I8", 1},
    {"ByteStorage", "U8", 1},   {"BoolStorage", "BOOL", 1},
};

struct Named {
  std::string_view module, name;
  Word word;
};

constexpr Named list[] = {
    {"collections", "OrderedDict", Word::ordered_dict},
    {"torch._utils", "_rebuild_tensor", Word::rebuild_tensor},
    {"torch._utils", "_rebuild_tensor_v2", Word::rebuild_tensor},
    {"torch._utils", "_rebuild_parameter", Word::rebuild_parameter},
    {"torch", "Size", Word::sequence},
    {"__builtin__", "set", Word::sequence},
    {"__builtin__", "frozenset", Word::sequence},
    {"builtins", "set", Word::sequence},
    {"builtins", "frozenset", Word::sequence},
    {"_codecs", "encode", Word::encode},
    {"torch", "device", Word::plain},
    {"torch.jit._pickle", "build_intlist", Word::first_argument},
    {"torch.jit._pickle", "build_boollist", Word::first_argument},
    {"torch.jit._pickle", "build_doublelist", Word::first_argument},
    {"torch.jit._pickle", "build_tensorlist", Word::first_argument},
    {"torch.jit._pickle", "restore_type_tag", Word::first_argument},
};

constexpr std::string_view plain_dtypes[] = {"float32", "float64", "float16", "bfloat16", "int64", "int32",
                                             "int16",   "int8",    "uint8",   "bool",     "float", "half",
                                             "double",  "long",    "int",     "short"};

}  // namespace

std::span<const StorageType> storage_types() {
  return types;
}

std::optional<WordRow> look_up(std::string_view module, std::string_view name) {
  for (const Named& row : list)
    if (row.module == module && row.name == name) return WordRow{row.word};
  if (module == "torch") {
    const auto* type = std::ranges::find(types, name, &StorageType::name);
    if (type != std::end(types)) return WordRow{Word::storage_type, type - types};
    if (std::ranges::find(plain_dtypes, name) != std::end(plain_dtypes)) return WordRow{Word::plain};
  }
  // Modules of a TorchScript archive: their code lies in other entries and is never looked at.
  if (module == "__torch__" || module.starts_with("__torch__.")) return WordRow{Word::script_class};
  return std::nullopt;
}

}  // namespace rein::pickle
