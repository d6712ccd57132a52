// How a weight comes into an op: its arrays checked, and as kernels take it.
#pragma once
#include "kernels/matmul.h"
#include "ops/primitive.h"

namespace vivace {

// The shape of a quantized weight, without its memory.
struct WeightFormat {
  Format format;
  int32_t bits, group;

  auto key() const { return std::make_tuple(static_cast<int32_t>(format), bits, group); }
};

// "affine" with 2, 3, 4, 5, 6 or 8 bits and groups of 32, 64 or 128, or "mxfp4". Throws std::invalid_argument.
WeightFormat weight_format(const std::string& mode, int bits, int group);

// Throws std::invalid_argument unless w [..., n, k * bits / 32] uint32 and its scales and biases [..., n, k / group] (of one
// float dtype; mxfp4: bytes and none) belong together for this k.
void require_weight(const WeightFormat& format, const mx::array& w, const mx::array& scales,
                    const std::optional<mx::array>& biases, int64_t k);

// For kernels. The arrays are dense; w may have axes before the last two.
Weight weight_of(const WeightFormat& format, const mx::array& w, const mx::array& scales, const mx::array* biases);

}  // namespace vivace
