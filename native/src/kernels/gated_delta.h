#pragma once
#include "kernels/types.h"

namespace vivace {

// An array [batch, tokens, heads, n], or [batch, tokens, heads], whose last axis lies together.
struct Heads {
  const void* data;
  int64_t row_stride, token_stride, head_stride;
  Type type;
};

// What `gate` holds: the decay itself, or a logit a from which it is made with rate = exp(a_log) and x = a + dt_bias.
enum class Decay : int32_t {
  given,
  softplus,  // exp(-rate softplus(x))
  bounded,   // exp(lower_bound sigmoid(rate x))
};

// Gated delta rule (arXiv:2412.06464), per head with a state S [dim, key_dim] that starts as `state`:
//
//     S = S diag(decay) + beta (v - S diag(decay) k) k^T,    y = S q.
//
// A key head serves heads / key_heads heads. Where the mask is false nothing changes and y is 0.
struct GatedDeltaArgs {
  Heads q, k;  // [batch, tokens, key_heads, key_dim]
  Heads v;     // [batch, tokens, heads, dim]
  Heads gate;  // [batch, tokens, heads], or [batch, tokens, heads, key_dim] when `per_channel`
  Heads beta;  // [batch, tokens, heads]
  const bool* mask;    // [batch, tokens], or null
  const float* state;  // [batch, heads, dim, key_dim], or null for zeros
  float* new_state;    // may be `state` itself
  void* y;             // [batch, tokens, heads, dim] without gaps
  int64_t batch, tokens, key_heads, heads, key_dim, dim;
  bool per_channel;

  Decay decay;
  const void* a_log;    // [heads]
  const void* dt_bias;  // [heads], or [heads, key_dim] when `per_channel`
  Type a_log_type, dt_bias_type;
  float lower_bound;

  bool beta_is_logit;  // beta_scale sigmoid(beta)
  float beta_scale;

  bool normalize;  // q and k are divided by sqrt(sum of squares + eps) first
  float eps;
  float q_scale, k_scale;  // factors of q and k
  Type y_type;
};

}  // namespace vivace
