#include "train/version.h"

#include <cstdlib>

#include "tensor/cpu_features.h"
#include "tensor/device_info.h"
#include "tensor/parallel.h"

namespace rein::train {

std::string version_text() {
  return REIN_VERSION;
}

std::string forced_kernels_text() {
  const char* forced = std::getenv("REIN_KERNEL");
  return forced == nullptr || *forced == '\0' ? "default" : forced;
}

std::string about_text() {
  std::string available;
  for (const std::string& isa : available_isas()) available += (available.empty() ? "" : ", ") + isa;
  return "rein " + version_text() + "\ninstruction set  " + isa_name() + " (available: " + available +
         ")\nkernels          " + forced_kernels_text() + "\nthreads          " + std::to_string(thread_count()) +
         "\nCUDA             " + cuda_text() + "\n";
}

}  // namespace rein::train
