// A tile: kPanel columns of a weight, unpacked, the same four elements of all columns together.
#pragma once
#include "kernels/quantized.h"
#include "kernels/scales.h"
#include "kernels/transpose.h"
#include "kernels/unpack.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kTileDepth = 512;  // elements of k: with scales 18 KB, so that it stays in the first cache

struct Tile {
  uint8_t* codes;       // [depth / 4, kPanel, 4]
  float *scale, *bias;  // [blocks, kPanel]
  int64_t depth;        // a multiple of chunks
};

VIVACE_INLINE Tile take_tile(Scratch& scratch) {
  return {scratch.take<uint8_t>(kTileDepth * kPanel), scratch.take<float>(kTileDepth / 32 * kPanel),
          scratch.take<float>(kTileDepth / 32 * kPanel), 0};
}

// kLanes columns from `column` (the last again where there are no more); `side`: where they go in the panel.
template <class L>
VIVACE_INLINE void pack_codes(const Weight& weight, int64_t column, int64_t k, int side, int64_t ahead, Tile& tile) {
  int64_t bytes = weight.k * L::bits / 8;
  const uint8_t* first = (const uint8_t*)weight.data + k * L::bits / 8;
  for (int64_t depth = 0; depth < tile.depth; depth += kChunk) {
    bool half = L::block == 32 && k + depth + 32 == weight.k;
    Ints rows[kChunkVectors][kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      const uint8_t* w = first + smaller(column + i, weight.n - 1) * bytes + depth * L::bits / 8;
      Bytes unpacked[kChunkVectors];
      prefetch(w + ahead);
      if (half) unpack_half<L::code>(w, unpacked);
      else unpack<L::code>(w, unpacked);
      for (int v = 0; v < kChunkVectors; v++) rows[v][i] = (Ints)unpacked[v];
    }
    for (int v = 0; v < kChunkVectors; v++) {
      transpose(rows[v]);
      for (int i = 0; i < kLanes; i++)
        store_as(tile.codes + ((depth / 4 + v * kLanes + i) * kPanel + side) * 4, rows[v][i]);
    }
  }
}

template <class L>
VIVACE_INLINE void pack_scales(const Weight& weight, int64_t column, int64_t k, int side, Tile& tile) {
  int64_t blocks = smaller<int64_t>(tile.depth, weight.k - k) / L::block;
  for (int64_t b = 0; b < tile.depth / L::block; b += kLanes) {
    Ints scale[kLanes], bias[kLanes];
    for (int i = 0; i < kLanes; i++) {
      ScaleBias of = scales_of(weight, smaller(column + i, weight.n - 1), k / L::block + b, larger<int64_t>(0, blocks - b));
      scale[i] = (Ints)of.scale, bias[i] = (Ints)of.bias;
    }
    transpose(scale);
    transpose(bias);
    for (int i = 0; i < smaller<int64_t>(kLanes, tile.depth / L::block - b); i++) {
      store_as(tile.scale + (b + i) * kPanel + side, scale[i]);
      store_as(tile.bias + (b + i) * kPanel + side, bias[i]);
    }
  }
}

// Columns from `column`, elements from k, as many as the tile holds.
template <class L>
void pack_tile(const Weight& weight, int64_t column, int64_t k, Tile& tile) {
  tile.depth = smaller<int64_t>(kTileDepth, round_up(weight.k - k, kChunk));
  // What comes next: the same columns further on, or the first elements of the next columns.
  int64_t bytes = weight.k * L::bits / 8;
  int64_t ahead = k + kTileDepth < weight.k ? kTileDepth * L::bits / 8 : kPanel * bytes - k * L::bits / 8;
  for (int side = 0; side < kPanel; side += kLanes) {
    pack_codes<L>(weight, column + side, k, side, ahead, tile);
    pack_scales<L>(weight, column + side, k, side, tile);
  }
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
