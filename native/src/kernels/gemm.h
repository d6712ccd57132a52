// Float32 products out of panels, for many rows: both operands are transposed into panels whose entries of one k lie
// together, so that the inner loop multiplies a vector of columns by one row's number, with a tile of sums in registers.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

#if defined(__AVX512F__) || defined(__aarch64__)  // 32 vector registers, 24 of them sums
constexpr int kTileRows = 8;
#else  // 16, 12 of them sums
constexpr int kTileRows = 4;
#endif
constexpr int kTileVectors = 3, kTileColumns = kTileVectors * kLanes, kTile = kTileRows * kTileColumns;
constexpr int64_t kDepth = 512;  // of one block of k: a panel of columns then stays in the L2 cache, in part in L1

VIVACE_INLINE Floats interleave_low(Floats a, Floats b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11);
#else
  return __builtin_shufflevector(a, b, 0, 4, 1, 5);
#endif
}
VIVACE_INLINE Floats interleave_high(Floats a, Floats b) {
#if defined(__AVX512F__)
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
#elif defined(__AVX2__)
  return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15);
#else
  return __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

// v as one array [kCount rows][kLanes columns] becomes [kLanes columns][kCount rows]. Each round is a perfect shuffle:
// it rotates the bits of every element's index by one.
template <int kCount>
VIVACE_INLINE void transpose(Floats (&v)[kCount]) {
  for (int round = 1; round < kCount; round *= 2) {
    Floats next[kCount];
    for (int i = 0; i < kCount / 2; i++) {
      next[2 * i] = interleave_low(v[i], v[i + kCount / 2]);
      next[2 * i + 1] = interleave_high(v[i], v[i + kCount / 2]);
    }
    for (int i = 0; i < kCount; i++) v[i] = next[i];
  }
}

// panel[i][r] = element i of row r, for i below `depth` and `rows` (at most kWidth) rows; zero for the rows that are
// missing. The panel has room for round_up(depth, kLanes) entries of kWidth.
template <int kWidth, class T>
void pack_panel(const T* x, int64_t stride, int64_t rows, int64_t depth, float* panel) {
  constexpr int kBlock = kWidth < kLanes ? kWidth : kLanes;
  constexpr int kStep = kLanes / kBlock;  // entries of the panel that one vector fills
  for (int first = 0; first < kWidth; first += kBlock) {
    int64_t here = smaller<int64_t>(kBlock, rows - first);
    for (int64_t i = 0; i < depth; i += kLanes) {
      Floats v[kBlock] = {};
      for (int r = 0; r < kBlock; r++)
        if (r < here) v[r] = load(x + (first + r) * stride + i, depth - i);
      transpose(v);
      for (int r = 0; r < kBlock; r++) store(panel + (i + r * kStep) * kWidth + first, v[r]);
    }
  }
}

// tile[kTileRows][kTileColumns] = (or +=) a[depth][kTileRows]^T b[depth][kTileColumns].
VIVACE_INLINE void multiply_tile(const float* a, const float* b, int64_t depth, float* tile, bool add) {
  Floats sums[kTileRows][kTileVectors] = {};
  for (int64_t i = 0; i < depth; i++, a += kTileRows, b += kTileColumns) {
    Floats columns[kTileVectors];
    for (int v = 0; v < kTileVectors; v++) columns[v] = load(b + v * kLanes);
    for (int r = 0; r < kTileRows; r++)
      for (int v = 0; v < kTileVectors; v++) sums[r][v] = fma(broadcast(a[r]), columns[v], sums[r][v]);
  }
  for (int r = 0; r < kTileRows; r++)
    for (int v = 0; v < kTileVectors; v++) {
      float* to = tile + r * kTileColumns + v * kLanes;
      store(to, add ? load(to) + sums[r][v] : sums[r][v]);
    }
}

// Products of `panels` panels of rows, each [round_up(k, kLanes)][kTileRows], with kTileColumns columns.
//
// pack(from, depth, panel) writes entries [from, from + depth) of those columns as pack_panel does; finish(panel, tile)
// gets each panel's result.
template <class Pack, class Finish>
VIVACE_INLINE void multiply_panels(const float* rows, int64_t panels, int64_t k, const Pack& pack, const Finish& finish) {
  Scratch scratch;
  float* columns = scratch.take<float>(round_up(smaller(k, kDepth), kLanes) * kTileColumns);
  float* tiles = scratch.take<float>(panels * kTile);
  const int64_t length = round_up(k, kLanes) * kTileRows;
  for (int64_t from = 0; from == 0 || from < k; from += kDepth) {
    int64_t depth = smaller(kDepth, k - from);
    pack(from, depth, columns);
    for (int64_t p = 0; p < panels; p++)
      multiply_tile(rows + p * length + from * kTileRows, columns, depth, tiles + p * kTile, from > 0);
  }
  for (int64_t p = 0; p < panels; p++) finish(p, tiles + p * kTile);
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
