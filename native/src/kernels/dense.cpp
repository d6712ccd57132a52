// Weights that are floats. Few rows are dot products: reading the weights is what takes time. For many, panels of
// columns are transposed so that the inner loop multiplies a vector of columns by one number of a row.
#include "kernels/dot.h"
#include "kernels/float_strips.h"
#include "kernels/products.h"
#include "kernels/transpose.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kDepth = 512;  // of a panel: in the second cache, where all strips of x meet it

// panel[i][c] = element k + i of row column + c (the last again where there are no more), i below depth.
template <class W>
void pack_panel(const Weight& weight, int64_t column, int64_t k, int64_t depth, float* panel) {
  for (int side = 0; side < kPanel; side += kLanes)
    for (int64_t i = 0; i < depth; i += kLanes) {
      Ints rows[kLanes];
#pragma GCC unroll 16
      for (int c = 0; c < kLanes; c++) {
        const W* row = (const W*)weight.data + smaller(column + side + c, weight.n - 1) * weight.k + k + i;
        rows[c] = bits_of(load(row, depth - i));
      }
      transpose(rows);
      for (int c = 0; c < kLanes; c++) store_as(panel + (i + c) * kPanel + side, rows[c]);
    }
}

template <class W>
void multiply_panels(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  Scratch scratch;
  float* panel = scratch.take<float>(kDepth * kPanel);
  for (int64_t n = n0; n < n1; n += kPanel) {
    for (int64_t i = 0; i < x.m; i++) std::memset(out + i * pitch + n - n0, 0, kPanel * sizeof(float));
    for (int64_t k = 0; k < x.k; k += kDepth) {
      int64_t depth = smaller(kDepth, x.k - k);
      pack_panel<W>(weight, n, k, depth, panel);
      for (int64_t first = 0; first < x.m; first += x.height) {
        int64_t rows = smaller(x.height, x.m - first);
        gemm_rows(rows, x.values + first * x.width + k * rows, panel, depth, out + first * pitch + n - n0, pitch);
      }
    }
  }
}

}  // namespace

void multiply_few_dense(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  VIVACE_DISPATCH(weight.type, W,
                  dot_rows(x.values, x.width, x.m, (const W*)weight.data + n0 * weight.k, n1 - n0, weight.k, out, pitch));
}

void multiply_strips_dense(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  VIVACE_DISPATCH(weight.type, W, multiply_panels<W>(x, weight, n0, n1, out, pitch));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
