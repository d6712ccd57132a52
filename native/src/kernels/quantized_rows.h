// The four ways to multiply: few rows or strips of many, int8 or float32. Arguments as of `multiply`.
#pragma once
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {

void multiply_few(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_few_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_strips(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);
void multiply_strips_exact(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch);

}  // namespace VIVACE_LEVEL
}  // namespace vivace
