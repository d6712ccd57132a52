#include "check.h"

namespace vivace {
namespace {

// One sequence: its arrays end where the kernel must stop.
struct Sequence {
  int64_t keys;
  Array q, k, v, out;
  std::vector<uint8_t> hides;  // boolean mask [queries, keys]; 0 hides

  Sequence(const AttentionArgs& a, int64_t keys, Random& random)
      : keys(keys),
        q(Array::normal(a.q_type, a.heads * a.queries * a.dim, random)),
        k(Array::normal(a.kv_type, a.kv_heads * keys * a.dim, random)),
        v(Array::normal(a.kv_type, a.kv_heads * keys * a.value_dim, random)),
        out(a.out_type, a.heads * a.queries * a.value_dim, random),
        hides(a.queries * keys) {
    for (int64_t i = 0; i < a.queries * keys; i++) hides[i] = random.between(0, 3) > 0;
  }

  // Keys head by head, values token by token.
  AttentionRow row(const AttentionArgs& a) {
    const void* mask = a.mask_kind == MaskKind::none ? nullptr : hides.data();
    return {q.data(), k.data(), v.data(), mask, out.data(), keys, keys * a.dim, a.dim, a.value_dim, a.value_dim * a.kv_heads};
  }

  double score(const AttentionArgs& a, int64_t head, int64_t query, int64_t key) const {
    int64_t kv_head = head / (a.heads / a.kv_heads);
    double product = 0;
    for (int64_t d = 0; d < a.dim; d++)
      product += q[(head * a.queries + query) * a.dim + d] * k[(kv_head * keys + key) * a.dim + d];
    product *= a.scale;
    if (a.softcap > 0) product = a.softcap * std::tanh(product / a.softcap);
    return a.mask_kind != MaskKind::none && !hides[query * keys + key] ? -1e30 : product;
  }
};

bool sees(const AttentionArgs& a, int64_t keys, int64_t query, int64_t key) {
  int64_t position = keys - a.queries + query;
  return (!a.causal || key <= position) && (a.window == 0 || key > position - a.window);
}

// The result of one head and query, [value_dim].
std::vector<double> attend(const AttentionArgs& a, const Sequence& s, int64_t head, int64_t query) {
  std::vector<double> scores(s.keys, -INFINITY), result(a.value_dim, 0);
  double largest = a.sinks ? a.sinks[head] : -INFINITY;
  for (int64_t key = 0; key < s.keys; key++) {
    if (sees(a, s.keys, query, key)) scores[key] = s.score(a, head, query, key);
    largest = std::fmax(largest, scores[key]);
  }
  if (largest == -INFINITY) return result;
  double total = a.sinks ? std::exp(a.sinks[head] - largest) : 0;
  for (double score : scores) total += std::exp(score - largest);
  int64_t kv_head = head / (a.heads / a.kv_heads);
  for (int64_t key = 0; key < s.keys; key++)
    for (int64_t d = 0; d < a.value_dim; d++)
      result[d] += std::exp(scores[key] - largest) / total * s.v[(key * a.kv_heads + kv_head) * a.value_dim + d];
  return result;
}

void compare_with_loops(const AttentionArgs& a, const Sequence& s) {
  std::vector<double> want;
  for (int64_t head = 0; head < a.heads; head++)
    for (int64_t query = 0; query < a.queries; query++)
      for (double value : attend(a, s, head, query)) want.push_back(value);
  compare("attention of " + std::to_string(a.heads) + " heads, " + std::to_string(a.queries) + " queries, " +
              std::to_string(s.keys) + " keys",
          s.out, want, 8 * tolerance(a.out_type));
}

AttentionArgs any_arguments(Random& random) {
  AttentionArgs a{};
  a.kv_heads = random.between(1, 2), a.heads = a.kv_heads * random.between(1, 5);
  a.queries = random.maybe() ? random.between(1, 4) : random.between(1, 40);
  a.dim = random.between(1, 70), a.value_dim = random.between(1, 70);
  a.q_head = a.queries * a.dim, a.q_token = a.dim;
  a.out_head = a.queries * a.value_dim, a.out_token = a.value_dim;
  a.scale = 0.2f, a.softcap = random.maybe() ? 2.0f : 0.0f;
  a.causal = random.maybe(), a.window = random.maybe() ? random.between(1, 100) : 0;
  a.mask_kind = random.any({MaskKind::none, MaskKind::boolean});
  a.q_type = random.type(), a.kv_type = random.type(), a.out_type = random.type();
  return a;
}

}  // namespace

void check_attention(const Kernels& kernels, Random& random) {
  AttentionArgs a = any_arguments(random);
  std::vector<float> sinks(a.heads, 0.5f);
  if (random.maybe()) a.sinks = sinks.data();
  std::vector<Sequence> sequences;
  // Rows share the strides of their masks.
  a.count = a.mask_kind == MaskKind::none ? random.between(1, 3) : 1;
  for (int64_t i = 0; i < a.count; i++)
    sequences.emplace_back(a, random.maybe() ? random.between(0, 40) : random.between(0, 600), random);
  a.mask_query = sequences[0].keys;
  std::vector<AttentionRow> rows;
  for (Sequence& sequence : sequences) rows.push_back(sequence.row(a));
  if (a.mask_kind == MaskKind::none)
    for (AttentionRow& row : rows) row.origin = random.maybe() ? random.between(0, 5000) : 0;
  a.rows = rows.data();
  kernels.attention(a);
  for (const Sequence& sequence : sequences) compare_with_loops(a, sequence);
}

}  // namespace vivace
