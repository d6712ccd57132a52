// What one head of the gated delta rule reads of some tokens, as floats.
#pragma once
#include <cmath>

#include "kernels/gated_delta.h"
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// log(1 + e^x). The series of 2 atanh(u / (2 + u)), where u = e^-|x| is at most 1, keeps small results exact.
VIVACE_INLINE Floats softplus(Floats x) {
  Floats u = exp(-abs(x));
  Floats z = u / (2.0f + u), square = z * z;
  Floats p = broadcast(2.0f / 15);
  p = p * square + 2.0f / 13;
  p = p * square + 2.0f / 11;
  p = p * square + 2.0f / 9;
  p = p * square + 2.0f / 7;
  p = p * square + 2.0f / 5;
  p = p * square + 2.0f / 3;
  return max(broadcast(0.0f), x) + (p * square * z + 2.0f * z);
}

inline float element(const void* data, Type type, int64_t index) {
  float result = 0;
  VIVACE_DISPATCH(type, T, result = scalar(((const T*)data)[index]));
  return result;
}

// n numbers as floats, and zeros up to `padded` of them.
VIVACE_INLINE void widen(const void* data, Type type, int64_t offset, int64_t n, float* out, int64_t padded) {
  VIVACE_DISPATCH(type, T, {
    const T* from = (const T*)data + offset;
    for (int64_t i = 0; i < n; i += kLanes) store(out + i, load(from + i, n - i));
  });
  for (int64_t i = round_up(n, kLanes); i < padded; i += kLanes) store(out + i, Floats{});
}

VIVACE_INLINE int64_t offset_of(const Heads& x, int64_t row, int64_t token, int64_t head) {
  return row * x.row_stride + token * x.token_stride + head * x.head_stride;
}

// Up to `most` tokens of one head. Rows are padded with zeros to a multiple of kLanes (values: of two); tokens that are masked
// or beyond the end have zeros for q, k, v and beta and a decay of 1: they change nothing.
class Tokens {
 public:
  Tokens(const GatedDeltaArgs& a, Scratch& scratch, int64_t most)
      : keys(round_up(a.key_dim, kLanes)), values(round_up(a.dim, 2 * kLanes)), a_(a) {
    q_ = scratch.take<float>(most * keys);
    k_ = scratch.take<float>(most * keys);
    decay_ = scratch.take<float>(most * keys);
    v_ = scratch.take<float>(most * values);
    y_ = scratch.take<float>(most * values);
    beta_ = scratch.take<float>(round_up(most, kLanes));
    gate_ = scratch.take<float>(round_up(most, kLanes));
  }

  const float* q(int64_t t) const { return q_ + t * keys; }
  const float* k(int64_t t) const { return k_ + t * keys; }
  const float* decay(int64_t t) const { return decay_ + t * keys; }
  const float* v(int64_t t) const { return v_ + t * values; }
  float* y(int64_t t) { return y_ + t * values; }
  float beta(int64_t t) const { return beta_[t]; }

  // Tokens [begin, begin + count); those past the array's end count as masked.
  void read(int64_t row, int64_t head, int64_t begin, int64_t count) {
    read_scalars(row, head, begin, count);
    for (int64_t t = 0; t < count; t++) {
      if (begin + count + t < a_.tokens) prefetch_rows(row, head, begin + count + t);
      if (present(row, begin + t)) {
        read_rows(row, head, begin + t, t);
      } else {
        skip(t);
      }
    }
  }

  // Value channels [first, last) of those tokens that exist.
  void write_y(int64_t row, int64_t head, int64_t begin, int64_t count, int64_t first, int64_t last) const {
    for (int64_t t = 0; t < smaller(count, a_.tokens - begin); t++) {
      int64_t offset = ((row * a_.tokens + begin + t) * a_.heads + head) * a_.dim;
      VIVACE_DISPATCH(a_.y_type, T, {
        T* to = (T*)a_.y + offset;
        for (int64_t i = first; i < last; i += kLanes) store(to + i, load(y_ + t * values + i, last - i), last - i);
      });
    }
  }

  const int64_t keys, values;  // padded lengths of rows

 private:
  bool present(int64_t row, int64_t token) const {
    return token < a_.tokens && (!a_.mask || a_.mask[row * a_.tokens + token]);
  }

  void gather(const Heads& x, int64_t row, int64_t head, int64_t begin, int64_t count, float* to) const {
    for (int64_t t = 0; t < count; t++) {
      bool exists = begin + t < a_.tokens;
      to[t] = exists ? element(x.data, x.type, offset_of(x, row, begin + t, head)) : 0;
    }
    for (int64_t t = count; t < round_up(count, kLanes); t++) to[t] = 0;
  }

  // Gates with one number a token, many tokens at a time.
  void read_scalars(int64_t row, int64_t head, int64_t begin, int64_t count) {
    gather(a_.beta, row, head, begin, count, beta_);
    if (a_.beta_is_logit)
      for (int64_t t = 0; t < count; t += kLanes) store(beta_ + t, a_.beta_scale * sigmoid(load(beta_ + t)));
    rate_ = a_.decay == Decay::given ? 0 : std::exp(element(a_.a_log, a_.a_log_type, head));
    if (a_.per_channel) return;
    gather(a_.gate, row, head, begin, count, gate_);
    float bias = a_.decay == Decay::given ? 0 : element(a_.dt_bias, a_.dt_bias_type, head);
    for (int64_t t = 0; t < count; t += kLanes) store(gate_ + t, decay_of(load(gate_ + t), broadcast(bias)));
  }

  void read_rows(int64_t row, int64_t head, int64_t token, int64_t t) {
    int64_t key_head = head / (a_.heads / a_.key_heads);
    widen(a_.q.data, a_.q.type, offset_of(a_.q, row, token, key_head), a_.key_dim, q_ + t * keys, keys);
    widen(a_.k.data, a_.k.type, offset_of(a_.k, row, token, key_head), a_.key_dim, k_ + t * keys, keys);
    widen(a_.v.data, a_.v.type, offset_of(a_.v, row, token, head), a_.dim, v_ + t * values, values);
    scale(q_ + t * keys, a_.q_scale);
    scale(k_ + t * keys, a_.k_scale);
    if (a_.per_channel) {
      read_channels(offset_of(a_.gate, row, token, head), head, decay_ + t * keys);
    } else {
      fill(decay_ + t * keys, keys, broadcast(gate_[t]));
    }
  }

  // Rows of one head lie too far apart for the processor to see them coming. Inline always: GCC drops calls of functions
  // that do nothing but prefetch.
  inline __attribute__((always_inline)) void prefetch_rows(int64_t row, int64_t head, int64_t token) const {
    int64_t key_head = head / (a_.heads / a_.key_heads);
    prefetch_row(a_.q, offset_of(a_.q, row, token, key_head), a_.key_dim);
    prefetch_row(a_.k, offset_of(a_.k, row, token, key_head), a_.key_dim);
    prefetch_row(a_.v, offset_of(a_.v, row, token, head), a_.dim);
  }

  VIVACE_INLINE void prefetch_row(const Heads& x, int64_t offset, int64_t n) {
    const char *begin = (const char*)x.data + offset * size_of(x.type), *end = begin + n * size_of(x.type);
    for (; begin < end; begin += 64) prefetch(begin);
  }

  void read_channels(int64_t offset, int64_t head, float* to) const {
    widen(a_.gate.data, a_.gate.type, offset, a_.key_dim, to, keys);
    if (a_.decay == Decay::given) return;
    VIVACE_DISPATCH(a_.dt_bias_type, T, {
      const T* bias = (const T*)a_.dt_bias + head * a_.key_dim;
      for (int64_t i = 0; i < keys; i += kLanes) store(to + i, decay_of(load(to + i), load(bias + i, a_.key_dim - i)));
    });
  }

  void scale(float* x, float factor) const {
    if (a_.normalize) {
      Floats total{};
      for (int64_t i = 0; i < keys; i += kLanes) total = fma(load(x + i), load(x + i), total);
      factor /= std::sqrt(sum(total) + a_.eps);
    }
    if (factor == 1) return;
    for (int64_t i = 0; i < keys; i += kLanes) store(x + i, load(x + i) * factor);
  }

  inline Floats decay_of(Floats gate, Floats bias) const {
    if (a_.decay == Decay::given) return gate;
    if (a_.decay == Decay::softplus) return exp(-rate_ * softplus(gate + bias));
    return exp(a_.lower_bound * sigmoid(rate_ * (gate + bias)));
  }

  void skip(int64_t t) {
    fill(q_ + t * keys, keys, Floats{});
    fill(k_ + t * keys, keys, Floats{});
    fill(decay_ + t * keys, keys, broadcast(1.0f));
    fill(v_ + t * values, values, Floats{});
    beta_[t] = 0;
  }

  static void fill(float* to, int64_t n, Floats v) {
    for (int64_t i = 0; i < n; i += kLanes) store(to + i, v);
  }

  const GatedDeltaArgs& a_;
  float *q_, *k_, *decay_, *v_, *y_, *beta_, *gate_;
  float rate_ = 0;
};

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
