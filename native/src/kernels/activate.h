#pragma once
#include "kernels/types.h"

namespace vivace {

enum class Activation : int32_t {
  silu,       // x sigmoid(x)
  gelu,       // x Phi(x), Phi the normal distribution's function
  gelu_tanh,  // its approximation with tanh
  sigmoid,
  clipped,  // gate sigmoid(alpha gate) (up + 1), gate at most `limit` and up within ±limit: gpt-oss
};

// out = activation(gate) * up for rows of `dim` elements, or activation(gate) when up is null. gate and up may be halves
// of one array; out may be one of them.
struct ActivateArgs {
  const void* gate;
  const void* up;
  void* out;
  int64_t rows, dim, gate_stride, up_stride, out_stride;
  Activation kind;
  float alpha, limit;  // of `clipped`
  Type type, out_type;
};

// out = x + y; out may be x or y.
struct AddArgs {
  const void* x;
  const void* y;
  void* out;
  int64_t size;
  Type type, y_type, out_type;
};

}  // namespace vivace
