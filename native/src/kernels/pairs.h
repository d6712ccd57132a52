// Neighbouring lanes.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

template <int... I>
struct Lanes {};
template <int N, int... I>
struct AllLanes : AllLanes<N - 1, N - 1, I...> {};
template <int... I>
struct AllLanes<0, I...> {
  using Type = Lanes<I...>;
};

template <int... I>
VIVACE_INLINE Floats swapped(Floats a, Lanes<I...>) {
  return __builtin_shufflevector(a, a, (I ^ 1)...);
}
// Lanes first, first + 2, first + 4, … of a and b together.
template <int first, int... I>
VIVACE_INLINE Floats every_second(Floats a, Floats b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, (first + 2 * I)...);
}

// a1 a0 a3 a2 …
VIVACE_INLINE Floats swap_pairs(Floats a) { return swapped(a, AllLanes<kLanes>::Type()); }

// The inverse of zip_low and zip_high.
VIVACE_INLINE void split_pairs(Floats low, Floats high, Floats& even, Floats& odd) {
  even = every_second<0>(low, high, AllLanes<kLanes>::Type());
  odd = every_second<1>(low, high, AllLanes<kLanes>::Type());
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
