#include "kernels/norm.h"

#include <cmath>

#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kSerial = 32768;  // elements below which waking other threads costs more than it saves

template <class T>
VIVACE_INLINE float mean_of(const T* x, int64_t dim) {
  Floats total{};
  for (int64_t i = 0; i < dim; i += kLanes) total += load(x + i, dim - i);
  return sum(total) / dim;
}

template <class T>
VIVACE_INLINE float squares_of(const T* x, int64_t dim, float mean) {
  Floats total{};
  for (int64_t i = 0; i < dim; i += kLanes) {
    Floats v = load(x + i, dim - i);
    if (mean != 0) v -= mean;
    if (mean != 0 && dim - i < kLanes) v = load((const float*)&v, dim - i);  // lanes beyond the row hold -mean
    total = fma(v, v, total);
  }
  return sum(total);
}

template <class T, class W, class O>
void norm_row(const NormArgs& a, int64_t row) {
  const T* x = (const T*)a.x + row * a.stride;
  const W *weight = (const W*)a.weight, *bias = (const W*)a.bias;
  const O* add = a.add ? (const O*)a.add + row * a.dim : nullptr;
  O* out = (O*)a.out + row * a.dim;
  float mean = a.center ? mean_of(x, a.dim) : 0.0f;
  float factor = 1.0f / std::sqrt(squares_of(x, a.dim, mean) / a.dim + a.eps);
  for (int64_t i = 0; i < a.dim; i += kLanes) {
    int64_t n = a.dim - i;
    Floats v = (load(x + i, n) - mean) * factor;
    if (weight) v *= load(weight + i, n) + a.offset;
    if (bias) v += load(bias + i, n);
    if (add) v += load(add + i, n);
    store(out + i, v, n);
  }
}

template <class T, class W, class O>
void norm_rows(const NormArgs& a) {
  int64_t chunk = larger<int64_t>(1, kSerial / 4 / larger<int64_t>(1, a.dim));
  if (a.rows * a.dim <= kSerial) chunk = a.rows;
  parallel_for(ceil_div(a.rows, larger<int64_t>(1, chunk)), [&](int64_t c) {
    for (int64_t row = c * chunk; row < smaller(a.rows, (c + 1) * chunk); row++) norm_row<T, W, O>(a, row);
  });
}

}  // namespace

void norm(const NormArgs& a) {
  VIVACE_DISPATCH(a.type, T, VIVACE_DISPATCH(a.weight_type, W, VIVACE_DISPATCH(a.out_type, O, norm_rows<T, W, O>(a))));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
