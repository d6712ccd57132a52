// Decode: few queries for each kv head, so time goes into reading keys and values from memory, once, while all queries
// that share them are in registers.
#include "kernels/attention_part.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kSums = 16;  // registers that hold sums
#else
constexpr int kSums = 8;
#endif
constexpr int64_t kBlock = 64;  // the most keys between two updates of the softmax
constexpr int64_t kBlockBytes = 16384;  // of keys, and of values: both lie in the first-level cache
constexpr int kTogether = 4;    // keys whose products are summed side by side
constexpr int kMostQueries = kSums / kTogether;

// Rows of keys or of values.
template <class T>
struct Rows {
  const T* data;
  int64_t stride, count, size;

  const T* at(int64_t i) const { return data + smaller(i, count - 1) * stride; }
  // Into the first-level cache past the others, since it is used once: twice the GB/s of a plain prefetch.
  void fetch(int64_t i) const {
    if (i >= count) return;
    const char* row = (const char*)(data + i * stride);
    for (int64_t byte = 0; byte < size * (int64_t)sizeof(T); byte += 64) __builtin_prefetch(row + byte, 0, 0);
  }
};

// sums[c][i] = lanes that add up to query c times key i; past the last key, the last again.
template <class T, int Q>
VIVACE_INLINE void dot_keys(const Rows<T>& keys, int64_t first, const float* q, int64_t width, Floats (*sums)[kLanes]) {
  const T* k[kTogether];
  for (int i = 0; i < kTogether; i++) k[i] = keys.at(first + i);
  Floats part[Q][kTogether] = {};
  auto add = [&](int64_t d, int64_t n) __attribute__((always_inline)) {
    for (int i = 0; i < kTogether; i++) {
      Floats key = load(k[i] + d, n);
      for (int c = 0; c < Q; c++) part[c][i] = fma(load(q + c * width + d), key, part[c][i]);
    }
  };
  int64_t d = 0;
  for (; d + kLanes <= keys.size; d += kLanes) add(d, kLanes);
  if (d < keys.size) add(d, keys.size - d);
  for (int c = 0; c < Q; c++)
    for (int i = 0; i < kTogether; i++) sums[c][i] = part[c][i];
}

// Products of Q queries with all keys of the block. `next` comes into the cache meanwhile.
template <class T, int Q>
VIVACE_INLINE void score_block(const Rows<T>& keys, const float* q, int64_t width, float* scores, const Rows<T>* next) {
  for (int64_t j = 0; j < keys.count; j += kLanes) {
    Floats sums[Q][kLanes];
    for (int i = 0; i < kLanes; i += kTogether) {
      if (next)
        for (int ahead = 0; ahead < kTogether; ahead++) next->fetch(j + i + ahead);
      Floats(*at)[kLanes] = (Floats(*)[kLanes])(&sums[0][i]);
      dot_keys<T, Q>(keys, j + i, q, width, at);
    }
    for (int c = 0; c < Q; c++) store(scores + c * kBlock + j, sums_of(sums[c]));
  }
}

// sums[c] = sums[c] * factors[c] + weights[c] values, for Q queries and C vectors of columns.
template <class T, int Q, int C>
VIVACE_INLINE void add_columns(const Rows<T>& values, int64_t column, const float* weights, const float* factors,
                               float* sums, int64_t width, const Rows<T>* next) {
  Floats part[Q][C];
  for (int c = 0; c < Q; c++)
    for (int i = 0; i < C; i++) part[c][i] = load(sums + c * width + column + i * kLanes) * factors[c];
  int64_t n = C == 1 ? values.size - column : kLanes;
  for (int64_t j = 0; j < values.count; j++) {
    if (next) next->fetch(j);
    const T* row = values.data + j * values.stride + column;
    Floats value[C];
    for (int i = 0; i < C; i++) value[i] = load(row + i * kLanes, n);
    for (int c = 0; c < Q; c++) {
      Floats weight = broadcast(weights[c * kBlock + j]);
      for (int i = 0; i < C; i++) part[c][i] = fma(weight, value[i], part[c][i]);
    }
  }
  for (int c = 0; c < Q; c++)
    for (int i = 0; i < C; i++) store(sums + c * width + column + i * kLanes, part[c][i]);
}

template <class T, int Q>
VIVACE_INLINE void add_values(const Rows<T>& values, const float* weights, const float* factors, float* sums,
                              int64_t width, const Rows<T>* next) {
  constexpr int kMost = kSums / Q < 8 ? kSums / Q : 8;
  int64_t column = 0;
  for (; column + kMost * kLanes <= values.size; column += kMost * kLanes, next = nullptr)
    add_columns<T, Q, kMost>(values, column, weights, factors, sums, width, next);
  for (; column + 2 * kLanes <= values.size; column += 2 * kLanes, next = nullptr)
    add_columns<T, Q, 2>(values, column, weights, factors, sums, width, next);
  for (; column < values.size; column += kLanes, next = nullptr)
    add_columns<T, Q, 1>(values, column, weights, factors, sums, width, next);
}

template <int N>
struct Constant {
  static constexpr int value = N;
};

// body(c, Constant<Q>) for all queries c, Q of them at a time.
template <class Body>
VIVACE_INLINE void by_queries(int64_t count, const Body& body) {
  int64_t c = 0;
  if constexpr (kMostQueries > 2)
    for (; c + kMostQueries <= count; c += kMostQueries) body(c, Constant<kMostQueries>{});
  for (; c + 2 <= count; c += 2) body(c, Constant<2>{});
  for (; c < count; c++) body(c, Constant<1>{});
}

template <class T>
void attend(const Part& p, const Queries& queries, const Sums& sums) {
  alignas(64) float scores[kFewQueries * kBlock], factors[kFewQueries];
  const AttentionArgs& a = *p.args;
  int64_t row_bytes = larger<int64_t>(1, larger(a.dim, a.value_dim) * (int64_t)sizeof(T));
  int64_t block = clamp(kBlockBytes / row_bytes / kLanes * kLanes, kLanes, kBlock);
  clear(sums, p.query_count);
  for (int64_t key = p.key_begin; key < p.key_end; key += block) {
    int64_t count = smaller(block, p.key_end - key), after = clamp(p.key_end - key - block, 0, block);
    Rows<T> keys{keys_of<T>(p) + key * p.row->k_token, p.row->k_token, count, a.dim};
    Rows<T> values{values_of<T>(p) + key * p.row->v_token, p.row->v_token, count, a.value_dim};
    Rows<T> next{keys.data + block * keys.stride, keys.stride, after, a.dim};
    by_queries(p.query_count, [&](int64_t c, auto q) __attribute__((always_inline)) {
      const float* query = queries.data + c * queries.width;
      score_block<T, decltype(q)::value>(keys, query, queries.width, scores + c * kBlock, c ? nullptr : &values);
    });
    for (int64_t c = 0; c < p.query_count; c++) {
      finish_scores(p, c, key, count, scores + c * kBlock);
      factors[c] = weigh_scores(scores + c * kBlock, count, sums.largest[c], sums.total[c]);
    }
    by_queries(p.query_count, [&](int64_t c, auto q) __attribute__((always_inline)) {
      float* values_sum = sums.values + c * sums.width;
      add_values<T, decltype(q)::value>(values, scores + c * kBlock, factors + c, values_sum, sums.width,
                                        c ? nullptr : &next);
    });
  }
}

}  // namespace

void attend_few(const Part& part, const Queries& queries, const Sums& sums) {
  VIVACE_DISPATCH(part.args->kv_type, T, attend<T>(part, queries, sums));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
