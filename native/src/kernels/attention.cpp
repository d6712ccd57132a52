#include "kernels/attention.h"

#include "kernels/attention_part.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kTileQueries = 192;    // queries of a part: their scores and sums stay in the second-level cache
constexpr int64_t kShortestSplit = 256;  // keys
constexpr int64_t kSplitUnit = 128;
constexpr int64_t kSerial = 100000;  // products below which waking other threads costs more than it saves

// Queries of one row and kv head, and how their keys are split into parts; the last part to be done merges them.
struct Task {
  Part whole;
  int64_t splits, split_keys;
  int64_t first_part;
  int64_t left;  // parts not done
  Sums sums;     // of all parts, one after the other; without data if there is one part only
};

struct Plan {
  Task* tasks;
  int64_t* task_of_part;
  int64_t task_count, part_count;
};

int64_t width_of(int64_t dim) { return round_up(larger<int64_t>(dim, 1), kLanes); }

Sums sums_at(float* memory, int64_t queries, int64_t width) {
  return {memory, memory + queries, memory + 2 * queries, width};
}
int64_t size_of_sums(int64_t queries, int64_t width) { return round_up(queries * (width + 2), 16); }

// ---- the plan: every number in it depends on one row alone ----

int64_t tiles_of(const AttentionArgs& a) { return ceil_div(group_of(a) * a.queries, kTileQueries); }

// Parts that a row should have: enough for many threads, few enough that merging them costs nothing.
int64_t parts_wanted(const AttentionArgs& a) { return group_of(a) * a.queries <= kFewQueries ? 64 : 32; }

Task task_of(const AttentionArgs& a, const AttentionRow& row, int64_t kv_head, int64_t tile) {
  int64_t queries = group_of(a) * a.queries, tiles = tiles_of(a);
  int64_t begin = tile * queries / tiles, end = (tile + 1) * queries / tiles;
  Part whole{&a, &row, kv_head, begin, end - begin, 0, 0};
  whole.key_begin = visible(a, row, begin / group_of(a)).begin;
  whole.key_end = visible(a, row, (end - 1) / group_of(a)).end;
  int64_t keys = larger<int64_t>(0, whole.key_end - whole.key_begin);
  int64_t wanted = ceil_div(parts_wanted(a), a.kv_heads * tiles);
  int64_t split = larger(kShortestSplit, round_up(ceil_div(keys, wanted), kSplitUnit));
  return {whole, larger<int64_t>(1, ceil_div(keys, split)), split, 0, 0, {}};
}

Plan plan_of(const AttentionArgs& a, Scratch& scratch) {
  int64_t tiles = tiles_of(a);
  Plan plan{scratch.take<Task>(a.count * a.kv_heads * tiles), nullptr, 0, 0};
  for (int64_t row = 0; row < a.count; row++)
    for (int64_t tile = tiles - 1; tile >= 0; tile--)  // under a causal mask the last tile sees most: first
      for (int64_t head = 0; head < a.kv_heads; head++) {
        Task& task = plan.tasks[plan.task_count++];
        task = task_of(a, a.rows[row], head, tile);
        task.first_part = plan.part_count;
        task.left = task.splits;
        plan.part_count += task.splits;
        if (task.splits == 1) continue;
        int64_t queries = task.whole.query_count, width = width_of(a.value_dim);
        task.sums = sums_at(scratch.take<float>(size_of_sums(queries, width) * task.splits), queries, width);
      }
  plan.task_of_part = scratch.take<int64_t>(plan.part_count);
  for (int64_t t = 0; t < plan.task_count; t++)
    for (int64_t s = 0; s < plan.tasks[t].splits; s++) plan.task_of_part[plan.tasks[t].first_part + s] = t;
  return plan;
}

// ---- one part ----

template <class T>
void scale_queries(const Part& p, float* out, int64_t width) {
  const AttentionArgs& a = *p.args;
  for (int64_t query = 0; query < p.query_count; query++) {
    const T* from = (const T*)p.row->q + head_of(p, query) * a.q_head + token_of(p, query) * a.q_token;
    for (int64_t d = 0; d < width; d += kLanes)
      store(out + query * width + d, load(from + d, clamp(a.dim - d, 0, kLanes)) * a.scale);
  }
}

void attend(const Part& p, const Sums& sums) {
  Scratch scratch;
  int64_t width = width_of(p.args->dim);
  float* queries = scratch.take<float>(p.query_count * width);
  VIVACE_DISPATCH(p.args->q_type, T, scale_queries<T>(p, queries, width));
  if (group_of(*p.args) * p.args->queries <= kFewQueries) attend_few(p, {queries, width}, sums);
  else attend_many(p, {queries, width}, sums);
}

// ---- the result ----

// The sums of all splits become those of the first.
void merge(const Task& task) {
  int64_t queries = task.whole.query_count, size = size_of_sums(queries, task.sums.width);
  const Sums& into = task.sums;
  for (int64_t split = 1; split < task.splits; split++) {
    Sums from = sums_at(into.largest + split * size, queries, into.width);
    for (int64_t query = 0; query < queries; query++) {
      float most = larger(into.largest[query], from.largest[query]);
      float keep = exp(into.largest[query] - most), add = exp(from.largest[query] - most);
      into.largest[query] = most;
      into.total[query] = into.total[query] * keep + from.total[query] * add;
      float *sum = into.values + query * into.width, *other = from.values + query * into.width;
      for (int64_t d = 0; d < into.width; d += kLanes) store(sum + d, load(sum + d) * keep + load(other + d) * add);
    }
  }
}

// What the sums of a query are to be multiplied with in the end.
float normalizer(const Part& p, const Sums& sums, int64_t query) {
  const AttentionArgs& a = *p.args;
  if (a.sinks) {
    float sink = a.sinks[head_of(p, query)], most = larger(sums.largest[query], sink);
    float keep = exp(sums.largest[query] - most);
    return keep / (sums.total[query] * keep + exp(sink - most));
  }
  Range seen = visible(a, *p.row, token_of(p, query));
  return seen.begin < seen.end ? 1.0f / sums.total[query] : 0.0f;
}

template <class T>
void write_result(const Part& p, const Sums& sums) {
  const AttentionArgs& a = *p.args;
  for (int64_t query = 0; query < p.query_count; query++) {
    T* to = (T*)p.row->out + head_of(p, query) * a.out_head + token_of(p, query) * a.out_token;
    float factor = normalizer(p, sums, query);
    for (int64_t d = 0; d < a.value_dim; d += kLanes)
      store(to + d, load(sums.values + query * sums.width + d) * factor, a.value_dim - d);
  }
}

void finish(const Part& p, const Sums& sums) { VIVACE_DISPATCH(p.args->out_type, T, write_result<T>(p, sums)); }

void run_whole(const Task& task) {
  Scratch scratch;
  int64_t queries = task.whole.query_count, width = width_of(task.whole.args->value_dim);
  Sums sums = sums_at(scratch.take<float>(size_of_sums(queries, width)), queries, width);
  attend(task.whole, sums);
  finish(task.whole, sums);
}

void run_part(const Plan& plan, int64_t part) {
  Task& task = plan.tasks[plan.task_of_part[part]];
  if (task.splits == 1) return run_whole(task);
  int64_t split = part - task.first_part, queries = task.whole.query_count;
  Part p = task.whole;
  p.key_begin = task.whole.key_begin + split * task.split_keys;
  p.key_end = smaller(task.whole.key_end, p.key_begin + task.split_keys);
  attend(p, sums_at(task.sums.largest + split * size_of_sums(queries, task.sums.width), queries, task.sums.width));
  if (__atomic_sub_fetch(&task.left, 1, __ATOMIC_ACQ_REL) > 0) return;
  merge(task);
  finish(task.whole, task.sums);
}

int64_t products(const AttentionArgs& a) {
  int64_t keys = 0;
  for (int64_t row = 0; row < a.count; row++) keys += a.rows[row].keys;
  return keys * a.heads * a.queries * (a.dim + a.value_dim);
}

}  // namespace

void attention(const AttentionArgs& a) {
  if (a.count * a.heads * a.queries * a.value_dim == 0) return;
  Scratch scratch;
  Plan plan = plan_of(a, scratch);
  if (products(a) < kSerial)
    for (int64_t part = 0; part < plan.part_count; part++) run_part(plan, part);
  else parallel_for(plan.part_count, [&](int64_t part) { run_part(plan, part); });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
