// Memory for what is made once and read very often.
#pragma once
#include <cstddef>
#include <memory>

namespace vivace {

// `bytes`, of unknown content, at a multiple of 64. What is asked for in a row lies in a row, on huge pages where the
// system has them: a processor looks up few pages at once, and weights are read from end to end for every token. Throws
// std::bad_alloc.
std::shared_ptr<void> lasting_memory(size_t bytes);

}  // namespace vivace
