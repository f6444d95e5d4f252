// Picks the kernel library for this processor and loads it.
#pragma once

#include <string>
#include <vector>

#include "kernels/table.h"

namespace bx {

/// The loaded table. Loads on first use: the best level that the processor has, or the one that
/// BACKPROP_EXT_ISA names (an error when the processor lacks it or no such library exists).
const kernels::Table& kernel_table();

/// Instruction sets with a library beside the engine that this processor can run, best first.
std::vector<std::string> usable_isas();

}  // namespace bx
