// Float32 activations: weights are expanded to scale * q + bias, and everything is a product of floats.
#include "kernels/float_strips.h"
#include "kernels/quantized_rows.h"
#include "kernels/quantized_tile.h"
#include "kernels/scales.h"
#include "kernels/transpose.h"
#include "kernels/unpack.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kAhead = 1024;
constexpr int kVectors = kChunk / kLanes;                           // of floats in a chunk
constexpr int kChains = smaller(kVectors, kLanes == 16 ? 4 : 2);    // independent sums, to hide the latency of fma

template <class L>
VIVACE_INLINE void expand_chunk(const uint8_t* w, const float* scale, const float* bias, bool half, Floats* out) {
  Bytes unpacked[kChunkVectors];
  if (half) unpack_half<L::code>(w, unpacked);
  else unpack<L::code>(w, unpacked);
  const uint8_t* bytes = (const uint8_t*)unpacked;
  for (int v = 0; v < kVectors; v++) {
    Floats q = to_floats(load_bytes(bytes + v * kLanes));
    int block = v * kLanes / L::block;
    out[v] = fma(q, broadcast(scale[block]), broadcast(bias[block]));
  }
}

// Calls use(k, floats of the chunk at k) for a row of weights.
template <class L, class Use>
VIVACE_INLINE void expand_row(const Weight& weight, int64_t row, const Use& use) {
  constexpr int per_chunk = kChunk / L::block;
  float scale[kLanes + 1], bias[kLanes + 1];
  scale[kLanes] = bias[kLanes] = 0;
  const uint8_t* w = (const uint8_t*)weight.data + row * (weight.k * L::bits / 8);
  int64_t blocks = weight.k / L::block;
  for (int64_t first = 0; first < blocks; first += kLanes) {
    ScaleBias of = scales_of(weight, row, first, blocks - first);
    store(scale, of.scale);
    store(bias, of.bias);
    int here = (int)smaller<int64_t>(kLanes, blocks - first);
    for (int b = 0; b < here; b += per_chunk, w += 8 * L::bits) {
      Floats floats[kVectors];
      prefetch(w + kAhead);
      expand_chunk<L>(w, scale + b, bias + b, L::block == 32 && b + 1 == here, floats);
      use((first + b) * L::block, floats);
    }
  }
}

// The second half of a last chunk that is not whole meets zeros of x.
template <class L, int M>
VIVACE_INLINE void multiply_row(const Activations& x, const Weight& weight, int64_t row, Floats* total) {
  Floats acc[M][kChains] = {};
  expand_row<L>(weight, row, [&](int64_t k, const Floats* w) {
    for (int m = 0; m < M; m++)
      for (int v = 0; v < kVectors; v++)
        acc[m][v % kChains] = fma(w[v], load(x.values + m * x.width + k + v * kLanes), acc[m][v % kChains]);
  });
  for (int m = 0; m < M; m++) {
    total[m] = acc[m][0];
    for (int i = 1; i < kChains; i++) total[m] += acc[m][i];
  }
}

template <class L, int M>
void multiply_rows(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  for (int64_t n = n0; n < n1; n += kLanes) {
    Floats parts[M][kLanes] = {};
    for (int i = 0; i < smaller<int64_t>(kLanes, n1 - n); i++) {
      Floats total[M];
      multiply_row<L, M>(x, weight, n + i, total);
      for (int m = 0; m < M; m++) parts[m][i] = total[m];
    }
    for (int m = 0; m < M; m++) store(out + m * pitch + n - n0, sums_of(parts[m]));
  }
}

// [depth, kPanel] floats of a packed tile.
template <class L>
void expand_tile(const Tile& tile, float* panel) {
  for (int64_t quad = 0; quad < tile.depth / 4; quad++) {
    int64_t block = (tile.k + quad * 4) / L::block;
    for (int side = 0; side < kPanel; side += kLanes) {
      Ints codes = load_as<Ints>(tile.codes + (quad * kPanel + side) * 4);
      Floats scale = load(tile.scale + block * kPanel + side), bias = load(tile.bias + block * kPanel + side);
      for (int i = 0; i < 4; i++)
        store(panel + (quad * 4 + i) * kPanel + side, fma(to_floats((codes >> (8 * i)) & 255), scale, bias));
    }
  }
}

template <class L>
void multiply_panels(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  Scratch scratch;
  Tile tile = take_tile(scratch, weight);
  float* panel = scratch.take<float>(kTileDepth * kPanel);
  for (int64_t n = n0; n < n1; n += kPanel) {
    for (int64_t i = 0; i < x.m; i++) std::memset(out + i * pitch + n - n0, 0, kPanel * sizeof(float));
    for (int64_t k = 0; k < x.k; k += kTileDepth) {
      pack_tile<L>(weight, n, k, tile);
      expand_tile<L>(tile, panel);
      for (int64_t first = 0; first < x.m; first += x.height) {
        int64_t rows = smaller(x.height, x.m - first);
        gemm_rows(rows, x.values + first * x.width + k * rows, panel, tile.depth, out + first * pitch + n - n0, pitch);
      }
    }
  }
}

}  // namespace

void multiply_few_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  with_layout(weight, false, [&](auto layout) {
    using L = decltype(layout);
    int64_t m = 0;
    for (; m + 4 <= x.m; m += 4) multiply_rows<L, 4>(part(x, m, m + 4), weight, n0, n1, out + m * pitch, pitch);
    for (; m + 2 <= x.m; m += 2) multiply_rows<L, 2>(part(x, m, m + 2), weight, n0, n1, out + m * pitch, pitch);
    for (; m < x.m; m++) multiply_rows<L, 1>(part(x, m, m + 1), weight, n0, n1, out + m * pitch, pitch);
  });
}

void multiply_strips_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  with_layout(weight, false, [&](auto layout) { multiply_panels<decltype(layout)>(x, weight, n0, n1, out, pitch); });
}

void dequantize_row(const Weight& weight, int64_t row, float* out) {
  with_layout(weight, false, [&](auto layout) {
    expand_row<decltype(layout)>(weight, row, [&](int64_t k, const Floats* w) {
      for (int v = 0; v < kVectors; v++) store(out + k + v * kLanes, w[v], larger<int64_t>(0, weight.k - k - v * kLanes));
    });
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
