#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <exception>

#include "tensor/cpu_features.h"

namespace {

// Tiny loops by the thousand: on a busy machine, threads that spin at every barrier make them twenty times slower.
// OpenMP reads its settings before main, so the program starts once more with this one. Where that is not possible
// (no /proc) it goes on as it is.
void wait_without_spinning(char** argv) {
  if (std::getenv("OMP_WAIT_POLICY") != nullptr) return;
  setenv("OMP_WAIT_POLICY", "passive", 1);
  execv("/proc/self/exe", argv);
}

}  // namespace

int main(int argc, char** argv) {
  wait_without_spinning(argv);
  try {
    rein::apply_isa_environment();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 2;
  }
  doctest::Context context(argc, argv);
  return context.run();
}
