#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>

#include <cstdio>
#include <exception>

#include "tensor/cpu_features.h"

int main(int argc, char** argv) {
  try {
    rein::apply_isa_environment();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "error: %s\n", e.what());
    return 2;
  }
  doctest::Context context(argc, argv);
  return context.run();
}
