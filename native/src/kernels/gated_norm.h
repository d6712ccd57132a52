#pragma once
#include "kernels/types.h"

namespace vivace {

// out = x / rms(x) * weight * activation(gate) for every head of every token: the norm after a gated delta rule. Heads
// of a token lie together, `dim` elements each; strides are those of tokens.
struct GatedNormArgs {
  const void* x;
  const void* gate;
  const void* weight;  // [dim]
  void* out;           // may be x or gate
  int64_t tokens, heads, dim;
  int64_t x_stride, gate_stride, out_stride;
  float eps;
  bool sigmoid;                       // instead of silu
  Type type, gate_type, weight_type;  // x; gate and out; weight
};

}  // namespace vivace
