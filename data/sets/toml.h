// toml++, compiled once (toml.cpp): its headers alone would cost each file that reads TOML ten seconds. For .cpp files.
#pragma once

// toml++ asserts that some bad files ("[.a]") cannot be, or tells the compiler so; the checks behind say what is wrong.
#undef NDEBUG
#define TOML_ASSERT(expression) static_cast<void>(0)
#define TOML_HEADER_ONLY 0
#include <toml++/toml.h>
