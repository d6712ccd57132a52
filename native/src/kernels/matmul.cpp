#include "kernels/matmul.h"

#include "kernels/dense.h"
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {

void matmul(const MatmulArgs& a) {
  for (int32_t i = 0; i < a.count; i++)
    if (a.products[i].weight.format == Format::dense) dense_product(a, a.products[i]);
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
