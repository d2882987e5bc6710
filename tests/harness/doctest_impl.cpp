// The program links the case registry, whose files also hold doctest tests: this is doctest's implementation for it.
#define DOCTEST_CONFIG_IMPLEMENT
#include <doctest/doctest.h>
