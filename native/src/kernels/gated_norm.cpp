#include "kernels/gated_norm.h"

#include <cmath>

#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kItem = 8192;  // elements that are worth handing to another thread

template <class T, class G>
void gated_norm_head(const GatedNormArgs& a, const T* x, const G* gate, const float* weight, G* out) {
  Floats squares{};
  for (int64_t i = 0; i < a.dim; i += kLanes) {
    Floats v = load(x + i, a.dim - i);
    squares = fma(v, v, squares);
  }
  float factor = 1.0f / std::sqrt(sum(squares) / a.dim + a.eps);
  for (int64_t i = 0; i < a.dim; i += kLanes) {
    Floats z = load(gate + i, a.dim - i);
    Floats v = load(x + i, a.dim - i) * factor * load(weight + i);
    store(out + i, v * (a.sigmoid ? sigmoid(z) : silu(z)), a.dim - i);
  }
}

template <class T, class G>
void gated_norm_all(const GatedNormArgs& a) {
  int64_t together = larger<int64_t>(1, kItem / larger<int64_t>(1, a.heads * a.dim));
  parallel_for(ceil_div(a.tokens, together), [&](int64_t item) {
    Scratch scratch;
    float* weight = scratch.take<float>(round_up(a.dim, kLanes));
    VIVACE_DISPATCH(a.weight_type, W, {
      for (int64_t i = 0; i < a.dim; i += kLanes) store(weight + i, load((const W*)a.weight + i, a.dim - i));
    });
    for (int64_t token = item * together; token < smaller(a.tokens, (item + 1) * together); token++) {
      for (int64_t i = 0; i < a.heads * a.dim; i += a.dim)
        gated_norm_head<T, G>(a, (const T*)a.x + token * a.x_stride + i, (const G*)a.gate + token * a.gate_stride + i,
                              weight, (G*)a.out + token * a.out_stride + i);
    }
  });
}

}  // namespace

void gated_norm(const GatedNormArgs& a) {
  if (a.dim == 0) return;
  VIVACE_DISPATCH(a.type, T, VIVACE_DISPATCH(a.gate_type, G, gated_norm_all<T, G>(a)));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
