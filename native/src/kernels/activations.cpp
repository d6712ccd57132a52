// x made ready: converted to float32, or rounded to int8 by blocks.
#include <cmath>

#include "kernels/quantized.h"
#include "kernels/transpose.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kSerial = 16384;  // elements below which waking other threads costs more than it saves
constexpr float kTiny = 1e-36f;     // a block of nothing larger counts as zeros: its scale would have no inverse

VIVACE_INLINE Ints larger_of(Ints a, Ints b) { return a > b ? a : b; }

// Rounds `block` elements (zeros beyond n) to multiples of `scale`. One that is not finite makes the whole block NaN:
// so do its products, as far as they are sums with it.
template <class T>
VIVACE_INLINE void round_block(const T* x, int64_t n, int block, int8_t* codes, float* scale, float* sum_out) {
  Floats v[kChunk / kLanes];
  Ints most{};
  for (int i = 0; i < block / kLanes; i++) {
    v[i] = load(x + i * kLanes, larger<int64_t>(0, n - i * kLanes));
    most = larger_of(most, bits_of(abs(v[i])));  // as integers NaN is the largest
  }
  int32_t largest_bits = largest(most);
  bool finite = largest_bits < 0x7F800000;
  float largest_x;
  std::memcpy(&largest_x, &largest_bits, sizeof largest_x);
  *scale = finite ? largest_x / 127.0f : NAN;
  float inverse = finite && largest_x > kTiny ? 127.0f / largest_x : 0.0f;
  Ints total{};
  for (int i = 0; i < block / kLanes; i++) {
    Floats scaled = finite ? v[i] * inverse : Floats{};
    Ints rounded = bits_of(scaled + 12582912.0f) - 0x4B400000;
    total += rounded;
    store_bytes(codes + i * kLanes, rounded);
  }
  *sum_out = *scale * (float)sum(total);
}

template <class T>
const T* row_of(const Rows& rows, int64_t i) {
  return (const T*)rows.data + (rows.index ? rows.index[i] : i) * rows.stride;
}

template <class T>
void round_row(const T* x, const Activations& a, int8_t* codes, float* scale, float* sum) {
  int block = a.kind.block;
  for (int64_t b = 0; b < a.width / block; b++)
    round_block(x + b * block, a.k - b * block, block, codes + b * block, scale + b, sum + b);
}

template <class T>
void widen_row(const T* x, const Activations& a, float* values) {
  for (int64_t i = 0; i < a.width; i += kLanes) store(values + i, load(x + i, larger<int64_t>(0, a.k - i)));
}

// to[i * step] = from[i], four bytes each.
void scatter(const void* from, void* to, int64_t count, int64_t step) {
  const uint32_t* source = (const uint32_t*)from;
  uint32_t* target = (uint32_t*)to;
  for (int64_t i = 0; i < count; i++) target[i * step] = source[i];
}

struct Target {
  int8_t* codes;
  float *values, *scale, *sum;
};

template <class T>
void fill_row(const Rows& rows, const Activations& a, const Target& to, int64_t i) {
  const T* x = row_of<T>(rows, i);
  if (a.kind.exact) return widen_row(x, a, to.values + i * a.width);
  round_row(x, a, to.codes + i * a.width, to.scale + i * a.blocks, to.sum + i * a.blocks);
}

// values[i][r] = element i of row first + r, transposed a square at a time.
template <class T>
void widen_strip(const Rows& rows, const Activations& a, int64_t first, int64_t height, float* values) {
  for (int64_t r = 0; r < height; r += kLanes)
    for (int64_t i = 0; i < a.width; i += kLanes) {
      int64_t here = smaller<int64_t>(kLanes, height - r);
      Ints square[kLanes] = {};
      for (int64_t j = 0; j < here; j++)
        square[j] = bits_of(load(row_of<T>(rows, first + r + j) + i, larger<int64_t>(0, a.k - i)));
      transpose(square);
      for (int j = 0; j < kLanes; j++) store(values + (i + j) * height + r, (Floats)square[j], here);
    }
}

template <class T>
void fill_strip(const Rows& rows, const Activations& a, const Target& to, int64_t strip) {
  int64_t first = strip * a.height, height = smaller(a.height, a.m - first);
  if (a.kind.exact) return widen_strip<T>(rows, a, first, height, to.values + first * a.width);
  Scratch scratch;
  Target row{scratch.take<int8_t>(a.width), nullptr, scratch.take<float>(a.blocks), scratch.take<float>(a.blocks)};
  for (int64_t i = 0; i < height; i++) {
    const T* x = row_of<T>(rows, first + i);
    round_row(x, a, row.codes, row.scale, row.sum);
    scatter(row.codes, to.codes + first * a.width + 4 * i, a.width / 4, height);
    scatter(row.scale, to.scale + first * a.blocks + i, a.blocks, height);
    scatter(row.sum, to.sum + first * a.blocks + i, a.blocks, height);
  }
}

template <class T>
void fill(const Rows& rows, const Activations& a, const Target& to) {
  if (a.height > 1) {
    int64_t strips = ceil_div(a.m, a.height);
    parallel_for(strips, [&](int64_t strip) { fill_strip<T>(rows, a, to, strip); });
    return;
  }
  int64_t items = a.m * a.k <= kSerial ? 1 : a.m, each = ceil_div(a.m, items);
  parallel_for(items, [&](int64_t item) {
    for (int64_t i = item * each; i < smaller(a.m, (item + 1) * each); i++) fill_row<T>(rows, a, to, i);
  });
}

}  // namespace

Kind kind_of(const Weight& weight, bool exact) {
  if (weight.format == Format::dense) return {true, 64, kFewRowsDense};
  return {exact, exact || weight.group != 32 ? 64 : 32, 0};
}

Activations prepare(Scratch& scratch, const Rows& rows, Kind kind, bool apart) {
  Activations a{};
  a.m = rows.m, a.k = rows.k, a.kind = kind;
  a.width = round_up(rows.k, kChunk);
  a.blocks = a.width / kind.block;
  if (apart) a.height = kind.few ? 0 : 1;
  else if (rows.m > kind.few) a.height = rows.m <= kTallest ? rows.m : ceil_div(rows.m, ceil_div(rows.m, kStrip));
  Target to{};
  if (kind.exact) {
    a.values = to.values = scratch.take<float>(a.m * a.width);
  } else {
    a.codes = to.codes = scratch.take<int8_t>(a.m * a.width);
    a.scale = to.scale = scratch.take<float>(a.m * a.blocks);
    a.sum = to.sum = scratch.take<float>(a.m * a.blocks);
  }
  VIVACE_DISPATCH(rows.type, T, fill<T>(rows, a, to));
  return a;
}

Activations part(const Activations& x, int64_t begin, int64_t end) {
  int64_t each = x.height ? x.height : 1, first = begin * each;
  Activations a = x;
  a.m = smaller(x.m, end * each) - first;
  if (x.kind.exact) {
    a.values += first * x.width;
  } else {
    a.codes += first * x.width;
    a.scale += first * x.blocks;
    a.sum += first * x.blocks;
  }
  return a;
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
