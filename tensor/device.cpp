#include "tensor/device.h"

#include "tensor/error.h"

namespace rein {

std::string Device::text() const {
  return is_cpu() ? "cpu" : "cuda:" + std::to_string(index);
}

Device parse_device(const std::string& text) {
  if (text == "cpu") return {};
  if (text == "cuda" || text.starts_with("cuda:")) {
    fail_runtime("device", "this build has no CUDA backend; '", text, "' is not available, use 'cpu'");
  }
  fail("device", "must be 'cpu', 'cuda' or 'cuda:N', got '", text, "'");
}

}  // namespace rein
