#pragma once
#include "kernels/types.h"

namespace vivace {

// out = (x - mean) / sqrt(variance + eps) * weight + bias over each row of `dim`; RMSNorm (arXiv:1910.07467) has no
// mean and no bias. Rows of x are `stride` elements apart, those of out `dim`.
struct NormArgs {
  const void* x;
  const void* weight;  // [dim], or null for ones
  const void* bias;    // [dim], or null for none
  const void* add;     // like out, added to the result, or null; may be out itself
  void* out;
  int64_t rows, dim, stride;
  float eps;
  float offset;  // added to the weight: 1 for Gemma's norms, 0 for others
  bool center;   // LayerNorm
  Type type, weight_type, out_type;
};

}  // namespace vivace
