#include "check.h"

namespace vivace {
namespace {

struct Case {
  GatedDeltaArgs a{};
  Array q, k, v, gate, beta, a_log, dt_bias;
  std::vector<float> state, new_state;
  std::vector<uint8_t> mask;
};

Heads heads_of(const Array& array, int64_t tokens, int64_t heads, int64_t dim) {
  return {array.data(), tokens * heads * dim, heads * dim, dim, array.type()};
}

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

double decay_of(const Case& c, int64_t at, int64_t head, int64_t channel) {  // at: batch, token and head as one index
  const GatedDeltaArgs& a = c.a;
  int64_t wide = a.per_channel ? a.key_dim : 1, j = a.per_channel ? channel : 0;
  double gate = c.gate[at * wide + j];
  if (a.decay == Decay::given) return gate;
  double rate = std::exp(c.a_log[head]), x = gate + c.dt_bias[head * wide + j];
  return a.decay == Decay::softplus ? std::exp(-rate * std::log1p(std::exp(x)))
                                    : std::exp(a.lower_bound * sigmoid(rate * x));
}

// One head's row of q or k as the rule sees it.
std::vector<double> prepared(const GatedDeltaArgs& a, const Array& x, int64_t from, double scale) {
  std::vector<double> row(a.key_dim);
  double squares = 0;
  for (int64_t j = 0; j < a.key_dim; j++) squares += x[from + j] * x[from + j];
  for (int64_t j = 0; j < a.key_dim; j++)
    row[j] = x[from + j] * scale / (a.normalize ? std::sqrt(squares + a.eps) : 1);
  return row;
}

void run_plainly(const Case& c, std::vector<double>& state, std::vector<double>& y) {
  const GatedDeltaArgs& a = c.a;
  for (int64_t bh = 0; bh < a.batch * a.heads; bh++) {
    int64_t b = bh / a.heads, h = bh % a.heads, key_head = h / (a.heads / a.key_heads);
    double* s = state.data() + bh * a.dim * a.key_dim;
    for (int64_t t = 0; t < a.tokens; t++) {
      if (a.mask && !c.mask[b * a.tokens + t]) continue;
      int64_t at = (b * a.tokens + t) * a.heads + h, from = ((b * a.tokens + t) * a.key_heads + key_head) * a.key_dim;
      auto q = prepared(a, c.q, from, a.q_scale), k = prepared(a, c.k, from, a.k_scale);
      double beta = a.beta_is_logit ? a.beta_scale * sigmoid(c.beta[at]) : c.beta[at];
      for (int64_t i = 0; i < a.dim; i++) {
        double seen = 0, sum = 0;
        for (int64_t j = 0; j < a.key_dim; j++) seen += (s[i * a.key_dim + j] *= decay_of(c, at, h, j)) * k[j];
        for (int64_t j = 0; j < a.key_dim; j++) {
          s[i * a.key_dim + j] += beta * (c.v[at * a.dim + i] - seen) * k[j];
          sum += s[i * a.key_dim + j] * q[j];
        }
        y[at * a.dim + i] = sum;
      }
    }
  }
}

}  // namespace

void check_gated_delta(const Kernels& kernels, Random& random) {
  GatedDeltaArgs a{};
  a.batch = random.between(1, 2), a.tokens = random.any<int64_t>({1, 2, 5, 33, 70});
  a.key_heads = random.between(1, 2), a.heads = a.key_heads * random.between(1, 2);
  a.key_dim = random.any<int64_t>({4, 17, 32}), a.dim = random.any<int64_t>({5, 16, 33});
  a.per_channel = random.maybe();
  a.decay = static_cast<Decay>(random.between(0, 2)), a.lower_bound = -2;
  a.beta_is_logit = random.maybe(), a.beta_scale = random.any({1.0f, 2.0f});
  a.normalize = true, a.eps = 1e-6f;  // longer keys than 1 let the state grow without bounds
  a.q_scale = 0.5f, a.k_scale = 1.0f;
  a.y_type = random.type();
  int64_t steps = a.batch * a.tokens, wide = a.per_channel ? a.key_dim : 1, size = a.batch * a.heads * a.dim * a.key_dim;
  Case c{a,
         Array::normal(random.type(), steps * a.key_heads * a.key_dim, random),
         Array::normal(random.type(), steps * a.key_heads * a.key_dim, random),
         Array::normal(random.type(), steps * a.heads * a.dim, random),
         Array::normal(random.type(), steps * a.heads * wide, random),
         Array::normal(random.type(), steps * a.heads, random),
         Array::normal(random.type(), a.heads, random, 0.5),
         Array::normal(random.type(), a.heads * wide, random),
         std::vector<float>(size),
         std::vector<float>(size),
         std::vector<uint8_t>(steps)};
  for (float& value : c.state) value = static_cast<float>(random.normal());
  for (uint8_t& seen : c.mask) seen = random.between(0, 4) > 0;
  for (int64_t i = 0; a.decay == Decay::given && i < c.gate.size(); i++) c.gate.set(i, sigmoid(c.gate[i]));
  for (int64_t i = 0; !a.beta_is_logit && i < c.beta.size(); i++) c.beta.set(i, sigmoid(c.beta[i]));
  bool has_state = random.maybe(), has_mask = random.maybe();
  Array y(a.y_type, steps * a.heads * a.dim, random);
  c.a.q = heads_of(c.q, a.tokens, a.key_heads, a.key_dim), c.a.k = heads_of(c.k, a.tokens, a.key_heads, a.key_dim);
  c.a.v = heads_of(c.v, a.tokens, a.heads, a.dim), c.a.gate = heads_of(c.gate, a.tokens, a.heads, wide);
  c.a.beta = heads_of(c.beta, a.tokens, a.heads, 1);
  c.a.mask = has_mask ? reinterpret_cast<const bool*>(c.mask.data()) : nullptr;
  c.a.state = has_state ? c.state.data() : nullptr, c.a.new_state = c.new_state.data(), c.a.y = y.data();
  c.a.a_log = c.a_log.data(), c.a.a_log_type = c.a_log.type();
  c.a.dt_bias = c.dt_bias.data(), c.a.dt_bias_type = c.dt_bias.type();
  kernels.gated_delta(c.a);

  std::vector<double> state(size), want(y.size());
  for (int64_t i = 0; has_state && i < size; i++) state[i] = c.state[i];
  run_plainly(c, state, want);
  std::string what = "gated_delta of " + std::to_string(a.tokens) + " tokens, " + std::to_string(a.key_dim) + " x " +
                     std::to_string(a.dim) + (a.per_channel ? " per channel" : "");
  compare(what, y, want, std::max(tolerance(a.y_type), 1e-3));
  Array got(Type::f32, size, random);
  for (int64_t i = 0; i < size; i++) got.set(i, c.new_state[i]);
  compare("state of " + what, got, state, 1e-3);
}

}  // namespace vivace
