// Float32 activations: weights are expanded to scale * q + bias, and everything is a product of floats.
#include "kernels/codes.h"
#include "kernels/float_strips.h"
#include "kernels/products.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kTileDepth = 128;  // elements of k that are expanded together: with kPanel columns 16 KB, in the first cache

// tile[i][c] = element i of column `column` + c, of the `count` groups that begin at `group`.
template <class L>
void expand(const Weight& weight, const uint8_t* group, int64_t count, int column, float* tile) {
  const int64_t units = weight.group / kUnit, header = header_bytes(weight), each = group_bytes(weight);
  for (int64_t g = 0; g < count; g++, group += each)
    for (int side = 0; side < kPanel; side += kLanes) {
      ScaleBias of = scales_of<L::code>(group, column + side, weight.type);
      const uint8_t* unit = group + header + 4 * (column + side);
      float* to = tile + g * weight.group * kPanel + side;
      for (int64_t u = 0; u < units; u++, unit += L::bits * kWordRow)
#pragma GCC unroll 8
        for (int q = 0; q < kUnit / 4; q++, to += 4 * kPanel) {
          Ints codes = (Ints)quad<L::code>(unit, q);
#pragma GCC unroll 4
          for (int i = 0; i < 4; i++) store(to + i * kPanel, fma(to_floats((codes >> (8 * i)) & 255), of.scale, of.bias));
        }
    }
}

template <class L>
void multiply_tiles(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  Scratch scratch;
  float* tile = scratch.take<float>(kTileDepth * kPanel);
  const int64_t each = group_bytes(weight);
  for (int64_t n = n0; n < n1; n += kPanel) {
    const uint8_t* panel = (const uint8_t*)weight.data + n / kColumns * panel_bytes(weight);
    for (int64_t i = 0; i < x.m; i++) std::memset(out + i * pitch + n - n0, 0, kPanel * sizeof(float));
    for (int64_t k = 0; k < x.k; k += kTileDepth) {
      int64_t depth = smaller(kTileDepth, x.k - k);
      expand<L>(weight, panel + k / weight.group * each, depth / weight.group, n % kColumns, tile);
      for (int64_t first = 0; first < x.m; first += x.height) {
        int64_t rows = smaller(x.height, x.m - first);
        gemm_rows(rows, x.values + first * x.width + k * rows, tile, depth, out + first * pitch + n - n0, pitch);
      }
    }
  }
}

// Codes of one column of a unit, a byte each.
template <Code code>
VIVACE_INLINE void column_codes(const uint8_t* unit, uint8_t (&codes)[kUnit]) {
  constexpr int bits = bits_of(code), low = low_bits(bits), high = bits - low;
  for (int q = 0; q < kUnit / 4; q++) {
    uint32_t words = load_as<uint32_t>(unit + q * low / 8 * kWordRow);
    uint32_t four = words >> (low * (q % (8 / low))) & ((1u << low) - 1) * 0x01010101u;
    if constexpr (high > 0) {
      words = load_as<uint32_t>(unit + (low + q * high / 8) * kWordRow);
      four |= (words >> (high * (q % (8 / high))) & ((1u << high) - 1) * 0x01010101u) << low;
    }
    std::memcpy(codes + 4 * q, &four, 4);
  }
  if constexpr (code == Code::e2m1)
    for (int i = 0; i < kUnit; i += 4 * kLanes) {
      Bytes bytes{};
      constexpr int n = smaller(kUnit, 4 * kLanes);
      std::memcpy(&bytes, codes + i, n);
      bytes = from_e2m1(bytes);
      std::memcpy(codes + i, &bytes, n);
    }
}

template <class L>
void expand_row(const Weight& weight, int64_t row, float* out) {
  const int column = (int)(row % kColumns), lane = column % kLanes;
  const int64_t header = header_bytes(weight);
  const uint8_t* group = (const uint8_t*)weight.data + row / kColumns * panel_bytes(weight);
  for (int64_t k = 0; k < weight.k; k += weight.group, group += group_bytes(weight)) {
    ScaleBias of = scales_of<L::code>(group, column - lane, weight.type);
    Floats scale = broadcast((float)of.scale[lane]), bias = broadcast((float)of.bias[lane]);
    const uint8_t* unit = group + header + 4 * column;
    for (int64_t i = 0; i < weight.group; i += kUnit, unit += L::bits * kWordRow) {
      uint8_t codes[kUnit];
      column_codes<L::code>(unit, codes);
      for (int j = 0; j < kUnit; j += kLanes) store(out + k + i + j, fma(to_floats(load_bytes(codes + j)), scale, bias));
    }
  }
}

}  // namespace

void multiply_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  with_layout(weight, [&](auto layout) { multiply_tiles<decltype(layout)>(x, weight, n0, n1, out, pitch); });
}

void dequantize_row(const Weight& weight, int64_t row, float* out) {
  with_layout(weight, [&](auto layout) { expand_row<decltype(layout)>(weight, row, out); });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
