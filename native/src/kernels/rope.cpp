#include "kernels/rope.h"

#include "kernels/pairs.h"
#include "kernels/sincos.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kItem = 8192;  // elements that are worth handing to another thread

// Cosines and sines of one position, as the rotation wants them: [dims / 2], or for interleaved pairs [dims] with every
// value twice and the sine negative on even places.
struct Angles {
  float *cosine, *sine;
};

void turn(const RopeArgs& a, int64_t position, Angles& to) {
  int64_t half = a.dims / 2;
  for (int64_t i = 0; i < half; i += kLanes) {
    Floats sine, cosine;
    sincos(load(a.frequencies + i, half - i) * (float)position, sine, cosine);
    sine *= a.factor;
    cosine *= a.factor;
    if (a.traditional) {
      int64_t n = a.dims - 2 * i, rest = larger<int64_t>(0, n - kLanes);
      store(to.cosine + 2 * i, zip_low(cosine, cosine), n);
      store(to.cosine + 2 * i + kLanes, zip_high(cosine, cosine), rest);
      store(to.sine + 2 * i, zip_low(-sine, sine), n);
      store(to.sine + 2 * i + kLanes, zip_high(-sine, sine), rest);
    } else {
      store(to.cosine + i, cosine, half - i);
      store(to.sine + i, sine, half - i);
    }
  }
}

template <class O>
VIVACE_INLINE void put(O* out, Floats v, int64_t n, bool clamp) {
  if (clamp) v = max(broadcast(-65504.0f), min(broadcast(65504.0f), v));  // in this order NaN stays
  store(out, v, n);
}

template <class T, class O>
VIVACE_INLINE void rotate_halves(const T* x, O* out, int64_t half, const Angles& by, bool clamp) {
  for (int64_t i = 0; i < half; i += kLanes) {
    int64_t n = half - i;
    Floats first = load(x + i, n), second = load(x + half + i, n);
    Floats cosine = load(by.cosine + i, n), sine = load(by.sine + i, n);
    put(out + i, first * cosine - second * sine, n, clamp);
    put(out + half + i, first * sine + second * cosine, n, clamp);
  }
}

template <class T, class O>
VIVACE_INLINE void rotate_pairs(const T* x, O* out, int64_t dims, const Angles& by, bool clamp) {
  for (int64_t i = 0; i < dims; i += kLanes) {
    int64_t n = dims - i;
    Floats v = load(x + i, n);
    put(out + i, v * load(by.cosine + i, n) + swap_pairs(v) * load(by.sine + i, n), n, clamp);
  }
}

template <class T, class O>
void rotate_token(const RopeArgs& a, const RopePart& p, int64_t row, int64_t token, const Angles& by) {
  for (int64_t head = 0; head < p.heads; head++) {
    const T* x = (const T*)p.x + row * p.row_stride + head * p.head_stride + token * p.token_stride;
    O* out = (O*)p.out + row * p.out_row_stride + head * p.out_head_stride + token * p.out_token_stride;
    if (a.traditional) {
      rotate_pairs(x, out, a.dims, by, p.clamp);
    } else {
      rotate_halves(x, out, a.dims / 2, by, p.clamp);
    }
    for (int64_t i = a.dims; i < a.dim; i += kLanes) put(out + i, load(x + i, a.dim - i), a.dim - i, p.clamp);
  }
}

}  // namespace

void rope(const RopeArgs& a) {
  int64_t heads = 0;
  for (int part = 0; part < a.count; part++) heads += a.parts[part].heads;
  int64_t together = larger<int64_t>(1, kItem / larger<int64_t>(1, heads * a.dim));
  int64_t per_row = ceil_div(a.tokens, together);
  parallel_for(a.rows * per_row, [&](int64_t item) {
    Scratch scratch;
    Angles by{scratch.take<float>(a.dims), scratch.take<float>(a.dims)};
    int64_t row = item / per_row, begin = item % per_row * together;
    for (int64_t token = begin; token < smaller(a.tokens, begin + together); token++) {
      turn(a, a.offsets[row] + token, by);
      for (int part = 0; part < a.count; part++) {
        const RopePart& p = a.parts[part];
        VIVACE_DISPATCH(p.type, T, VIVACE_DISPATCH(p.out_type, O, rotate_token<T, O>(a, p, row, token, by)));
      }
    }
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
