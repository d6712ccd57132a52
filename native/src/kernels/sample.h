#pragma once
#include "kernels/types.h"

namespace vivace {

// Rows of `dim` numbers (logits, say), `stride` elements apart.
struct RowsArgs {
  const void* x;
  void* out;  // argmax: uint32 [rows]; logsumexp: float32 [rows]; softmax: [rows, dim] of `type`
  int64_t rows, dim, stride;
  Type type;
};

// The k largest of each row in descending order; of equals the first. NaN counts as larger than all.
struct TopKArgs {
  const void* x;
  float* values;      // [rows, k]
  uint32_t* indices;  // [rows, k]
  int64_t rows, dim, stride, k;
  Type type;
};

}  // namespace vivace
