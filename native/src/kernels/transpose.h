// Square transposes in registers.
#pragma once
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// rows[i][j] and rows[j][i] change places.
#if defined(__AVX512F__)
VIVACE_INLINE void transpose(Ints (&rows)[16]) {
  __m512i a[16], b[16];
  for (int i = 0; i < 16; i += 2) {
    a[i] = _mm512_unpacklo_epi32((__m512i)rows[i], (__m512i)rows[i + 1]);
    a[i + 1] = _mm512_unpackhi_epi32((__m512i)rows[i], (__m512i)rows[i + 1]);
  }
  for (int i = 0; i < 16; i += 4) {
    b[i] = _mm512_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm512_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm512_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm512_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int j = 0; j < 4; j++) {
    __m512i even_low = _mm512_shuffle_i32x4(b[j], b[4 + j], 0x88), odd_low = _mm512_shuffle_i32x4(b[j], b[4 + j], 0xDD);
    __m512i even_high = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0x88);
    __m512i odd_high = _mm512_shuffle_i32x4(b[8 + j], b[12 + j], 0xDD);
    rows[j] = (Ints)_mm512_shuffle_i32x4(even_low, even_high, 0x88);
    rows[4 + j] = (Ints)_mm512_shuffle_i32x4(odd_low, odd_high, 0x88);
    rows[8 + j] = (Ints)_mm512_shuffle_i32x4(even_low, even_high, 0xDD);
    rows[12 + j] = (Ints)_mm512_shuffle_i32x4(odd_low, odd_high, 0xDD);
  }
}
#elif defined(__AVX2__)
VIVACE_INLINE void transpose(Ints (&rows)[8]) {
  __m256i a[8], b[8];
  for (int i = 0; i < 8; i += 2) {
    a[i] = _mm256_unpacklo_epi32((__m256i)rows[i], (__m256i)rows[i + 1]);
    a[i + 1] = _mm256_unpackhi_epi32((__m256i)rows[i], (__m256i)rows[i + 1]);
  }
  for (int i = 0; i < 8; i += 4) {
    b[i] = _mm256_unpacklo_epi64(a[i], a[i + 2]);
    b[i + 1] = _mm256_unpackhi_epi64(a[i], a[i + 2]);
    b[i + 2] = _mm256_unpacklo_epi64(a[i + 1], a[i + 3]);
    b[i + 3] = _mm256_unpackhi_epi64(a[i + 1], a[i + 3]);
  }
  for (int j = 0; j < 4; j++) {
    rows[j] = (Ints)_mm256_permute2x128_si256(b[j], b[4 + j], 0x20);
    rows[4 + j] = (Ints)_mm256_permute2x128_si256(b[j], b[4 + j], 0x31);
  }
}
#else
VIVACE_INLINE void transpose(Ints (&rows)[4]) {
  Ints a = __builtin_shuffle(rows[0], rows[1], (Ints){0, 4, 1, 5}), b = __builtin_shuffle(rows[0], rows[1], (Ints){2, 6, 3, 7});
  Ints c = __builtin_shuffle(rows[2], rows[3], (Ints){0, 4, 1, 5}), d = __builtin_shuffle(rows[2], rows[3], (Ints){2, 6, 3, 7});
  rows[0] = __builtin_shuffle(a, c, (Ints){0, 1, 4, 5});
  rows[1] = __builtin_shuffle(a, c, (Ints){2, 3, 6, 7});
  rows[2] = __builtin_shuffle(b, d, (Ints){0, 1, 4, 5});
  rows[3] = __builtin_shuffle(b, d, (Ints){2, 3, 6, 7});
}
#endif

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
