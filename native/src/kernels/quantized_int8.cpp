// Quantized weights times activations rounded to int8: strips of rows are swept over panels of columns.
//
// A sum goes block by block through the same operations for any height: what a row of x gives does not depend, to the
// last bit, on how many rows there are. The products inside a block are integers, whose order does not matter.
#include "kernels/codes.h"
#include "kernels/products.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kAhead = 4096;  // bytes: what DRAM delivers while a thread waits for it once

VIVACE_INLINE SBytes broadcast_four(const int8_t* p) {
  int32_t four;
  std::memcpy(&four, p, 4);
  return (SBytes)broadcast(four);
}

// What a strip is swept with: pointers that move along k.
struct Strip {
  const int8_t* codes;
  const float *scale, *sum;
};

// dots += a unit of `vectors` times kLanes columns, times the strip.
template <Code code, int height, int vectors>
VIVACE_INLINE void add_unit(const uint8_t* unit, const int8_t* x, Ints (&dots)[height][vectors]) {
#pragma GCC unroll 8
  for (int q = 0; q < kUnit / 4; q++, x += 4 * height) {
    Bytes w[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; v++) w[v] = quad<code>(unit + v * 4 * kLanes, q);
#pragma GCC unroll 8
    for (int i = 0; i < height; i++) {
      SBytes four = broadcast_four(x + 4 * i);
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) dots[i][v] = dot_codes<code>(dots[i][v], w[v], four);
    }
  }
}

// out [height, vectors * kLanes] = the strip times columns from `column` of a panel.
template <class L, int height, int vectors>
void sweep(const Weight& weight, const uint8_t* panel, int column, Strip x, float* out, int64_t pitch) {
  const int64_t header = header_bytes(weight), blocks = weight.group / L::block;
  Floats total[height][vectors] = {};
  for (int64_t left = weight.k; left > 0; left -= weight.group) {
    const uint8_t *group = panel, *unit = panel + header + 4 * column;
    for (int64_t b = 0; b < blocks; b++, x.scale += height, x.sum += height) {
      Ints dots[height][vectors] = {};
      for (int u = 0; u < L::block / kUnit; u++, unit += L::bits * kWordRow, x.codes += kUnit * height) {
        for (int line = 0; line < L::bits * kWordRow; line += 64) prefetch(unit + kAhead + line);
        add_unit<L::code, height, vectors>(unit, x.codes, dots);
      }
#pragma GCC unroll 8
      for (int v = 0; v < vectors; v++) {
        ScaleBias of = scales_of<L::code>(group, column + v * kLanes, weight.type);
#pragma GCC unroll 8
        for (int i = 0; i < height; i++) {
          total[i][v] = fma(of.bias, broadcast(x.sum[i]), total[i][v]);
          total[i][v] = fma(to_floats(dots[i][v]), of.scale * broadcast(x.scale[i]), total[i][v]);
        }
      }
    }
    panel = unit - 4 * column;
  }
  for (int i = 0; i < height; i++)
    for (int v = 0; v < vectors; v++) store(out + i * pitch + v * kLanes, total[i][v]);
}

template <class L, int height = kTallest>
VIVACE_INLINE void sweep_rows(int64_t rows, const Weight& weight, const uint8_t* panel, Strip x, float* out, int64_t pitch) {
  if (rows == height) {
    constexpr int vectors = height == 1 ? kColumns / kLanes : 2;  // one row leaves registers for all columns
    for (int column = 0; column < kColumns; column += vectors * kLanes)
      sweep<L, height, vectors>(weight, panel, column, x, out + column, pitch);
    return;
  }
  if constexpr (height > 1) sweep_rows<L, height - 1>(rows, weight, panel, x, out, pitch);
}

}  // namespace

void multiply_int8(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  const int64_t bytes = panel_bytes(weight);
  with_layout(weight, [&](auto layout) {
    for (int64_t first = 0; first < x.m; first += x.height) {
      Strip strip{x.codes + first * x.width, x.scale + first * x.blocks, x.sum + first * x.blocks};
      for (int64_t n = n0; n < n1; n += kColumns)
        sweep_rows<decltype(layout)>(smaller(x.height, x.m - first), weight,
                                     (const uint8_t*)weight.data + n / kColumns * bytes, strip,
                                     out + first * pitch + n - n0, pitch);
    }
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
