// Sine and cosine of large angles.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

typedef double Doubles __attribute__((vector_size(kLanes * 8)));
typedef int64_t Longs __attribute__((vector_size(kLanes * 8)));

// Both to 2 units in the last place for |x| up to 1e9; NaN of infinity and NaN.
//
// The angle is reduced to [-pi/4, pi/4] in double precision, where 33 bits of pi/2 times the quadrant are exact: float32
// would need a table of pi for positions beyond some ten thousand. Polynomials as in Cephes' sinf and cosf.
VIVACE_INLINE void sincos(Floats x, Floats& sine, Floats& cosine) {
  const double kRound = 6755399441055744.0;  // 1.5 * 2^52: the sum's low bits are the rounded integer
  Doubles wide = __builtin_convertvector(x, Doubles);
  Doubles shifted = wide * 0.63661977236758134 + kRound;
  Doubles turns = shifted - kRound;
  Floats r = __builtin_convertvector((wide - turns * 1.5707963267341256) - turns * 6.0771005065061922e-11, Floats);
  Ints quadrant = __builtin_convertvector((Longs)shifted & 3, Ints);

  Floats square = r * r;
  Floats s = broadcast(-1.9515295891e-4f);
  s = s * square + 8.3321608736e-3f;
  s = s * square - 1.6666654611e-1f;
  s = s * square * r + r;
  Floats c = broadcast(2.443315711809948e-5f);
  c = c * square - 1.388731625493765e-3f;
  c = c * square + 4.166664568298827e-2f;
  c = c * square * square - 0.5f * square + 1.0f;

  Ints swap = (quadrant & 1) != 0;
  Ints sine_sign = (quadrant & 2) << 30, cosine_sign = ((quadrant + 1) & 2) << 30;
  sine = (Floats)((Ints)select(swap, c, s) ^ sine_sign);
  cosine = (Floats)((Ints)select(swap, s, c) ^ cosine_sign);
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
