// Long rows cut into parts that threads share.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kPart = 16384;  // elements of a part: stays in the first cache, takes some microseconds
constexpr float kInfinity = __builtin_inff();

// As load, but `fill` in the lanes from n on.
template <class T>
VIVACE_INLINE Floats load_filled(const T* p, int64_t n, float fill) {
  if (n >= kLanes) return load(p);
  Ints lane;
  for (int i = 0; i < kLanes; i++) lane[i] = i;
  return select(lane < (int32_t)n, load(p, n), broadcast(fill));
}

// The largest number that is not NaN (-infinity if there is none), and whether there is a NaN.
struct Peak {
  float value;
  bool nan;
};

template <class T>
VIVACE_INLINE Peak peak_of(const T* x, int64_t count) {
  Floats best = broadcast(-kInfinity);
  Ints nan{};
  for (int64_t i = 0; i < count; i += kLanes) {
    Floats v = load_filled(x + i, count - i, -kInfinity);
    best = max(v, best);  // of a NaN and a number, the second
    nan |= v != v;
  }
  return {largest(best), sum(nan) != 0};
}

// Calls body(row, part, begin, end) for every part of every row, many short rows to one item of parallel work.
template <class Body>
VIVACE_INLINE void for_parts(int64_t rows, int64_t dim, const Body& body) {
  int64_t parts = larger<int64_t>(1, ceil_div(dim, kPart)), group = parts > 1 ? 1 : larger<int64_t>(1, kPart / (dim + 1));
  parallel_for(ceil_div(rows * parts, group), [&](int64_t item) {
    for (int64_t i = item * group; i < smaller(rows * parts, (item + 1) * group); i++) {
      int64_t row = i / parts, part = i % parts;
      body(row, part, part * kPart, smaller(dim, (part + 1) * kPart));
    }
  });
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
