// Random numbers as MLX makes them, and the logarithm that turns them into Gumbel noise.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

template <class U>
struct Pair {
  U first, second;
};

template <class U>
VIVACE_INLINE U rotated(U x, int by) {
  return x << by | x >> (32 - by);
}

// Threefry-2x32 with 20 rounds; U is uint32_t or a vector of them.
template <class U>
VIVACE_INLINE Pair<U> threefry(uint32_t key0, uint32_t key1, U first, U second) {
  const int rotations[2][4] = {{13, 15, 26, 6}, {17, 29, 16, 24}};
  const uint32_t keys[3] = {key0, key1, key0 ^ key1 ^ 0x1BD11BDA};
  first += keys[0];
  second += keys[1];
#pragma GCC unroll 5
  for (uint32_t i = 0; i < 5; i++) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
      first += second;
      second = rotated(second, rotations[i % 2][r]) ^ first;
    }
    first += keys[(i + 1) % 3];
    second += keys[(i + 2) % 3] + i + 1;
  }
  return {first, second};
}

// Natural logarithm of x >= 0 to 2 units in the last place, polynomial as in Cephes' logf; -infinity of 0.
VIVACE_INLINE Floats log(Floats x) {
  Ints bits = (Ints)x, exponent = (bits >> 23) - 126;
  Floats m = (Floats)((bits & 0x7FFFFF) | 0x3F000000);  // [0.5, 1)
  Ints small = m < 0.70710678118654752f;
  Floats e = to_floats(exponent + small);  // a true lane is -1
  m = select(small, m + m, m) - 1.0f;
  Floats p = broadcast(7.0376836292e-2f);
  p = p * m - 1.1514610310e-1f;
  p = p * m + 1.1676998740e-1f;
  p = p * m - 1.2420140846e-1f;
  p = p * m + 1.4249322787e-1f;
  p = p * m - 1.6668057665e-1f;
  p = p * m + 2.0000714765e-1f;
  p = p * m - 2.4999993993e-1f;
  p = p * m + 3.3333331174e-1f;
  Floats square = m * m;
  Floats y = p * m * square + e * -2.12194440e-4f - 0.5f * square;
  Floats result = m + y + e * 0.693359375f;
  result = select(x == 0.0f, broadcast(-__builtin_inff()), result);
  return select(x == broadcast(__builtin_inff()), x, result);
}

// Numbers [index, index + kLanes) of the `dim` that mx.random.gumbel gives for a key.
VIVACE_INLINE Floats gumbel(Pair<uint32_t> key, int64_t index, int64_t dim) {
  UInts i;
  for (int lane = 0; lane < kLanes; lane++) i[lane] = (uint32_t)index + lane;
  // Word j of the first half and word j + offset come from one call; an odd one stands alone in the middle.
  const uint32_t half = dim / 2, offset = half + dim % 2;
  UInts in_first = (UInts)(i < half), alone = dim % 2 ? (UInts)(i == half) : UInts{};
  UInts first = (in_first & i) | (alone & i) | (~(in_first | alone) & (i - offset));
  UInts second = (in_first & (i + offset)) | (~(in_first | alone) & i);
  Pair<UInts> words = threefry<UInts>(key.first, key.second, first, second);
  UInts word = ((in_first | alone) & words.first) | (~(in_first | alone) & words.second);
  Floats uniform = min(__builtin_convertvector(word, Floats) * 0x1p-32f, broadcast(0x1.fffffep-1f));
  return -log(-log(uniform));
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
