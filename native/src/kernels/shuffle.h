// Lanes of vectors moved about.
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
using EveryLane = AllLanes<kLanes>::Type;

// Lane i of the result is lane Pick::lane(i) of a and b together.
template <class Pick, int... I>
VIVACE_INLINE Floats picked(Floats a, Floats b, Lanes<I...>) {
  return __builtin_shufflevector(a, b, Pick::lane(I)...);
}
template <class Pick>
VIVACE_INLINE Floats picked(Floats a, Floats b) {
  return picked<Pick>(a, b, EveryLane());
}

struct Even {
  static constexpr int lane(int i) { return 2 * i; }
};
struct Odd {
  static constexpr int lane(int i) { return 2 * i + 1; }
};
struct Swapped {
  static constexpr int lane(int i) { return i ^ 1; }
};
template <int Start>
struct Interleaved {
  static constexpr int lane(int i) { return (i & 1) * kLanes + (Start + i) / 2; }
};
// What two rows hold after their off-diagonal blocks of width W changed places.
template <int W>
struct UpperRow {
  static constexpr int lane(int i) { return i & W ? kLanes + (i ^ W) : i; }
};
template <int W>
struct LowerRow {
  static constexpr int lane(int i) { return i & W ? kLanes + i : i ^ W; }
};

VIVACE_INLINE Floats swap_pairs(Floats a) { return picked<Swapped>(a, a); }

// a0 a1 a2 … of (a0 b0 a1 b1 …), and b0 b1 b2 …
VIVACE_INLINE void split_pairs(Floats first, Floats second, Floats& even, Floats& odd) {
  even = picked<Even>(first, second);
  odd = picked<Odd>(first, second);
}

// a0 b0 a1 b1 …, in two vectors.
VIVACE_INLINE void interleave(Floats a, Floats b, Floats& low, Floats& high) {
  low = picked<Interleaved<0>>(a, b);
  high = picked<Interleaved<kLanes>>(a, b);
}

template <int W>
VIVACE_INLINE void swap_blocks(Floats* rows) {
#pragma GCC unroll 16
  for (int i = 0; i < kLanes; i++) {
    if (i & W) continue;
    Floats upper = rows[i], lower = rows[i | W];
    rows[i] = picked<UpperRow<W>>(upper, lower);
    rows[i | W] = picked<LowerRow<W>>(upper, lower);
  }
  if constexpr (W > 1) swap_blocks<W / 2>(rows);
}

// Transposes a square of kLanes rows.
VIVACE_INLINE void transpose(Floats* rows) { swap_blocks<kLanes / 2>(rows); }

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
