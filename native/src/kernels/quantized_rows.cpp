// Few rows: each row of weights is read once, in order, and meets all rows of x.
#include "kernels/quantized_rows.h"

#include "kernels/scales.h"
#include "kernels/transpose.h"
#include "kernels/unpack.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kAhead = 1024;  // bytes: what DRAM delivers while one row is worked on

// The scales of the blocks in one vector of codes: one or two blocks.
template <int block>
VIVACE_INLINE Floats lane_scales(const float* scale, int vector) {
  constexpr int values = 4 * kLanes;
  if constexpr (values <= block) {
    return broadcast(scale[vector * values / block]);
  } else {
    Floats first = broadcast(scale[0]), second = broadcast(scale[1]);
    Ints high{};
    for (int i = kLanes / 2; i < kLanes; i++) high[i] = -1;
    return select(high, second, first);
  }
}

// acc[m] += the products of one chunk. `scale[m]`: of the weight's and x's blocks together.
template <class L, int M>
VIVACE_INLINE void add_chunk(const Bytes* w, const int8_t* const* x, const float (*scale)[kLanes + 16], int block,
                             Floats* acc) {
  constexpr int together = larger(1, L::block / (4 * kLanes));  // vectors of one block
  for (int m = 0; m < M; m++) {
    for (int v = 0; v < kChunkVectors; v += together) {
      Ints dots{};
      for (int i = v; i < v + together; i++)
        dots = dot_codes<L::code>(dots, w[i], load_as<SBytes>(x[m] + i * 4 * kLanes));
      acc[m] = fma(to_floats(dots), lane_scales<L::block>(scale[m] + block, v), acc[m]);
    }
  }
}

// One row of weights times M rows of x: partial sums in the lanes of acc.
template <class L, int M>
VIVACE_INLINE void multiply_row(const Activations& x, const Weight& weight, int64_t row, Floats* acc) {
  constexpr int per_chunk = kChunk / L::block, chunk_bytes = 8 * L::bits;
  alignas(64) float scale[M][kLanes + 16];
  const uint8_t* w = (const uint8_t*)weight.data + row * (weight.k * L::bits / 8);
  int64_t blocks = weight.k / L::block;
  for (int m = 0; m < M; m++) acc[m] = Floats{};
  for (int64_t first = 0; first < blocks; first += kLanes) {
    ScaleBias of = scales_of(weight, row, first, blocks - first);
    for (int m = 0; m < M; m++) {
      store(scale[m], of.scale * load(x.scale + m * x.blocks + first));
      acc[m] = fma(of.bias, load(x.sum + m * x.blocks + first), acc[m]);
    }
    int here = (int)smaller<int64_t>(kLanes, blocks - first);
    const int8_t* codes[M];
    for (int m = 0; m < M; m++) codes[m] = x.codes + m * x.width + first * L::block;
    for (int b = 0; b < here; b += per_chunk) {
      Bytes unpacked[kChunkVectors];
      prefetch(w + kAhead);
      if (L::block == 32 && b + 1 == here) unpack_half<L::code>(w, unpacked);
      else unpack<L::code>(w, unpacked);
      w += chunk_bytes;
      add_chunk<L, M>(unpacked, codes, scale, b, acc);
      for (int m = 0; m < M; m++) codes[m] += kChunk;
    }
  }
}

template <class L, int M>
void multiply_rows(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  for (int64_t n = n0; n < n1; n += kLanes) {
    Floats parts[M][kLanes];
    int rows = (int)smaller<int64_t>(kLanes, n1 - n);
    for (int i = 0; i < rows; i++) {
      Floats acc[M];
      multiply_row<L, M>(x, weight, n + i, acc);
      for (int m = 0; m < M; m++) parts[m][i] = acc[m];
    }
    for (int i = rows; i < kLanes; i++)
      for (int m = 0; m < M; m++) parts[m][i] = Floats{};
    for (int m = 0; m < M; m++) store(out + m * pitch + n - n0, sums_of(parts[m]));
  }
}

template <class L>
void multiply_all(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  int64_t m = 0;
  for (; m + 4 <= x.m; m += 4) multiply_rows<L, 4>(part(x, m, m + 4), weight, n0, n1, out + m * pitch, pitch);
  for (; m + 2 <= x.m; m += 2) multiply_rows<L, 2>(part(x, m, m + 2), weight, n0, n1, out + m * pitch, pitch);
  for (; m < x.m; m++) multiply_rows<L, 1>(part(x, m, m + 1), weight, n0, n1, out + m * pitch, pitch);
}

}  // namespace

void multiply_few(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  with_layout(weight, x.kind.split, [&](auto layout) {
    multiply_all<decltype(layout)>(x, weight, n0, n1, out, pitch);
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
