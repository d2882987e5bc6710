#include "train/version.h"

#include <cstdlib>

#include "tensor/cpu_features.h"
#include "tensor/cuda/runtime.h"
#include "tensor/error.h"
#include "tensor/parallel.h"

namespace rein::train {

std::string version_text() {
  return REIN_VERSION;
}

std::string forced_kernels_text() {
  const char* forced = std::getenv("REIN_KERNEL");
  return forced == nullptr || *forced == '\0' ? "default" : forced;
}

std::string cuda_text() {
  if constexpr (!cuda::built) {
    return "no (configure with -DREIN_CUDA=ON)";
  } else {
    std::string text = "built for " + cuda::architectures() + "; ";
    const std::vector<cuda::DeviceInfo> found = cuda::devices();
    if (found.empty()) return text + "no device found";
    for (std::size_t i = 0; i < found.size(); ++i) {
      const cuda::DeviceInfo& d = found[i];
      text += concat_text(i > 0 ? ", " : "", "cuda:", i, " ", d.name, " (", d.major, ".", d.minor, ", ", d.memory >> 20,
                          " MiB)");
    }
    return text;
  }
}

std::string about_text() {
  std::string available;
  for (const std::string& isa : available_isas()) available += (available.empty() ? "" : ", ") + isa;
  return "rein " + version_text() + "\ninstruction set  " + isa_name() + " (available: " + available +
         ")\nkernels          " + forced_kernels_text() + "\nthreads          " + std::to_string(thread_count()) +
         "\nCUDA             " + cuda_text() + "\n";
}

}  // namespace rein::train
