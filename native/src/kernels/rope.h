#pragma once
#include "kernels/types.h"

namespace vivace {

// One array to rotate, [rows, heads, tokens, dim] with its last axis together, and where the result goes: into itself,
// or for example into a slab of another type. Arrays that share positions (queries and keys) share sines and cosines.
struct RopePart {
  const void* x;
  void* out;
  int64_t heads;
  int64_t row_stride, head_stride, token_stride;
  int64_t out_row_stride, out_head_stride, out_token_stride;
  Type type, out_type;
  bool clamp;  // f16 saturates instead of becoming infinite
};

// Rotary position embedding (arXiv:2104.09864): pair i of token t turns by the angle (offsets[row] + t) frequencies[i].
struct RopeArgs {
  const RopePart* parts;
  int32_t count;
  int64_t rows, tokens, dim;
  int64_t dims;              // rotated, even; the other elements of a head are copied
  const int64_t* offsets;    // [rows], the position of each row's first token
  const float* frequencies;  // [dims / 2], radians per position; null when dims is 0
  float factor;              // of the rotated elements: the attention factor of YaRN (arXiv:2309.00071)
  bool traditional;          // pairs are (2i, 2i + 1) instead of (i, i + dims / 2)
};

}  // namespace vivace
