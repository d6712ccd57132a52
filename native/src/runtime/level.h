// Which instruction set the kernels use.
#pragma once
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace vivace {

// The kernels in use. Decided at the first call: VIVACE_CPU_LEVEL if it is set, else the best that the processor has.
//
// Throws std::invalid_argument when VIVACE_CPU_LEVEL names a level that is unknown or that the processor has not.
const Kernels& kernels();

// Name of the level in use, and all that this processor can use, the best first.
std::string level();
std::vector<std::string> levels();

// Uses another level from now on. Throws std::invalid_argument as above. For tests and measurements.
void set_level(const std::string& name);

}  // namespace vivace
