// The inner product of float32 tiles.
#pragma once
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kSumDepth = 128;  // products in one running sum: sums of sums round less

// c [height, kPanel], rows `pitch` apart, += a^T b for a strip a [k, height] and a panel b [k, kPanel].
template <int height>
void gemm_strip(const float* a, const float* b, int64_t k, float* c, int64_t pitch) {
  for (int64_t end, begin = 0; begin < k; begin = end) {
    end = smaller(k, begin + kSumDepth);
    Floats acc[height][2] = {};
    for (int64_t j = begin; j < end; j++, a += height, b += kPanel) {
      Floats left = load(b), right = load(b + kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < height; i++) {
        Floats x = broadcast(a[i]);
        acc[i][0] = fma(x, left, acc[i][0]);
        acc[i][1] = fma(x, right, acc[i][1]);
      }
    }
#pragma GCC unroll 16
    for (int i = 0; i < height; i++) {
      float* to = c + i * pitch;
      store(to, load(to) + acc[i][0]);
      store(to + kLanes, load(to + kLanes) + acc[i][1]);
    }
  }
}

template <int height = kTallest>
void gemm_rows(int64_t rows, const float* a, const float* b, int64_t k, float* c, int64_t pitch) {
  if (rows == height) return gemm_strip<height>(a, b, k, c, pitch);
  if constexpr (height > 1) gemm_rows<height - 1>(rows, a, b, k, c, pitch);
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
