// The instruction set that our kernels use, chosen at run time; REIN_ISA=avx512|avx2|plain forces one.
#pragma once

#include <string>
#include <vector>

namespace rein {

std::string isa_name();                     // the one in use: "avx512", "avx2" or "plain"
std::vector<std::string> available_isas();  // best first
// Throws std::invalid_argument when this machine or build does not have it. "" goes back to the best one.
void force_isa(const std::string& name);
// Reads REIN_ISA once. Called by every program's main; a bad value throws.
void apply_isa_environment();

// REIN_KERNEL=attention:reference,conv2d:direct forces variants of ops: the variant for `op`, or "".
std::string forced_kernel(const std::string& op);

}  // namespace rein
