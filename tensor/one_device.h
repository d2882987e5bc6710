// The check that what an op takes lies together.
#pragma once

#include <string>
#include <string_view>

#include "tensor/error.h"

namespace rein {

// [op] NAMES must be on one device, got cpu and cuda:0. Takes tensors and Rows; null ones among `others` lie anywhere.
// The text is made when there is something to say: a step comes by here some thousand times.
template <class First, class... Others>
void require_one_device(std::string_view op, std::string_view names, const First& first, const Others&... others) {
  if (((!others || others.device() == first.device()) && ...)) return;
  std::string got = first.device().text();
  ((got += others ? ", " + others.device().text() : ""), ...);
  got.replace(got.rfind(", "), 2, " and ");
  fail(op, names, " must be on one device, got ", got);
}

}  // namespace rein
