// The ways to multiply: few rows or strips of many, by int8 or float32; dense weights in float32 only. Arguments as of `multiply`.
#pragma once
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {

void multiply_few(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_few_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_strips(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_strips_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_few_dense(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_strips_dense(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);

}  // namespace VIVACE_LEVEL
}  // namespace vivace
