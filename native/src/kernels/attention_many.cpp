// Prefill: many queries for each kv head, so time goes into two matrix products for each block of keys. The block is
// packed as float32, keys transposed, and stays in the second-level cache with the scores of the part's queries.
#include "kernels/attention_part.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// A register tile: rows of queries times vectors of keys or value columns. All sums stay in registers.
constexpr int kTileRows = 6;
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kTileVectors = 4;
#else
constexpr int kTileVectors = 2;
#endif
constexpr int64_t kTileKeys = kTileVectors * kLanes;
constexpr int64_t kBlock = 128;  // keys packed at once
static_assert(kBlock % kTileKeys == 0 && kSplit % kBlock == 0);

// Queries that share a register tile, and which keys of the block at least one of them sees.
struct Panel {
  int64_t begin, rows;
  Range seen;
};

struct Workspace {
  Panel* panels;
  float* keys;    // [kBlock / kTileKeys, dim, kTileKeys]
  float* values;  // [kBlock, width]
  float* scores;  // [queries, kBlock]
  float* factors;
};

// ---- packing ----

// Keys or values of a block: whole vectors that hold all of `held`, with the first and last repeated beyond.
template <class T>
struct Rows {
  const T* data;  // of the row's first key
  int64_t stride, key;
  Range held;

  const T* at(int64_t j) const { return data + (key + clamp(j, held.begin, held.end - 1)) * stride; }
  int64_t begin() const { return round_down(held.begin, kLanes); }
};

template <class T>
void pack_keys(const Rows<T>& keys, int64_t dim, float* packed) {
  for (int64_t j = keys.begin(); j < keys.held.end; j += kLanes) {
    float* out = packed + j / kTileKeys * dim * kTileKeys + j % kTileKeys;
    const T* rows[kLanes];
    for (int i = 0; i < kLanes; i++) rows[i] = keys.at(j + i);
    for (int64_t d = 0; d < dim; d += kLanes) {
      Floats square[kLanes];
      for (int i = 0; i < kLanes; i++) square[i] = load(rows[i] + d, dim - d);
      transpose(square);
      for (int i = 0; i < smaller<int64_t>(kLanes, dim - d); i++) store(out + (d + i) * kTileKeys, square[i]);
    }
  }
}

template <class T>
void pack_values(const Rows<T>& values, int64_t dim, float* packed, int64_t width) {
  for (int64_t j = values.begin(); j < values.held.end; j++) {
    const T* row = values.at(j);
    for (int64_t d = 0; d < dim; d += kLanes) store(packed + j * width + d, load(row + d, dim - d));
  }
}

// ---- products ----

// out[r] = out[r] * factors[r] + sum over i of a[r][i] b[i], for R rows and V vectors; without factors out is new.
template <int R, int V>
void tile(const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth, const float* factors,
          float* out, int64_t out_stride) {
  Floats part[R][V];
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++)
      part[r][v] = factors ? load(out + r * out_stride + v * kLanes) * factors[r] : Floats{};
  for (int64_t i = 0; i < depth; i++) {
    Floats row[V];
    for (int v = 0; v < V; v++) row[v] = load(b + i * b_stride + v * kLanes);
    for (int r = 0; r < R; r++) {
      Floats factor = broadcast(a[r * a_stride + i]);
      for (int v = 0; v < V; v++) part[r][v] = fma(factor, row[v], part[r][v]);
    }
  }
  for (int r = 0; r < R; r++)
    for (int v = 0; v < V; v++) store(out + r * out_stride + v * kLanes, part[r][v]);
}

template <int V>
void tile_rows(int64_t rows, const float* a, int64_t a_stride, const float* b, int64_t b_stride, int64_t depth,
               const float* factors, float* out, int64_t out_stride) {
  switch (rows) {
    case 1: return tile<1, V>(a, a_stride, b, b_stride, depth, factors, out, out_stride);
    case 2: return tile<2, V>(a, a_stride, b, b_stride, depth, factors, out, out_stride);
    case 3: return tile<3, V>(a, a_stride, b, b_stride, depth, factors, out, out_stride);
    case 4: return tile<4, V>(a, a_stride, b, b_stride, depth, factors, out, out_stride);
    case 5: return tile<5, V>(a, a_stride, b, b_stride, depth, factors, out, out_stride);
    default: return tile<6, V>(a, a_stride, b, b_stride, depth, factors, out, out_stride);
  }
}

template <int V>
void add_columns(const Panel& panel, const Workspace& work, int64_t column, const Sums& sums) {
  tile_rows<V>(panel.rows, work.scores + panel.begin * kBlock + panel.seen.begin, kBlock,
               work.values + panel.seen.begin * sums.width + column, sums.width, panel.seen.end - panel.seen.begin,
               work.factors + panel.begin, sums.values + panel.begin * sums.width + column, sums.width);
}

// ---- one block of keys ----

// Outer loops go over the packed block, so that a panel of it stays in the first-level cache for all queries.
void multiply_keys(const Queries& queries, const Workspace& work, int64_t panels, int64_t count, int64_t dim) {
  for (int64_t j = 0; j < count; j += kTileKeys)
    for (int64_t i = 0; i < panels; i++) {
      const Panel& panel = work.panels[i];
      if (panel.seen.begin >= j + kTileKeys || panel.seen.end <= j) continue;
      tile_rows<kTileVectors>(panel.rows, queries.data + panel.begin * queries.width, queries.width,
                              work.keys + j * dim, kTileKeys, dim, nullptr, work.scores + panel.begin * kBlock + j,
                              kBlock);
    }
}

void multiply_values(const Workspace& work, int64_t panels, const Sums& sums) {
  for (int64_t column = 0, left; column < sums.width; column += left) {
    left = (sums.width - column) / kLanes;
    left = left >= kTileVectors ? kTileVectors : left >= 2 ? 2 : 1;
    for (int64_t i = 0; i < panels; i++) {
      const Panel& panel = work.panels[i];
      if (panel.seen.begin >= panel.seen.end) continue;
      if (left == kTileVectors) add_columns<kTileVectors>(panel, work, column, sums);
      else if (left == 2) add_columns<2>(panel, work, column, sums);
      else add_columns<1>(panel, work, column, sums);
    }
    left *= kLanes;
  }
}

void weigh_panel(const Part& p, const Panel& panel, const Workspace& work, int64_t key, int64_t count,
                 const Sums& sums) {
  int64_t begin = panel.seen.begin, end = panel.seen.end;
  if (begin >= end) return;
  for (int64_t query = panel.begin; query < panel.begin + panel.rows; query++) {
    float* scores = work.scores + query * kBlock + begin;
    finish_scores(p, query, key + begin, smaller(end, count) - begin, scores);
    work.factors[query] = weigh_scores(scores, end - begin, sums.largest[query], sums.total[query]);
  }
}

// The range of the block's keys that the panel sees, from a whole vector on.
Range seen_by(const Part& p, const Panel& panel, int64_t key, int64_t count) {
  Range first = visible(*p.args, *p.row, token_of(p, panel.begin));
  Range last = visible(*p.args, *p.row, token_of(p, panel.begin + panel.rows - 1));
  return {round_down(clamp(first.begin - key, 0, count), kLanes), clamp(last.end - key, 0, count)};
}

// Whether a boolean mask hides the whole block from all queries of the part.
bool hidden(const Part& p, int64_t key, int64_t count) {
  if (p.args->mask_kind != MaskKind::boolean) return false;
  const uint8_t* before = nullptr;
  for (int64_t query = 0; query < p.query_count; query++) {
    const uint8_t* mask = mask_of<uint8_t>(p, query) + key;
    if (mask == before) continue;  // heads share masks
    before = mask;
    uint8_t any = 0;
    for (int64_t j = 0; j < count; j++) any |= mask[j];
    if (any) return false;
  }
  return true;
}

template <class T>
void attend_block(const Part& p, const Queries& queries, const Workspace& work, int64_t panels, int64_t key,
                  int64_t count, const Sums& sums) {
  const AttentionArgs& a = *p.args;
  for (int64_t i = 0; i < panels; i++) work.panels[i].seen = seen_by(p, work.panels[i], key, count);
  Range held{larger<int64_t>(0, -key), count};
  pack_keys<T>({keys_of<T>(p), p.row->k_token, key, held}, a.dim, work.keys);
  pack_values<T>({values_of<T>(p), p.row->v_token, key, held}, a.value_dim, work.values, sums.width);
  multiply_keys(queries, work, panels, count, a.dim);
  for (int64_t i = 0; i < panels; i++) weigh_panel(p, work.panels[i], work, key, count, sums);
  multiply_values(work, panels, sums);
}

// Returns whether it left out a block that a boolean mask hides.
template <class T>
bool attend(const Part& p, const Queries& queries, const Workspace& work, int64_t panels, const Sums& sums,
            bool skip_hidden) {
  bool skipped = false;
  int64_t unseen = visible(*p.args, *p.row, token_of(p, 0)).begin - p.key_begin;
  for (int64_t key = p.key_begin + round_down(larger<int64_t>(0, unseen), kBlock); key < p.key_end; key += kBlock) {
    int64_t count = smaller(kBlock, p.key_end - key);
    if (skip_hidden && hidden(p, key, count)) skipped = true;
    else attend_block<T>(p, queries, work, panels, key, count, sums);
  }
  return skipped;
}

bool all_hidden_from_one(const Part& p, const Sums& sums) {
  for (int64_t query = 0; query < p.query_count; query++)
    if (sums.largest[query] == kLowest) return true;
  return false;
}

}  // namespace

void attend_many(const Part& p, const Queries& queries, const Sums& sums) {
  Scratch scratch;
  int64_t panels = ceil_div(p.query_count, kTileRows), dim = p.args->dim;
  Workspace work{scratch.take<Panel>(panels), scratch.take<float>(kBlock * dim),
                 scratch.take<float>(kBlock * sums.width), scratch.take<float>(p.query_count * kBlock),
                 scratch.take<float>(p.query_count)};
  for (int64_t i = 0; i < panels; i++) {
    int64_t begin = i * p.query_count / panels;
    work.panels[i] = {begin, (i + 1) * p.query_count / panels - begin, {0, 0}};
  }
  clear(sums, p.query_count);
  bool skipped = false;
  VIVACE_DISPATCH(p.args->kv_type, T, skipped = attend<T>(p, queries, work, panels, sums, true));
  if (!skipped || !all_hidden_from_one(p, sums)) return;
  // The result of a query whose keys are all hidden is the mean of all.
  clear(sums, p.query_count);
  VIVACE_DISPATCH(p.args->kv_type, T, attend<T>(p, queries, work, panels, sums, false));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
