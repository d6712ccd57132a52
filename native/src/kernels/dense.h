// Products with matrices of floats.
#pragma once
#include "kernels/matmul.h"

namespace vivace {
namespace VIVACE_LEVEL {

// Adds to out one product whose weight is dense, in float32 throughout.
void dense_product(const MatmulArgs& args, const Product& product);

}  // namespace VIVACE_LEVEL
}  // namespace vivace
