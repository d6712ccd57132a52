#pragma once
#include "kernels/types.h"

namespace vivace {

// Depthwise causal convolution, as hybrids put before their recurrence. With z = the last width - 1 inputs of before
// (`state`), then x:
//
//     out[t, c] = activation(sum over j of weight[c, j] z[t + j, c] + bias[c]),  activation = silu or none.
//
// x [batch, tokens, channels] and out with channels together; states [batch, width - 1, channels] without gaps.
struct ConvArgs {
  const void* x;
  const void* state;   // null for zeros
  const void* weight;  // [channels, width]
  const void* bias;    // [channels], or null; of weight_type
  void* out;
  void* new_state;         // or null; may be `state` itself
  const bool* mask;        // [batch, tokens], where false x counts as 0; or null
  const int32_t* lengths;  // [batch], tokens after which the new state is taken; null for all
  int64_t batch, tokens, channels;
  int64_t row_stride, token_stride, out_row_stride, out_token_stride;
  int32_t width;  // 1 to 8
  bool silu;
  Type type, weight_type, out_type;  // of x and the states; of weight and bias; of out
};

}  // namespace vivace
