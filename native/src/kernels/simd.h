// Vectors of the widest kind that the level has, with the few operations that kernels are written in.
//
// Everything here is in the level's own namespace and static: the same function compiled for two instruction sets must
// never be merged by the linker, or AVX-512 instructions would reach a processor without them. For the same reason
// kernels use no templates of the standard library (a test looks for such symbols in the object files).
#pragma once
#include <cstdint>
#include <cstring>

#include "kernels/types.h"
#include "runtime/pool.h"
#include "runtime/scratch.h"

#if defined(__AVX512F__) || defined(__AVX2__)
#include <immintrin.h>
#elif defined(__SSE2__)
#include <emmintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define VIVACE_INLINE static inline __attribute__((always_inline))

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

#if defined(__AVX512F__)
constexpr int kLanes = 16;
#elif defined(__AVX2__)
constexpr int kLanes = 8;
#else
constexpr int kLanes = 4;
#endif

typedef float Floats __attribute__((vector_size(kLanes * 4)));
typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));
typedef uint32_t UInts __attribute__((vector_size(kLanes * 4)));
typedef uint8_t Bytes __attribute__((vector_size(kLanes * 4)));  // 4 * kLanes
typedef int8_t SBytes __attribute__((vector_size(kLanes * 4)));
typedef uint16_t Shorts __attribute__((vector_size(kLanes * 2)));

struct half {
  uint16_t bits;
};
struct bfloat {
  uint16_t bits;
};

template <class T>
VIVACE_INLINE constexpr T smaller(T a, T b) {
  return a < b ? a : b;
}
template <class T>
VIVACE_INLINE constexpr T larger(T a, T b) {
  return a > b ? a : b;
}
VIVACE_INLINE constexpr int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }
VIVACE_INLINE constexpr int64_t round_up(int64_t a, int64_t b) { return ceil_div(a, b) * b; }

// ---- loads and stores, unaligned ----

template <class V>
VIVACE_INLINE V load_as(const void* p) {
  V v;
  std::memcpy(&v, p, sizeof v);
  return v;
}
template <class V>
VIVACE_INLINE void store_as(void* p, V v) {
  std::memcpy(p, &v, sizeof v);
}

VIVACE_INLINE Floats broadcast(float x) { return x - Floats{}; }
VIVACE_INLINE Ints broadcast(int32_t x) { return x - Ints{}; }
VIVACE_INLINE Floats to_floats(Ints x) { return __builtin_convertvector(x, Floats); }
VIVACE_INLINE Ints bits_of(Floats x) { return (Ints)x; }
VIVACE_INLINE Floats select(Ints mask, Floats yes, Floats no) { return (Floats)((mask & (Ints)yes) | (~mask & (Ints)no)); }
VIVACE_INLINE Floats fma(Floats a, Floats b, Floats c) { return a * b + c; }
#if defined(__AVX512F__)
VIVACE_INLINE Floats max(Floats a, Floats b) { return (Floats)_mm512_max_ps((__m512)a, (__m512)b); }
VIVACE_INLINE Floats min(Floats a, Floats b) { return (Floats)_mm512_min_ps((__m512)a, (__m512)b); }
#else
VIVACE_INLINE Floats max(Floats a, Floats b) { return select(a > b, a, b); }
VIVACE_INLINE Floats min(Floats a, Floats b) { return select(a < b, a, b); }
#endif
VIVACE_INLINE Floats abs(Floats x) { return (Floats)((Ints)x & 0x7FFFFFFF); }

// half to float and back: round to nearest even, NaN and infinity kept, subnormals exact.
#if defined(__AVX512F__)
VIVACE_INLINE Floats widen_half(Shorts h) { return (Floats)_mm512_cvtph_ps((__m256i)h); }
VIVACE_INLINE Shorts narrow_half(Floats f) { return (Shorts)_mm512_cvtps_ph((__m512)f, _MM_FROUND_TO_NEAREST_INT); }
#elif defined(__AVX2__)
VIVACE_INLINE Floats widen_half(Shorts h) { return (Floats)_mm256_cvtph_ps((__m128i)h); }
VIVACE_INLINE Shorts narrow_half(Floats f) { return (Shorts)_mm256_cvtps_ph((__m256)f, _MM_FROUND_TO_NEAREST_INT); }
#elif defined(__ARM_NEON)
VIVACE_INLINE Floats widen_half(Shorts h) { return (Floats)vcvt_f32_f16((float16x4_t)h); }
VIVACE_INLINE Shorts narrow_half(Floats f) { return (Shorts)vcvt_f16_f32((float32x4_t)f); }
#else
VIVACE_INLINE Floats widen_half(Shorts h) {
  Ints wide = __builtin_convertvector(h, Ints);
  Ints sign = (wide & 0x8000) << 16, rest = wide & 0x7FFF;
  Floats normal = (Floats)((rest << 13) + ((127 - 15) << 23));
  Floats subnormal = to_floats(rest) * 0x1p-24f;
  Floats special = (Floats)(((rest & 0x3FF) << 13) | 0x7F800000);
  Floats magnitude = select(rest < 0x400, subnormal, select(rest >= 0x7C00, special, normal));
  return (Floats)((Ints)magnitude | sign);
}
VIVACE_INLINE Shorts narrow_half(Floats f) {
  Ints all = (Ints)f, sign = (all >> 16) & 0x8000, rest = all & 0x7FFFFFFF;
  // Scaled down, the float unit itself rounds to the 10 bits of a subnormal half.
  Ints subnormal = (Ints)((Floats)rest + 0.5f) - 0x3F000000;
  Ints normal = (rest - ((127 - 15) << 23) + ((rest >> 13) & 1) + 0xFFF) >> 13;  // in this order no NaN overflows
  Ints special = (rest > 0x7F800000) & 0x7E00;
  special = special | ((rest <= 0x7F800000) & 0x7C00);
  Ints small = rest < ((127 - 14) << 23), large = rest >= ((127 + 16) << 23);
  Ints magnitude = (small & subnormal) | (~small & ((large & special) | (~large & normal)));
  return __builtin_convertvector(magnitude | sign, Shorts);
}
#endif

VIVACE_INLINE Floats widen_bfloat(Shorts b) {
#if defined(__AVX512F__)
  return (Floats)_mm512_slli_epi32(_mm512_cvtepu16_epi32((__m256i)b), 16);
#elif defined(__AVX2__)
  return (Floats)_mm256_slli_epi32(_mm256_cvtepu16_epi32((__m128i)b), 16);
#else
  return (Floats)(__builtin_convertvector(b, Ints) << 16);
#endif
}
VIVACE_INLINE Shorts narrow_bfloat(Floats f) {
  UInts all = (UInts)f;
  UInts rounded = (all + 0x7FFF + ((all >> 16) & 1)) >> 16;
  UInts quiet = (all >> 16) | 0x40;  // rounding could carry a NaN to infinity
  UInts nan = (UInts)((Ints)(all & 0x7FFFFFFF) > 0x7F800000);
  UInts result = (nan & quiet) | (~nan & rounded);
#if defined(__AVX512F__)
  return (Shorts)_mm512_cvtepi32_epi16((__m512i)result);
#else
  return __builtin_convertvector(result, Shorts);
#endif
}

VIVACE_INLINE Floats load(const float* p) { return load_as<Floats>(p); }
VIVACE_INLINE Floats load(const half* p) { return widen_half(load_as<Shorts>(p)); }
VIVACE_INLINE Floats load(const bfloat* p) { return widen_bfloat(load_as<Shorts>(p)); }
VIVACE_INLINE void store(float* p, Floats v) { store_as(p, v); }
VIVACE_INLINE void store(half* p, Floats v) { store_as(p, narrow_half(v)); }
VIVACE_INLINE void store(bfloat* p, Floats v) { store_as(p, narrow_bfloat(v)); }

// The first n elements (0 to kLanes), others zero, reading and writing no byte beyond them.
template <class T>
VIVACE_INLINE Floats load(const T* p, int64_t n) {
  if (n >= kLanes) return load(p);
#if defined(__AVX512F__)
  __mmask16 mask = (__mmask16)((1u << n) - 1);
  if constexpr (sizeof(T) == 4) {
    return (Floats)_mm512_maskz_loadu_ps(mask, p);
  } else {
    Shorts some = (Shorts)_mm256_maskz_loadu_epi16(mask, p);
    return load((const T*)&some);
  }
#endif
  T part[kLanes] = {};
  std::memcpy(part, p, n * sizeof(T));
  return load(part);
}
template <class T>
VIVACE_INLINE void store(T* p, Floats v, int64_t n) {
  if (n >= kLanes) return store(p, v);
#if defined(__AVX512F__)
  __mmask16 mask = (__mmask16)((1u << n) - 1);
  if constexpr (sizeof(T) == 4) return _mm512_mask_storeu_ps(p, mask, (__m512)v);
#endif
  T part[kLanes];
  store(part, v);
  std::memcpy(p, part, n * sizeof(T));
}

// kLanes bytes as integers, and the lowest byte of each integer. GCC takes the elements one by one without the intrinsics.
VIVACE_INLINE Ints load_bytes(const uint8_t* p) {
#if defined(__AVX512F__)
  return (Ints)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)p));
#elif defined(__AVX2__)
  return (Ints)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)p));
#elif defined(__SSE2__)
  const __m128i zero = _mm_setzero_si128();
  return (Ints)_mm_unpacklo_epi16(_mm_unpacklo_epi8(_mm_cvtsi32_si128(load_as<int32_t>(p)), zero), zero);
#else
  typedef uint8_t Few __attribute__((vector_size(kLanes)));
  return __builtin_convertvector(load_as<Few>(p), Ints);
#endif
}
VIVACE_INLINE void store_bytes(int8_t* p, Ints v) {
#if defined(__AVX512F__)
  _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8((__m512i)v));
#elif defined(__AVX2__)
  const __m256i lowest = _mm256_set1_epi32(0x0C080400);
  __m256i quarters = _mm256_shuffle_epi8((__m256i)v, lowest);
  _mm_storel_epi64((__m128i*)p, _mm_unpacklo_epi32(_mm256_castsi256_si128(quarters), _mm256_extracti128_si256(quarters, 1)));
#else
  for (int i = 0; i < kLanes; i++) p[i] = (int8_t)v[i];
#endif
}

VIVACE_INLINE float scalar(float x) { return x; }
template <class T>
VIVACE_INLINE float scalar(T x) {
  T part[kLanes] = {x};
  return load(part)[0];
}
VIVACE_INLINE void put(float* p, float x) { *p = x; }
template <class T>
VIVACE_INLINE void put(T* p, float x) {
  T part[kLanes];
  store(part, broadcast(x));
  *p = part[0];
}

// ---- reductions ----

#if defined(__AVX512F__)
VIVACE_INLINE float sum(Floats v) { return _mm512_reduce_add_ps((__m512)v); }
VIVACE_INLINE float largest(Floats v) { return _mm512_reduce_max_ps((__m512)v); }
VIVACE_INLINE int32_t sum(Ints v) { return _mm512_reduce_add_epi32((__m512i)v); }
VIVACE_INLINE int32_t largest(Ints v) { return _mm512_reduce_max_epi32((__m512i)v); }
#else
VIVACE_INLINE float sum(Floats v) {
  float parts[kLanes];
  store(parts, v);
  for (int width = kLanes / 2; width > 0; width /= 2)
    for (int i = 0; i < width; i++) parts[i] += parts[i + width];
  return parts[0];
}
VIVACE_INLINE float largest(Floats v) {
  float best = v[0];
  for (int i = 1; i < kLanes; i++) best = larger(best, (float)v[i]);
  return best;
}
VIVACE_INLINE int32_t sum(Ints v) {
  int32_t total = 0;
  for (int i = 0; i < kLanes; i++) total += v[i];
  return total;
}
VIVACE_INLINE int32_t largest(Ints v) {
  int32_t best = v[0];
  for (int i = 1; i < kLanes; i++) best = larger(best, (int32_t)v[i]);
  return best;
}
#endif

// ---- shuffles ----

// a0 b0 a1 b1 ... of the first and of the second half of the lanes.
#if defined(__AVX512F__)
VIVACE_INLINE Floats zip_low(Floats a, Floats b) {
  return __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
}
VIVACE_INLINE Floats zip_high(Floats a, Floats b) {
  return __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
}
#elif defined(__AVX2__)
VIVACE_INLINE Floats zip_low(Floats a, Floats b) { return __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11); }
VIVACE_INLINE Floats zip_high(Floats a, Floats b) { return __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15); }
#else
VIVACE_INLINE Floats zip_low(Floats a, Floats b) { return __builtin_shufflevector(a, b, 0, 4, 1, 5); }
VIVACE_INLINE Floats zip_high(Floats a, Floats b) { return __builtin_shufflevector(a, b, 2, 6, 3, 7); }
#endif

// The square of kLanes vectors becomes its transpose: a perfect shuffle for each bit of the index.
VIVACE_INLINE void transpose(Floats (&v)[kLanes]) {
  for (int step = 1; step < kLanes; step *= 2) {
    Floats next[kLanes];
    for (int i = 0; i < kLanes / 2; i++) {
      next[2 * i] = zip_low(v[i], v[i + kLanes / 2]);
      next[2 * i + 1] = zip_high(v[i], v[i + kLanes / 2]);
    }
    for (int i = 0; i < kLanes; i++) v[i] = next[i];
  }
}

// Lane i is the sum of the lanes of v[i]; v is used up.
VIVACE_INLINE Floats sums_of(Floats (&v)[kLanes]) {
  for (int half_count = kLanes / 2; half_count > 0; half_count /= 2)
    for (int i = 0; i < half_count; i++) v[i] = zip_low(v[i], v[i + half_count]) + zip_high(v[i], v[i + half_count]);
  return v[0];
}
VIVACE_INLINE Ints sums_of(Ints (&v)[kLanes]) {
  for (int half_count = kLanes / 2; half_count > 0; half_count /= 2)
    for (int i = 0; i < half_count; i++) {
      Floats a = (Floats)v[i], b = (Floats)v[i + half_count];
      v[i] = (Ints)zip_low(a, b) + (Ints)zip_high(a, b);
    }
  return v[0];
}

// ---- functions ----

VIVACE_INLINE Floats round_even(Floats x) {  // |x| < 2^22
  const Floats magic = broadcast(12582912.0f);
  return (x + magic) - magic;
}

// e^x to 2 units in the last place; 0 below -104, infinity above 88.8, NaN of NaN. Range reduction and polynomial as in
// Cephes' expf.
VIVACE_INLINE Floats exp(Floats x) {
  Floats clipped = min(max(x, broadcast(-104.0f)), broadcast(89.0f));
  Floats n = round_even(clipped * 1.44269504088896341f);
  Floats r = clipped - n * 0.693359375f;
  r = r - n * -2.12194440e-4f;
  Floats p = broadcast(1.9875691500e-4f);
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  // 2^n in two factors, each in range: n reaches from -150 to 128.
  Ints whole = __builtin_convertvector(n, Ints), first = whole >> 1, second = whole - first;
  p = p * (Floats)((first + 127) << 23) * (Floats)((second + 127) << 23);
  return select(x != x, x, p);
}

VIVACE_INLINE Floats sigmoid(Floats x) { return 1.0f / (1.0f + exp(-x)); }
VIVACE_INLINE Floats silu(Floats x) { return x / (1.0f + exp(-x)); }

// ---- int8 products ----

// acc[i] += sum of the four products w[4i..4i+3] * x[4i..4i+3]; w 0 to 255, x -127 to 127, exact.
VIVACE_INLINE Ints dot4(Ints acc, Bytes w, SBytes x) {
#if defined(__AVX512VNNI__)
  return (Ints)_mm512_dpbusd_epi32((__m512i)acc, (__m512i)w, (__m512i)x);
#elif defined(__AVX512F__)
  // maddubs saturates at 16 bits, which 2 * 255 * 127 exceeds: even and odd bytes apart.
  __m512i low = _mm512_and_si512((__m512i)w, _mm512_set1_epi16(0xFF)), high = _mm512_srli_epi16((__m512i)w, 8);
  __m512i x_low = _mm512_srai_epi16(_mm512_slli_epi16((__m512i)x, 8), 8), x_high = _mm512_srai_epi16((__m512i)x, 8);
  __m512i sum = _mm512_add_epi32(_mm512_madd_epi16(low, x_low), _mm512_madd_epi16(high, x_high));
  return (Ints)_mm512_add_epi32((__m512i)acc, sum);
#elif defined(__AVX2__)
  __m256i low = _mm256_and_si256((__m256i)w, _mm256_set1_epi16(0xFF)), high = _mm256_srli_epi16((__m256i)w, 8);
  __m256i x_low = _mm256_srai_epi16(_mm256_slli_epi16((__m256i)x, 8), 8), x_high = _mm256_srai_epi16((__m256i)x, 8);
  __m256i sum = _mm256_add_epi32(_mm256_madd_epi16(low, x_low), _mm256_madd_epi16(high, x_high));
  return (Ints)_mm256_add_epi32((__m256i)acc, sum);
#elif defined(__ARM_FEATURE_DOTPROD)
  // Signed by signed only: w - 128, and 128 times the sum of x is added back.
  int8x16_t shifted = vreinterpretq_s8_u8(veorq_u8((uint8x16_t)w, vdupq_n_u8(0x80)));
  int32x4_t sum = vdotq_s32((int32x4_t)acc, shifted, (int8x16_t)x);
  return (Ints)vaddq_s32(sum, vshlq_n_s32(vdotq_s32(vdupq_n_s32(0), vdupq_n_s8(1), (int8x16_t)x), 7));
#elif defined(__ARM_NEON)
  // A product fits 16 bits (255 * 127), the sum of two does not.
  int16x8_t low = vmulq_s16(vreinterpretq_s16_u16(vmovl_u8(vget_low_u8((uint8x16_t)w))), vmovl_s8(vget_low_s8((int8x16_t)x)));
  int16x8_t high = vmulq_s16(vreinterpretq_s16_u16(vmovl_high_u8((uint8x16_t)w)), vmovl_high_s8((int8x16_t)x));
  return (Ints)vaddq_s32((int32x4_t)acc, vpaddq_s32(vpaddlq_s16(low), vpaddlq_s16(high)));
#elif defined(__SSE2__)
  const __m128i zero = _mm_setzero_si128(), codes = (__m128i)w, values = (__m128i)x;
  __m128i x_low = _mm_srai_epi16(_mm_unpacklo_epi8(values, values), 8), x_high = _mm_srai_epi16(_mm_unpackhi_epi8(values, values), 8);
  __m128 low = (__m128)_mm_madd_epi16(_mm_unpacklo_epi8(codes, zero), x_low);
  __m128 high = (__m128)_mm_madd_epi16(_mm_unpackhi_epi8(codes, zero), x_high);
  return acc + (Ints)_mm_shuffle_ps(low, high, 0x88) + (Ints)_mm_shuffle_ps(low, high, 0xDD);
#else
  typedef int16_t Wide __attribute__((vector_size(kLanes * 8)));
  Wide a = __builtin_convertvector(w, Wide), b = __builtin_convertvector(x, Wide);
  for (int i = 0; i < kLanes; i++)
    acc[i] += a[4 * i] * b[4 * i] + a[4 * i + 1] * b[4 * i + 1] + a[4 * i + 2] * b[4 * i + 2] + a[4 * i + 3] * b[4 * i + 3];
  return acc;
#endif
}
// The same where w is at most 127 (weights of up to 6 bits): no intermediate sum can overflow 16 bits.
VIVACE_INLINE Ints dot4_small(Ints acc, Bytes w, SBytes x) {
#if defined(__AVX512F__) && !defined(__AVX512VNNI__)
  __m512i pairs = _mm512_maddubs_epi16((__m512i)w, (__m512i)x);
  return (Ints)_mm512_add_epi32((__m512i)acc, _mm512_madd_epi16(pairs, _mm512_set1_epi16(1)));
#elif defined(__AVX2__) && !defined(__AVX512F__)
  __m256i pairs = _mm256_maddubs_epi16((__m256i)w, (__m256i)x);
  return (Ints)_mm256_add_epi32((__m256i)acc, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
#elif defined(__ARM_FEATURE_DOTPROD)
  return (Ints)vdotq_s32((int32x4_t)acc, vreinterpretq_s8_u8((uint8x16_t)w), (int8x16_t)x);
#else
  return dot4(acc, w, x);
#endif
}

// ---- helpers ----

VIVACE_INLINE void prefetch(const void* p) { __builtin_prefetch(p, 0, 3); }

template <class Body>
VIVACE_INLINE void parallel_for(int64_t count, const Body& body) {
  parallel(count, [](void* context, int64_t i) { (*static_cast<const Body*>(context))(i); }, (void*)&body);
}

}  // namespace

// Runs the code with T as the C++ type of a Type: VIVACE_DISPATCH(args.type, T, run<T>(args));
#define VIVACE_DISPATCH(type, T, ...)                    \
  do {                                                   \
    if ((type) == Type::f32) {                           \
      using T = float;                                   \
      __VA_ARGS__;                                       \
    } else if ((type) == Type::f16) {                    \
      using T = half;                                    \
      __VA_ARGS__;                                       \
    } else {                                             \
      using T = bfloat;                                  \
      __VA_ARGS__;                                       \
    }                                                    \
  } while (0)

}  // namespace VIVACE_LEVEL
}  // namespace vivace
