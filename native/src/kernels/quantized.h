// What the products with quantized weights are made of: x made ready once, a few columns at a time multiplied with it.
//
//   Scratch scratch;
//   Activations x = prepare(scratch, rows, kind_of(weight, exact));
//   float* sums = scratch.take<float>(x.m * pitch);      // pitch: n1 - n0 rounded up to kColumns
//   multiply(x, weight, n0, n1, sums, pitch);            // any thread, any range of columns that begins at a panel
//   finish({sums, pitch, x.m, n0, n1}, product, type);   // + bias + add, rounded
#pragma once
#include "kernels/panels.h"
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {

constexpr int kPanel = 2 * kLanes;  // columns that are multiplied together: a panel of a quantized weight, or a part of it
constexpr int kChunk = 64;          // rows of x are filled up with zeros to multiples of this
// Rows of a strip, and of a single one: so many sums, with kPanel columns, that the registers hold them and that the work
// at the end of a block still overlaps with the next block (on Zen 5 12 rows are 10 % slower than 6).
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kStrip = 6, kTallest = 8;
#else
constexpr int kStrip = 4, kTallest = 4;
#endif

constexpr int kFewRowsDense = 16;  // at most so many rows are multiplied row by row with dense weights

// Rows of k elements, `stride` apart; with `index`, row i is the one at index[i].
struct Rows {
  const void* data;
  int64_t m, k, stride;
  const int32_t* index;
  Type type;
};

// How a weight wants x. Products whose kinds are equal share one Activations.
struct Kind {
  bool exact;     // float32, else int8 with a scale for each `block`
  int32_t block;  // int8: 32 or 64
  int32_t few;    // more rows than that become strips; 0 for quantized weights

  bool operator==(const Kind& other) const { return exact == other.exact && block == other.block && few == other.few; }
};
Kind kind_of(const Weight& weight, bool exact);

// Rows of x, cut into strips of `height` rows (the last may have fewer) in which the same elements of all rows lie
// together; for dense weights few rows lie one after another.
struct Activations {
  int64_t m, k, width;    // width: k rounded up to chunks, zeros beyond k
  int64_t height;         // 0: row after row
  Kind kind;
  int64_t blocks;         // scales of a row
  const float* values;    // exact: [m, width] or strips [width, rows]
  const int8_t* codes;    // else: [m, width] or strips [width / 4, rows, 4]
  const float* scale;     // [m, blocks] or strips [blocks, rows]; NaN where x is not finite
  const float* sum;       // as scale: of the rounded x, since that is what the weights' bias meets
};
// `apart`: each row for itself, so that any part of them can be multiplied with another weight.
Activations prepare(Scratch& scratch, const Rows& rows, Kind kind, bool apart = false);

// Rows [begin, end) of row-after-row activations, or strips [begin, end).
Activations part(const Activations& x, int64_t begin, int64_t end);

// out[i * pitch + n - n0] = sum over k of x[i][k] w[n][k]. n0 is a multiple of kColumns; columns up to the next multiple
// of kColumns beyond n1 are overwritten.
void multiply(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);

// Bytes of one row of a weight, and how many columns make a good item of parallel work.
int64_t row_bytes(const Weight& weight);
int64_t columns_per_item(const Weight& weight, int64_t m, int64_t all_columns);

// A row of an affine or mxfp4 weight as float32: out[k].
void dequantize_row(const Weight& weight, int64_t row, float* out);

// Sums of columns [n0, n1) of all rows, as `multiply` writes them.
struct Sums {
  const float* data;
  int64_t pitch, m, n0, n1;
};
// product.out[first_row + i][n] = sums[i][n - n0] + bias[n] + add[...], in `type`.
void finish(const Sums& sums, const Product& product, Type type, int64_t first_row = 0);

}  // namespace VIVACE_LEVEL
}  // namespace vivace
