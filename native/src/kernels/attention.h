#pragma once
#include "kernels/types.h"

namespace vivace {

// What one sequence brings: pointers to the first head, token and visible key; tokens and keys are rows of contiguous
// elements. Strides of k and v are the row's own, since slabs of sequences differ in capacity.
struct AttentionRow {
  const void *q, *k, *v;
  const void* mask;  // of the first head, query and key; null without a mask
  void* out;
  int64_t keys;
  int64_t k_head, k_token, v_head, v_token;
  int64_t origin = 0;  // position of the first key in the sequence; 0 with a mask
};

// none: every key counts. boolean: bytes, 0 hides a key. additive: added to the score.
enum class MaskKind : int32_t { none, boolean, additive };

// out = softmax(scale * q k^T, softcapped and masked) v for each row, by online softmax (arXiv:2205.14135): the scores
// are never all in memory. Query heads h * heads / kv_heads and the following ones share kv head h.
//
// The result of a row depends on that row alone, bit for bit: not on the other rows, nor on the number of threads. If
// it has more than 8 queries for each kv head, that of a query depends neither on the queries beside it nor on how many
// keys before its window are there: what is summed together begins at fixed positions of the sequence.
//
// Of a query that sees no key the result is 0. Where a boolean mask hides all that it sees the result is their mean,
// and where all scores are -infinity NaN, both as in MLX; with a sink it is 0.
struct AttentionArgs {
  const AttentionRow* rows;
  int64_t count;
  int64_t heads, kv_heads, queries, dim, value_dim;
  int64_t q_head, q_token, out_head, out_token;
  int64_t mask_head, mask_query;  // keys of the mask lie together
  float scale;
  float softcap;       // score = softcap * tanh(score / softcap); 0 for none
  bool causal;         // query i sees keys up to keys - queries + i
  int64_t window;      // a query sees only the last so many keys up to its own; 0 for all
  const float* sinks;  // [heads] an extra score without a value, as in gpt-oss; or null
  MaskKind mask_kind;
  Type q_type, kv_type, out_type, mask_type;
};

}  // namespace vivace
