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
  float *scale, *bias;  // [blocks, kPanel] from the first element of k on
  int64_t k, depth;     // where the codes begin, and how many: a multiple of chunks
  const uint8_t* next;  // what to fetch while packing
};

VIVACE_INLINE Tile take_tile(Scratch& scratch, const Weight& weight) {
  int64_t scales = round_up(weight.k, kChunk) / block_of(weight) * kPanel;
  return {scratch.take<uint8_t>(kTileDepth * kPanel), scratch.take<float>(scales), scratch.take<float>(scales), 0, 0, nullptr};
}

// Where kLanes columns of a weight begin at some k: the last again where there are no more.
struct Columns {
  const uint8_t* row[kLanes];
};
VIVACE_INLINE Columns columns_at(const Weight& weight, int bits, int64_t column, int64_t k) {
  Columns columns;
  for (int i = 0; i < kLanes; i++)
    columns.row[i] = (const uint8_t*)weight.data + (smaller(column + i, weight.n - 1) * weight.k + k) * bits / 8;
  return columns;
}

// Fetches the next tile bit by bit while this one is packed: in the order of memory, since that is what makes the hardware
// fetch further ahead than the first cache alone can wait for.
struct Fetch {
  const uint8_t* next;

  inline __attribute__((always_inline)) void step(int64_t bytes) {
    prefetch(next);
    next += bytes;
  }
};

// Transposed before they are unpacked, words of eight 4-bit values cost half as much. They are the even values of four
// elements and the odd ones of four others, as split4 orders them. Returns how far this went.
VIVACE_INLINE int64_t pack_words(const Columns& columns, int64_t elements, uint8_t* codes, Fetch& fetch) {
  constexpr int64_t step = 8 * kLanes;  // elements in a vector of words
  int64_t depth = 0;
  for (; depth + step <= elements; depth += step) {
    Ints words[kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      fetch.step(4 * kLanes);
      words[i] = load_as<Ints>(columns.row[i] + depth / 2);
    }
    transpose(words);
    uint8_t* to = codes + (depth / 64 * 16 + depth / 8 % 8) * kPanel * 4;
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      int quad = i / 8 * 16 + i % 8;
      store_as(to + quad * kPanel * 4, words[i] & 0x0F0F0F0F);
      store_as(to + (quad + 8) * kPanel * 4, (words[i] >> 4) & 0x0F0F0F0F);
    }
  }
  return depth;
}

// kLanes columns to `codes`; `rest`: elements of a row that are left.
template <class L>
VIVACE_INLINE void pack_codes(const Columns& columns, int64_t elements, int64_t rest, uint8_t* codes, Fetch& fetch) {
  int64_t depth = 0;
  if constexpr (L::code == Code::split4) depth = pack_words(columns, elements, codes, fetch);
  for (; depth < elements; depth += kChunk) {
    bool half = L::block == 32 && depth + 32 == rest;
    Ints rows[kChunkVectors][kLanes];
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) {
      const uint8_t* w = columns.row[i] + depth * L::bits / 8;
      Bytes unpacked[kChunkVectors];
      fetch.step(8 * L::bits);
      if (half) unpack_half<L::code>(w, unpacked);
      else unpack<L::code>(w, unpacked);
      for (int v = 0; v < kChunkVectors; v++) rows[v][i] = (Ints)unpacked[v];
    }
    for (int v = 0; v < kChunkVectors; v++) {
      transpose(rows[v]);
#pragma GCC unroll 16
      for (int i = 0; i < kLanes; i++) store_as(codes + (depth / 4 + v * kLanes + i) * kPanel * 4, rows[v][i]);
    }
  }
}

template <class L>
VIVACE_INLINE void pack_scales(const Weight& weight, int64_t column, int side, Tile& tile) {
  int64_t blocks = weight.k / L::block, padded = round_up(weight.k, kChunk) / L::block;
  prefetch_scales(weight, column + kPanel);
  for (int64_t b = 0; b < padded; b += kLanes) {
    Ints scale[kLanes], bias[kLanes];
    for (int i = 0; i < kLanes; i++) {
      ScaleBias of = scales_of(weight, smaller(column + i, weight.n - 1), b, blocks - b);
      scale[i] = (Ints)of.scale, bias[i] = (Ints)of.bias;
    }
    transpose(scale);
    transpose(bias);
    for (int i = 0; i < smaller<int64_t>(kLanes, padded - b); i++) {
      store_as(tile.scale + (b + i) * kPanel + side, scale[i]);
      store_as(tile.bias + (b + i) * kPanel + side, bias[i]);
    }
  }
}

// Columns from `column`, elements from k on, as many as the tile holds; the scales of all k come with the first.
template <class L>
void pack_tile(const Weight& weight, int64_t column, int64_t k, Tile& tile) {
  tile.k = k;
  tile.depth = smaller<int64_t>(kTileDepth, round_up(weight.k - k, kChunk));
  if (k == 0) tile.next = (const uint8_t*)weight.data + (column + kPanel) * weight.k * L::bits / 8;
  Fetch fetch{tile.next};
  for (int side = 0; side < kPanel; side += kLanes) {
    if (k == 0) pack_scales<L>(weight, column + side, side, tile);
    Columns columns = columns_at(weight, L::bits, column + side, k);
    pack_codes<L>(columns, tile.depth, weight.k - k, tile.codes + side * 4, fetch);
  }
  tile.next = fetch.next;
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
