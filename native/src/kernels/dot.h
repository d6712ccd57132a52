// Dot products of few rows with many: for few activations, where reading the weights is what takes time.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int kDotColumns = 4;  // weight rows at a time: each vector of activations is then loaded once for four
#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kDotRows = 4;
#else
constexpr int kDotRows = 2;
#endif

// Sums of four vectors, in order.
struct Four {
  float of[4];
};

// a0 b0 a1 b1 … of each 128 bits: the order within a sum does not matter, and this needs no shuffle between lanes.
VIVACE_INLINE Floats pair_sums(Floats a, Floats b) {
#if defined(__AVX512F__)
  return (Floats)_mm512_add_ps(_mm512_unpacklo_ps((__m512)a, (__m512)b), _mm512_unpackhi_ps((__m512)a, (__m512)b));
#elif defined(__AVX2__)
  return (Floats)_mm256_add_ps(_mm256_unpacklo_ps((__m256)a, (__m256)b), _mm256_unpackhi_ps((__m256)a, (__m256)b));
#else
  return __builtin_shufflevector(a, b, 0, 4, 1, 5) + __builtin_shufflevector(a, b, 2, 6, 3, 7);
#endif
}

VIVACE_INLINE Four sums_of(Floats a, Floats b, Floats c, Floats d) {
  Floats all = pair_sums(pair_sums(a, c), pair_sums(b, d));  // a b c d a b c d …
  typedef float Quad __attribute__((vector_size(16)));
  Quad parts[kLanes / 4];
  std::memcpy(parts, &all, sizeof all);
  for (int i = 1; i < kLanes / 4; i++) parts[0] += parts[i];
  Four result;
  std::memcpy(&result, parts, sizeof result);
  return result;
}

// out[r][c] = rows r of x (kRows, `stride` apart) times rows c of w (kDotColumns, k apart); `next` is what is multiplied
// after this: it is fetched meanwhile, which hardware does not do across rows.
template <int kRows, class W>
VIVACE_INLINE void dot_tile(const float* x, int64_t stride, const W* w, const W* next, int64_t k, float* out,
                            int64_t out_stride) {
  Floats total[kRows][kDotColumns] = {};
  auto step = [&](int64_t i, int64_t n) {
    Floats column[kDotColumns];
    for (int c = 0; c < kDotColumns; c++) column[c] = load(w + c * k + i, n);
    for (int r = 0; r < kRows; r++) {
      Floats row = load(x + r * stride + i, n);
      for (int c = 0; c < kDotColumns; c++) total[r][c] = fma(row, column[c], total[r][c]);
    }
  };
  int64_t i = 0;
  for (; i + kLanes <= k; i += kLanes) {
    if (next)
      for (int c = 0; c < kDotColumns; c++) prefetch(next + c * k + i);
    step(i, kLanes);
  }
  if (i < k) step(i, k - i);
  for (int r = 0; r < kRows; r++) {
    Four sums = sums_of(total[r][0], total[r][1], total[r][2], total[r][3]);
    std::memcpy(out + r * out_stride, &sums, sizeof sums);
  }
}

// out[r][c] = x [rows, stride] times rows [0, columns) of w [.., k].
template <class W>
VIVACE_INLINE void dot_rows(const float* x, int64_t stride, int64_t rows, const W* w, int64_t columns, int64_t k,
                            float* out, int64_t out_stride) {
  int64_t c = 0;
  for (; c + kDotColumns <= columns; c += kDotColumns) {
    const W* here = w + c * k;
    const W* next = c + 2 * kDotColumns <= columns ? here + kDotColumns * k : nullptr;
    int64_t r = 0;
    for (; r + kDotRows <= rows; r += kDotRows) {
      dot_tile<kDotRows>(x + r * stride, stride, here, r == 0 ? next : nullptr, k, out + r * out_stride + c, out_stride);
    }
    for (; r < rows; r++)
      dot_tile<1>(x + r * stride, stride, here, r == 0 ? next : nullptr, k, out + r * out_stride + c, out_stride);
  }
  for (; c < columns; c++)
    for (int64_t r = 0; r < rows; r++) {
      Floats total{};
      for (int64_t i = 0; i < k; i += kLanes) total = fma(load(x + r * stride + i, k - i), load(w + c * k + i, k - i), total);
      out[r * out_stride + c] = sum(total);
    }
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
