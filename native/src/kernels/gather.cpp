// Products of a mixture of experts. All pairs of an expert are multiplied together, so that its weights are read once for
// all of them.
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kMostRows = 1020;  // of a group: their share of x stays in a cache

// Pairs order[first, first + count) of one expert.
struct Group {
  int64_t expert, first, count;
};

struct Plan {
  int32_t* order;  // pairs, those of one expert together
  Group* groups;   // those with few pairs before those with many
  int64_t count, few, few_pairs;
};

bool known(const GatherMatmulArgs& a, int64_t pair) { return a.expert[pair] >= 0 && a.expert[pair] < a.experts; }

// Adds the groups of the experts whose pairs are many (or few), and says where each expert's pairs begin.
int64_t add_groups(const int64_t* pairs_of, int64_t experts, int64_t few, bool many, Plan& plan, int64_t* place,
                   int64_t placed) {
  for (int64_t e = 0; e < experts; e++) {
    if (pairs_of[e] == 0 || (pairs_of[e] > few) != many) continue;
    place[e] = placed;
    for (int64_t done = 0; done < pairs_of[e]; done += kMostRows)
      plan.groups[plan.count++] = {e, placed + done, smaller(kMostRows, pairs_of[e] - done)};
    placed += pairs_of[e];
  }
  return placed;
}

Plan plan_of(const GatherMatmulArgs& a, int64_t few, Scratch& scratch) {
  int64_t *pairs_of = scratch.take<int64_t>(a.experts), *place = scratch.take<int64_t>(a.experts);
  for (int64_t e = 0; e < a.experts; e++) pairs_of[e] = 0;
  for (int64_t i = 0; i < a.pairs; i++)
    if (known(a, i)) pairs_of[a.expert[i]]++;
  Plan plan{scratch.take<int32_t>(a.pairs), scratch.take<Group>(a.pairs), 0, 0, 0};
  plan.few_pairs = add_groups(pairs_of, a.experts, few, false, plan, place, 0);
  plan.few = plan.count;
  add_groups(pairs_of, a.experts, few, true, plan, place, plan.few_pairs);
  for (int64_t i = 0; i < a.pairs; i++)
    if (known(a, i)) plan.order[place[a.expert[i]]++] = (int32_t)i;
  return plan;
}

Weight weight_of(const GatherMatmulArgs& a, int64_t expert) {
  Weight w = a.first;
  int64_t bytes = w.format == Format::dense ? w.n * w.k * size_of(w.type) : packed_bytes(w);
  w.data = (const char*)w.data + expert * bytes;
  return w;
}

void multiply_group(const GatherMatmulArgs& a, const Plan& plan, const Group& group, const Activations& x, int64_t n0,
                    int64_t n1) {
  Scratch scratch;
  Product product{};
  product.weight = weight_of(a, group.expert);
  product.out = a.out;
  product.out_stride = a.first.n;
  product.bias_type = a.bias_type;
  if (a.bias) product.bias = (const char*)a.bias + group.expert * a.first.n * size_of(a.bias_type);
  int64_t pitch = round_up(n1 - n0, kColumns);
  float* sums = scratch.take<float>(x.m * pitch);
  multiply(x, product.weight, n0, n1, sums, pitch);
  for (int64_t i = 0; i < x.m; i++)
    finish({sums + i * pitch, pitch, 1, n0, n1}, product, a.out_type, plan.order[group.first + i]);
}

void clear_unknown(const GatherMatmulArgs& a) {
  int64_t bytes = a.first.n * size_of(a.out_type);
  for (int64_t i = 0; i < a.pairs; i++)
    if (!known(a, i)) std::memset((char*)a.out + i * bytes, 0, bytes);
}

}  // namespace

void gather_matmul(const GatherMatmulArgs& a) {
  if (a.first.n == 0) return;
  clear_unknown(a);
  Scratch scratch;
  Kind kind = kind_of(a.first, a.exact);
  Plan plan = plan_of(a, larger(1, kind.few), scratch);
  if (plan.count == 0) return;
  int32_t* rows = scratch.take<int32_t>(a.pairs);
  const Group& last = plan.groups[plan.count - 1];
  for (int64_t i = 0; i < last.first + last.count; i++) rows[i] = a.x_row[plan.order[i]];
  Activations few = prepare(scratch, {a.x, plan.few_pairs, a.first.k, a.stride, rows, a.type}, kind, true);
  Activations* ready = scratch.take<Activations>(plan.count);
  for (int64_t g = 0; g < plan.count; g++) {
    const Group& group = plan.groups[g];
    if (g < plan.few) ready[g] = part(few, group.first, group.first + group.count);
    else ready[g] = prepare(scratch, {a.x, group.count, a.first.k, a.stride, rows + group.first, a.type}, kind);
  }
  int64_t columns = columns_per_item(a.first, 1, a.first.n * plan.count), each = ceil_div(a.first.n, columns);
  parallel_for(plan.count * each, [&](int64_t item) {
    int64_t g = item / each, n0 = item % each * columns;
    multiply_group(a, plan, plan.groups[g], ready[g], n0, smaller(a.first.n, n0 + columns));
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
