// What the two ways to attend, to few queries (decode) and to many (prefill), have in common.
#pragma once
#include "kernels/attention.h"
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {

// A piece of work: queries that share a kv head, against the keys [key_begin, key_end) of their row. The queries of a
// kv head are numbered by token, then head, so that neighbours see nearly the same keys. If they are many the keys
// begin at a multiple of kSplit in the sequence, which may be before the row's first.
struct Part {
  const AttentionArgs* args;
  const AttentionRow* row;
  int64_t kv_head;
  int64_t query_begin, query_count;
  int64_t key_begin, key_end;
};

// Keys of many queries that are summed together: merging the sums costs 1 % of attention then.
constexpr int64_t kSplit = 2048;

// The queries of a part, [query_count, width] multiplied by the scale, zeros beyond dim.
struct Queries {
  const float* data;
  int64_t width;
};

// A softmax that is not normalised yet.
struct Sums {
  float* largest;  // [queries] the largest score
  float* total;    // [queries] sum of e^(score - largest)
  float* values;   // [queries, width] sum of e^(score - largest) * value
  int64_t width;
};

// The most queries that a decode part has.
constexpr int64_t kFewQueries = 8;

void attend_few(const Part& part, const Queries& queries, const Sums& sums);
void attend_many(const Part& part, const Queries& queries, const Sums& sums);

namespace {

// The score of a key that a boolean mask hides (as in MLX): far below others, but a mean of hidden keys is defined.
constexpr float kLowest = -3.4028234663852886e38f;

struct Range {
  int64_t begin, end;
};

VIVACE_INLINE int64_t round_down(int64_t x, int64_t unit) { return x / unit * unit; }
VIVACE_INLINE int64_t clamp(int64_t x, int64_t low, int64_t high) { return smaller(larger(x, low), high); }

// The keys that a token sees by its position.
VIVACE_INLINE Range visible(const AttentionArgs& a, const AttentionRow& row, int64_t token) {
  int64_t next = row.keys - a.queries + token + 1;
  int64_t end = a.causal ? clamp(next, 0, row.keys) : row.keys;
  return {a.window > 0 ? clamp(next - a.window, 0, end) : 0, end};
}

VIVACE_INLINE int64_t group_of(const AttentionArgs& a) { return a.heads / a.kv_heads; }
VIVACE_INLINE int64_t token_of(const Part& p, int64_t query) { return (p.query_begin + query) / group_of(*p.args); }
VIVACE_INLINE int64_t head_of(const Part& p, int64_t query) {
  int64_t group = group_of(*p.args);
  return p.kv_head * group + (p.query_begin + query) % group;
}

template <class T>
VIVACE_INLINE const T* keys_of(const Part& p) {
  return (const T*)p.row->k + p.kv_head * p.row->k_head;
}
template <class T>
VIVACE_INLINE const T* values_of(const Part& p) {
  return (const T*)p.row->v + p.kv_head * p.row->v_head;
}

// Where the mask of a query begins: key 0.
template <class T>
VIVACE_INLINE const T* mask_of(const Part& p, int64_t query) {
  return (const T*)p.row->mask + head_of(p, query) * p.args->mask_head + token_of(p, query) * p.args->mask_query;
}

// Before any key.
VIVACE_INLINE void clear(const Sums& sums, int64_t queries) {
  for (int64_t i = 0; i < queries; i++) sums.largest[i] = kLowest;
  for (int64_t i = 0; i < queries; i++) sums.total[i] = 0;
  for (int64_t i = 0; i < queries * sums.width; i++) sums.values[i] = 0;
}

VIVACE_INLINE float exp(float x) { return exp(broadcast(x))[0]; }

VIVACE_INLINE void cap_scores(float* scores, int64_t count, float cap) {
  for (int64_t j = 0; j < count; j += kLanes) {
    Floats power = exp(load(scores + j) * (2.0f / cap));
    store(scores + j, cap - 2.0f * cap / (power + 1.0f));  // tanh x = 1 - 2 / (e^2x + 1)
  }
}

VIVACE_INLINE void hide_scores(float* scores, int64_t count, const uint8_t* mask) {
  for (int64_t j = 0; j < count; j++) scores[j] = mask[j] ? scores[j] : kLowest;
}

template <class T>
VIVACE_INLINE void add_mask(float* scores, int64_t count, const T* mask) {
  for (int64_t j = 0; j < count; j += kLanes) store(scores + j, load(scores + j) + load(mask + j, count - j));
}

// Only scores[seen.begin] to scores[seen.end - 1] keep their value.
VIVACE_INLINE void clip_scores(float* scores, int64_t count, Range seen) {
  for (int64_t j = 0; j < count; j++)
    scores[j] = j >= seen.begin && j < seen.end ? scores[j] : -__builtin_inff();
}

// From products to scores, [count] from key `key` on; whole vectors of `scores` are valid memory, and what is beyond
// `count` there becomes -infinity, as are the keys that the query does not see.
VIVACE_INLINE void finish_scores(const Part& p, int64_t query, int64_t key, int64_t count, float* scores) {
  const AttentionArgs& a = *p.args;
  if (a.softcap > 0) cap_scores(scores, count, a.softcap);
  if (a.mask_kind == MaskKind::boolean) hide_scores(scores, count, mask_of<uint8_t>(p, query) + key);
  if (a.mask_kind == MaskKind::additive)
    VIVACE_DISPATCH(a.mask_type, M, add_mask(scores, count, mask_of<M>(p, query) + key));
  Range seen = visible(a, *p.row, token_of(p, query));
  seen = {seen.begin - key, smaller(seen.end - key, count)};
  int64_t whole = round_up(count, kLanes);
  if (seen.begin > 0 || seen.end < whole) clip_scores(scores, whole, seen);
}

// Scores (whole vectors) become weights e^(score - largest); returns what earlier sums are to be multiplied with.
VIVACE_INLINE float weigh_scores(float* scores, int64_t count, float& largest_score, float& total) {
  Floats most = broadcast(largest_score);
  for (int64_t j = 0; j < count; j += kLanes) most = max(most, load(scores + j));
  float before = largest_score;
  largest_score = largest(most);
  Floats sums{};
  for (int64_t j = 0; j < count; j += kLanes) {
    Floats weight = exp(load(scores + j) - largest_score);
    store(scores + j, weight);
    sums += weight;
  }
  float factor = before == largest_score ? 1.0f : exp(before - largest_score);
  total = total * factor + sum(sums);
  return factor;
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
