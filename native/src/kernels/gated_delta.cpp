// The gated delta rule token by token, on the state as it lies in memory.
#include "kernels/gated_delta.h"

#include <cstring>

#include "kernels/gated_delta_inputs.h"

namespace vivace {
namespace VIVACE_LEVEL {

void gated_delta_prompt(const GatedDeltaArgs& a);  // gated_delta_prompt.cpp

namespace {

// From here on the other layout of the state pays for being made and unmade.
constexpr int64_t kPromptTokens = 8;
constexpr int64_t kItem = 16384;  // elements of state that are worth handing to another thread
constexpr int kRows = 4;          // of the state, taken together

// What all rows of the state need of one token. With the decay moved from the state to the vectors, one pass over a row
// gives both products with the old state: y = S (decay q) + (k q) delta.
struct Step {
  const float *k, *decay;
  float *decayed_k, *decayed_q;
  float overlap;  // k q
};

void prepare(const Tokens& tokens, int64_t t, Step& step) {
  step.k = tokens.k(t);
  step.decay = tokens.decay(t);
  Floats overlap{};
  for (int64_t i = 0; i < tokens.keys; i += kLanes) {
    Floats k = load(step.k + i), q = load(tokens.q(t) + i), decay = load(step.decay + i);
    store(step.decayed_k + i, decay * k);
    store(step.decayed_q + i, decay * q);
    overlap = fma(k, q, overlap);
  }
  step.overlap = sum(overlap);
}

// Rows [0, n) of S, n at most kRows: v and y hold one number a row.
template <int n>
void advance_rows(const Step& step, const float* state, float* to, int64_t dim, const float* v, float beta, float* y) {
  Floats recalled[n] = {}, read[n] = {};
  for (int64_t i = 0; i < dim; i += kLanes) {
    Floats k = load(step.decayed_k + i), q = load(step.decayed_q + i);
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
      Floats s = load(state + j * dim + i, dim - i);
      recalled[j] = fma(s, k, recalled[j]);
      read[j] = fma(s, q, read[j]);
    }
  }
  float delta[n];
#pragma GCC unroll 8
  for (int j = 0; j < n; j++) {
    delta[j] = beta * (v[j] - sum(recalled[j]));
    y[j] = sum(read[j]) + delta[j] * step.overlap;
  }
  for (int64_t i = 0; i < dim; i += kLanes) {
    Floats k = load(step.k + i), decay = load(step.decay + i);
#pragma GCC unroll 8
    for (int j = 0; j < n; j++) {
      Floats s = load(state + j * dim + i, dim - i);
      store(to + j * dim + i, fma(k, broadcast(delta[j]), s * decay), dim - i);
    }
  }
}

void advance_head(const GatedDeltaArgs& a, int64_t row, int64_t head, Tokens& tokens, Step& step) {
  int64_t size = a.dim * a.key_dim, offset = (row * a.heads + head) * size;
  const float* state = a.state ? a.state + offset : nullptr;
  float* to = a.new_state + offset;
  if (!state) std::memset(to, 0, size * sizeof(float));
  if (!state) state = to;
  tokens.read(row, head, 0, a.tokens);
  for (int64_t t = 0; t < a.tokens; t++, state = to) {
    prepare(tokens, t, step);
    int64_t i = 0;
    for (; i + kRows <= a.dim; i += kRows)
      advance_rows<kRows>(step, state + i * a.key_dim, to + i * a.key_dim, a.key_dim, tokens.v(t) + i, tokens.beta(t),
                          tokens.y(t) + i);
    for (; i < a.dim; i++)
      advance_rows<1>(step, state + i * a.key_dim, to + i * a.key_dim, a.key_dim, tokens.v(t) + i, tokens.beta(t),
                      tokens.y(t) + i);
  }
  tokens.write_y(row, head, 0, a.tokens, 0, a.dim);
}

void gated_delta_steps(const GatedDeltaArgs& a) {
  int64_t heads = a.batch * a.heads, each = larger<int64_t>(1, a.tokens * a.dim * a.key_dim);
  int64_t together = larger<int64_t>(1, kItem / each);
  parallel_for(ceil_div(heads, together), [&](int64_t item) {
    Scratch scratch;
    Tokens tokens(a, scratch, a.tokens);
    Step step{nullptr, nullptr, scratch.take<float>(tokens.keys), scratch.take<float>(tokens.keys), 0};
    for (int64_t i = item * together; i < smaller(heads, (item + 1) * together); i++)
      advance_head(a, i / a.heads, i % a.heads, tokens, step);
  });
}

}  // namespace

void gated_delta(const GatedDeltaArgs& a) {
  if (a.tokens < kPromptTokens) {
    if (a.tokens == 0 && a.state != a.new_state) {
      size_t bytes = a.batch * a.heads * a.dim * a.key_dim * sizeof(float);
      if (bytes == 0) return;
      if (a.state) std::memcpy(a.new_state, a.state, bytes);
      else std::memset(a.new_state, 0, bytes);
      return;
    }
    gated_delta_steps(a);
  } else {
    gated_delta_prompt(a);
  }
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
