// The ways to multiply: quantized weights by int8 or float32, dense ones by dot products or in strips. Arguments as of
// `multiply`.
#pragma once
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {

void multiply_int8(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_few_dense(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_strips_dense(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);

}  // namespace VIVACE_LEVEL
}  // namespace vivace
