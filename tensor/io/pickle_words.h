// The allow-list of the pickle machine. Internal to tensor/io.
#pragma once

#include <optional>
#include <string_view>

#include "tensor/io/pickle.h"

namespace rein::pickle {

struct WordRow {
  Word word;
  std::int64_t detail = 0;  // the row of a storage type
};

// Nothing for a name that is not on the list.
std::optional<WordRow> look_up(std::string_view module, std::string_view name);

}  // namespace rein::pickle
