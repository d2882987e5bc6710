// The instruction set that our kernels use, chosen at run time; REIN_ISA=avx512|avx2|plain forces one.
#pragma once

#include <string>
#include <vector>

namespace rein {

std::string isa_name();                     // the one in use: "avx512", "avx2" or "plain"
std::vector<std::string> available_isas();  // best first
// Throws std::invalid_argument when this machine or build does not have it. "" goes back to the best one.
void force_isa(const std::string& name);
// Reads REIN_ISA once and checks REIN_KERNEL. Called by every program's main; a bad value throws.
void apply_isa_environment();

// REIN_KERNEL=attention:reference,resize:reference forces variants of ops: the variant for `op`, or "".
std::string forced_kernel(const std::string& op);
// Throws std::invalid_argument when REIN_KERNEL names a variant that does not exist: it would be ignored silently. A
// new variant is added to the list there.
void check_forced_kernels();

}  // namespace rein
