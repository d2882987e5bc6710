#define TOML_IMPLEMENTATION
#include "data/sets/toml.h"
