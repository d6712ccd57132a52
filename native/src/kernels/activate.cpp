#include "kernels/activate.h"

#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kItem = 8192;  // elements that are worth handing to another thread

// Phi(x) to a few units in the last place, also far out on the left where 1 + erf(x) has no digits. The polynomial in
// w = 1 / (1 + |x| / 4) is our fit of Phi(-|x|) exp(x^2 / 2) / w on [0, 15], relative error 1e-8.
VIVACE_INLINE Floats normal_cdf(Floats x) {
  Floats w = 1.0f / (1.0f + 0.25f * abs(x));
  Floats p = broadcast(0.017177209f);
  p = p * w - 0.0661193183f;
  p = p * w + 0.0596933281f;
  p = p * w + 0.017384523f;
  p = p * w + 0.0222131988f;
  p = p * w + 0.0813674454f;
  p = p * w + 0.0739026823f;
  p = p * w + 0.0950896013f;
  p = p * w + 0.0995463449f;
  p = p * w + 0.09974499f;
  Floats tail = exp(-0.5f * x * x) * w * p;
  return select(x > 0, 1.0f - tail, tail);
}

template <Activation kind>
VIVACE_INLINE Floats activated(Floats x, const ActivateArgs& a) {
  if constexpr (kind == Activation::silu) return silu(x);
  if constexpr (kind == Activation::gelu) return x * normal_cdf(x);
  if constexpr (kind == Activation::gelu_tanh) {
    // (1 + tanh(u)) / 2 = sigmoid(2 u)
    Floats u = x * (1.5957691216f + 0.0713548163f * x * x);
    return x / (1.0f + exp(-u));
  }
  if constexpr (kind == Activation::sigmoid) return sigmoid(x);
  // The order of the arguments lets a NaN of x through.
  Floats clipped = min(broadcast(a.limit), x);
  return clipped / (1.0f + exp(-a.alpha * clipped));
}

template <Activation kind>
VIVACE_INLINE Floats scaled(Floats up, const ActivateArgs& a) {
  if constexpr (kind != Activation::clipped) return up;
  return max(broadcast(-a.limit), min(broadcast(a.limit), up)) + 1.0f;
}

template <Activation kind, class T, class O>
void activate_part(const ActivateArgs& a, int64_t row, int64_t begin, int64_t end) {
  const T* gate = (const T*)a.gate + row * a.gate_stride;
  const T* up = a.up ? (const T*)a.up + row * a.up_stride : nullptr;
  O* out = (O*)a.out + row * a.out_stride;
  for (int64_t i = begin; i < end; i += kLanes) {
    Floats v = activated<kind>(load(gate + i, end - i), a);
    if (up) v *= scaled<kind>(load(up + i, end - i), a);
    store(out + i, v, end - i);
  }
}

template <Activation kind>
void activate_all(const ActivateArgs& a) {
  // Long rows are cut, short ones taken together.
  int64_t parts = ceil_div(a.dim, kItem), together = larger<int64_t>(1, kItem / larger<int64_t>(1, a.dim));
  parallel_for(ceil_div(a.rows, together) * parts, [&](int64_t item) {
    int64_t first = item / parts * together, begin = item % parts * kItem;
    for (int64_t row = first; row < smaller(a.rows, first + together); row++) {
      int64_t end = smaller(a.dim, begin + kItem);
      VIVACE_DISPATCH(a.type, T, VIVACE_DISPATCH(a.out_type, O, activate_part<kind, T, O>(a, row, begin, end)));
    }
  });
}

template <class T, class Y, class O>
void add_all(const AddArgs& a) {
  parallel_for(ceil_div(a.size, kItem), [&](int64_t item) {
    int64_t end = smaller(a.size, (item + 1) * kItem);
    for (int64_t i = item * kItem; i < end; i += kLanes)
      store((O*)a.out + i, load((const T*)a.x + i, end - i) + load((const Y*)a.y + i, end - i), end - i);
  });
}

}  // namespace

void activate(const ActivateArgs& a) {
  switch (a.kind) {
    case Activation::silu: return activate_all<Activation::silu>(a);
    case Activation::gelu: return activate_all<Activation::gelu>(a);
    case Activation::gelu_tanh: return activate_all<Activation::gelu_tanh>(a);
    case Activation::sigmoid: return activate_all<Activation::sigmoid>(a);
    case Activation::clipped: return activate_all<Activation::clipped>(a);
  }
}

void add(const AddArgs& a) {
  VIVACE_DISPATCH(a.type, T, VIVACE_DISPATCH(a.y_type, Y, VIVACE_DISPATCH(a.out_type, O, add_all<T, Y, O>(a))));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
