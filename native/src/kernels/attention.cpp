#include "kernels/attention.h"

#include "kernels/attention_part.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kTileQueries = 192;    // queries of a part: their scores and sums stay in the second-level cache
constexpr int64_t kShortestTile = 48;    // packing keys for fewer costs too much
constexpr int64_t kShortestSplit = 256;  // keys of few queries
constexpr int64_t kSplitUnit = 128;
constexpr int64_t kFewParts = 64;        // that a row of few queries should have: merging more would cost something
constexpr int64_t kSerial = 100000;      // products below which waking other threads costs more than it saves

// Queries of one row and kv head, and how their keys are split. Either each split is a part, and the last to be done
// merges them, or one part does all.
struct Task {
  Part whole;
  int64_t splits, split_keys;
  int64_t first_part, parts;
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

// ---- the plan ----
//
// Where a prompt is cut must change no bit: the splits of many queries begin at multiples of kSplit in the sequence.
// Those of few depend on how many keys they see. All are merged in order. Which queries make a tile, and whether its
// splits are parts of their own, changes nothing and depends on the threads.

bool few(const AttentionArgs& a) { return group_of(a) * a.queries <= kFewQueries; }

int64_t split_keys(const AttentionArgs& a, int64_t keys) {
  if (!few(a)) return kSplit;
  return larger(kShortestSplit, round_up(ceil_div(keys, ceil_div(kFewParts, a.kv_heads)), kSplitUnit));
}
int64_t splits_of(const AttentionArgs& a, int64_t keys) {
  return larger<int64_t>(1, ceil_div(keys, split_keys(a, keys)));
}

struct Division {
  int64_t tiles;  // of a row and kv head
  bool apart;     // whether splits are parts of their own
};

// The largest tiles that give every thread some parts.
Division division_of(const AttentionArgs& a) {
  if (few(a)) return {1, true};
  int64_t wanted = 4 * (int64_t)threads(), queries = group_of(a) * a.queries, splits = 0;
  for (int64_t row = 0; row < a.count; row++) splits += splits_of(a, a.rows[row].keys);
  int64_t share = ceil_div(splits * a.kv_heads * queries, wanted);
  int64_t tiles = ceil_div(queries, clamp(share, kShortestTile, kTileQueries));
  return {tiles, a.count * a.kv_heads * tiles < wanted};
}

Task task_of(const AttentionArgs& a, const AttentionRow& row, int64_t kv_head, int64_t tile, const Division& division) {
  int64_t queries = group_of(a) * a.queries;
  int64_t begin = tile * queries / division.tiles, end = (tile + 1) * queries / division.tiles;
  Part whole{&a, &row, kv_head, begin, end - begin, 0, 0};
  whole.key_begin = visible(a, row, begin / group_of(a)).begin;
  whole.key_end = visible(a, row, (end - 1) / group_of(a)).end;
  if (!few(a) && whole.key_begin < whole.key_end)
    whole.key_begin = round_down(row.origin + whole.key_begin, kSplit) - row.origin;
  int64_t keys = larger<int64_t>(0, whole.key_end - whole.key_begin), splits = splits_of(a, keys);
  return {whole, splits, split_keys(a, keys), 0, division.apart ? splits : 1, 0, {}};
}

Plan plan_of(const AttentionArgs& a, Scratch& scratch) {
  Division division = division_of(a);
  Plan plan{scratch.take<Task>(a.count * a.kv_heads * division.tiles), nullptr, 0, 0};
  for (int64_t row = 0; row < a.count; row++)
    for (int64_t tile = division.tiles - 1; tile >= 0; tile--)  // under a causal mask the last tile sees most: first
      for (int64_t head = 0; head < a.kv_heads; head++) {
        Task& task = plan.tasks[plan.task_count++];
        task = task_of(a, a.rows[row], head, tile, division);
        task.first_part = plan.part_count;
        task.left = task.parts;
        plan.part_count += task.parts;
        if (task.parts == 1) continue;
        int64_t queries = task.whole.query_count, width = width_of(a.value_dim);
        task.sums = sums_at(scratch.take<float>(size_of_sums(queries, width) * task.parts), queries, width);
      }
  plan.task_of_part = scratch.take<int64_t>(plan.part_count);
  for (int64_t t = 0; t < plan.task_count; t++)
    for (int64_t part = 0; part < plan.tasks[t].parts; part++) plan.task_of_part[plan.tasks[t].first_part + part] = t;
  return plan;
}

// ---- one part ----

Part split_of(const Task& task, int64_t split) {
  Part part = task.whole;
  part.key_begin += split * task.split_keys;
  part.key_end = smaller(part.key_end, part.key_begin + task.split_keys);
  return part;
}

template <class T>
void scale_queries(const Part& p, float* out, int64_t width) {
  const AttentionArgs& a = *p.args;
  for (int64_t query = 0; query < p.query_count; query++) {
    const T* from = (const T*)p.row->q + head_of(p, query) * a.q_head + token_of(p, query) * a.q_token;
    for (int64_t d = 0; d < width; d += kLanes)
      store(out + query * width + d, load(from + d, clamp(a.dim - d, 0, kLanes)) * a.scale);
  }
}

Queries scaled_queries(const Part& p, Scratch& scratch) {
  int64_t width = width_of(p.args->dim);
  float* queries = scratch.take<float>(p.query_count * width);
  VIVACE_DISPATCH(p.args->q_type, T, scale_queries<T>(p, queries, width));
  return {queries, width};
}

void attend(const Part& p, const Queries& queries, const Sums& sums) {
  if (few(*p.args)) attend_few(p, queries, sums);
  else attend_many(p, queries, sums);
}

// ---- the result ----

// Adds the sums of a later split. Queries that see none of its keys stay as they are.
void merge(const Sums& into, const Sums& from, int64_t queries) {
  for (int64_t query = 0; query < queries; query++) {
    if (from.total[query] == 0) continue;
    float most = larger(into.largest[query], from.largest[query]);
    float keep = exp(into.largest[query] - most), add = exp(from.largest[query] - most);
    into.largest[query] = most;
    into.total[query] = into.total[query] * keep + from.total[query] * add;
    float *sum = into.values + query * into.width, *other = from.values + query * into.width;
    for (int64_t d = 0; d < into.width; d += kLanes) store(sum + d, load(sum + d) * keep + load(other + d) * add);
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
  int64_t size = size_of_sums(queries, width);
  Queries scaled = scaled_queries(task.whole, scratch);
  Sums sums = sums_at(scratch.take<float>(size), queries, width);
  attend(split_of(task, 0), scaled, sums);
  Sums next = task.splits > 1 ? sums_at(scratch.take<float>(size), queries, width) : sums;
  for (int64_t split = 1; split < task.splits; split++) {
    attend(split_of(task, split), scaled, next);
    merge(sums, next, queries);
  }
  finish(task.whole, sums);
}

void run_part(const Plan& plan, int64_t part) {
  Task& task = plan.tasks[plan.task_of_part[part]];
  if (task.parts == 1) return run_whole(task);
  Scratch scratch;
  int64_t queries = task.whole.query_count, size = size_of_sums(queries, task.sums.width);
  auto sums = [&](int64_t split) { return sums_at(task.sums.largest + split * size, queries, task.sums.width); };
  int64_t split = part - task.first_part;
  attend(split_of(task, split), scaled_queries(task.whole, scratch), sums(split));
  if (__atomic_sub_fetch(&task.left, 1, __ATOMIC_ACQ_REL) > 0) return;
  for (split = 1; split < task.splits; split++) merge(task.sums, sums(split), queries);
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
