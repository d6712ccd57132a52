#include "kernels/dense.h"

#include "kernels/dot.h"
#include "kernels/gemm.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kFewRows = 16;      // up to which dot products beat panels: a panel costs a pass over the weights
constexpr int64_t kRowBlock = 512;    // rows packed at a time
constexpr int64_t kItemBytes = 65536;  // of weights that one item of a product with few rows reads

// What a product needs besides its types.
struct Job {
  const float* bias;  // [n], or null
  const Product* product;
  const MatmulArgs* args;
};

template <class T>
void widen_row(const T* x, int64_t count, float* out) {
  for (int64_t i = 0; i < count; i += kLanes) store(out + i, load(x + i, count - i), count - i);
}

// out[row, column...] = values + bias + add.
template <class O>
void finish_row(const Job& job, int64_t row, int64_t column, const float* values, int64_t count) {
  const Product& p = *job.product;
  const O* add = p.add ? (const O*)p.add + row * p.add_stride + column : nullptr;
  O* out = (O*)p.out + row * p.out_stride + column;
  for (int64_t i = 0; i < count; i += kLanes) {
    Floats v = load(values + i, count - i);
    if (job.bias) v += load(job.bias + column + i, count - i);
    if (add) v += load(add + i, count - i);
    store(out + i, v, count - i);
  }
}

template <class W, class O>
void few_rows(const Job& job) {
  const MatmulArgs& a = *job.args;
  const Weight& w = job.product->weight;
  Scratch scratch;
  const float* x = (const float*)a.x;
  int64_t stride = a.stride;
  if (a.type != Type::f32) {
    float* wide = scratch.take<float>(a.m * w.k);
    for (int64_t r = 0; r < a.m; r++)
      VIVACE_DISPATCH(a.type, T, widen_row((const T*)a.x + r * a.stride, w.k, wide + r * w.k));
    x = wide;
    stride = w.k;
  }
  int64_t chunk = kItemBytes / larger<int64_t>(1, w.k * sizeof(W));
  chunk = smaller<int64_t>(256, round_up(larger<int64_t>(1, chunk), kDotColumns));
  parallel_for(ceil_div(w.n, chunk), [&](int64_t item) {
    Scratch mine;
    int64_t first = item * chunk, columns = smaller(chunk, w.n - first);
    float* values = mine.take<float>(a.m * chunk);
    dot_rows(x, stride, a.m, (const W*)w.data + first * w.k, columns, w.k, values, chunk);
    for (int64_t r = 0; r < a.m; r++) finish_row<O>(job, r, first, values + r * chunk, columns);
  });
}

// Rows [first, first + rows) of x as panels.
const float* pack_rows(const MatmulArgs& a, int64_t k, int64_t first, int64_t rows, Scratch& scratch) {
  int64_t panels = ceil_div(rows, kTileRows), length = round_up(k, kLanes) * kTileRows;
  float* packed = scratch.take<float>(panels * length);
  parallel_for(panels, [&](int64_t p) {
    int64_t row = first + p * kTileRows, here = smaller<int64_t>(kTileRows, rows - p * kTileRows);
    VIVACE_DISPATCH(a.type, T,
                    pack_panel<kTileRows>((const T*)a.x + row * a.stride, a.stride, here, k, packed + p * length));
  });
  return packed;
}

template <class W, class O>
void many_rows(const Job& job) {
  const MatmulArgs& a = *job.args;
  const Weight& w = job.product->weight;
  const int64_t tiles = ceil_div(w.n, kTileColumns), length = round_up(w.k, kLanes) * kTileRows;
  for (int64_t first = 0; first < a.m; first += kRowBlock) {
    Scratch scratch;
    int64_t rows = smaller(kRowBlock, a.m - first), panels = ceil_div(rows, kTileRows);
    const float* packed = pack_rows(a, w.k, first, rows, scratch);
    // Few columns for many threads: rows are shared out too, each part packing the columns again.
    int64_t parts = smaller(ceil_div(rows, 64), ceil_div(3 * threads(), tiles)), share = ceil_div(panels, parts);
    parallel_for(tiles * parts, [&](int64_t item) {
      int64_t column = item / parts * kTileColumns, columns = smaller<int64_t>(kTileColumns, w.n - column);
      int64_t begin = item % parts * share, count = smaller(share, panels - begin);
      auto pack = [&](int64_t from, int64_t depth, float* panel) {
        pack_panel<kTileColumns>((const W*)w.data + column * w.k + from, w.k, columns, depth, panel);
      };
      auto finish = [&](int64_t p, const float* tile) {
        int64_t row = (begin + p) * kTileRows;
        for (int64_t r = 0; r < smaller<int64_t>(kTileRows, rows - row); r++)
          finish_row<O>(job, first + row + r, column, tile + r * kTileColumns, columns);
      };
      if (count > 0) multiply_panels(packed + begin * length, count, w.k, pack, finish);
    });
  }
}

}  // namespace

void dense_product(const MatmulArgs& a, const Product& p) {
  if (a.m == 0 || p.weight.n == 0) return;
  Scratch scratch;
  float* bias = nullptr;
  if (p.bias) {
    bias = scratch.take<float>(p.weight.n);
    VIVACE_DISPATCH(p.bias_type, B, widen_row((const B*)p.bias, p.weight.n, bias));
  }
  Job job{bias, &p, &a};
  VIVACE_DISPATCH(p.weight.type, W, VIVACE_DISPATCH(a.out_type, O, {
    if (a.m <= kFewRows) few_rows<W, O>(job);
    else many_rows<W, O>(job);
  }));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
