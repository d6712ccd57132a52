#pragma once
#include "kernels/types.h"

namespace vivace {

// How the next token of one row is drawn. Temperature 0 takes the largest. top_k 0, top_p 1, min_p 0: no limit.
struct DrawRow {
  float temperature, top_p, min_p;
  int64_t top_k;
  uint32_t seed, position;
};

// One token of each row of logits: temperature, then top-k, then top-p over what top-k left, then min-p; then the largest
// of logit / temperature + Gumbel noise. The noise is that of mx.random.gumbel with the first key of
// mx.random.split([seed, position]) (Threefry, Salmon et al. 2011), so a row draws what it would with MLX's operations.
struct DrawArgs {
  const void* x;
  uint32_t* out;  // [count]
  const DrawRow* rows;
  int64_t count, dim, stride;
  Type type;
};

}  // namespace vivace
