// The kernels for this processor.
#pragma once

#include <string>
#include <vector>

#include "kernels.hpp"

namespace rnn2vec {

// Names of the instruction sets that this binary has kernels for and this processor runs, the best first.
std::vector<std::string> instruction_sets();

// The kernels in use: those of the best instruction set, or of the one chosen last.
const Kernels& kernels();

// Use the kernels of another of instruction_sets(); throws std::invalid_argument for any other name.
void use_instruction_set(const std::string& name);

}  // namespace rnn2vec
