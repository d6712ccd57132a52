// The codes of quantized weights as bytes, from panels.
#pragma once
#include "kernels/panels.h"
#include "kernels/simd.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// e2m1 becomes 2 * value + 12, an integer from 0 to 24.
enum class Code { q2, q3, q4, q5, q6, q8, e2m1 };

constexpr int bits_of(Code code) {
  return code == Code::q2 ? 2 : code == Code::q3 ? 3 : code == Code::q5 ? 5 : code == Code::q6 ? 6 : code == Code::q8 ? 8 : 4;
}

// Elements i of the bytes of a plane of `bits`, whose first word row is at `plane`.
template <int bits>
VIVACE_INLINE Ints plane_quad(const uint8_t* plane, int i) {
  constexpr int each = 8 / bits;
  constexpr int32_t mask = (int32_t)(((1u << bits) - 1) * 0x01010101u);
  Ints words = load_as<Ints>(plane + i / each * kWordRow);
  return bits == 8 ? words : (words >> (bits * (i % each))) & mask;
}

// 2 * value + 12 of floats with a sign, two bits of exponent and one of mantissa: 0 0.5 1 1.5 2 3 4 6.
VIVACE_INLINE Bytes from_e2m1(Bytes code) {
#if defined(__AVX512F__)
  const __m128i table = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
  return (Bytes)_mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), (__m512i)code);
#elif defined(__AVX2__)
  const __m128i table = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
  return (Bytes)_mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), (__m256i)code);
#else
  Bytes size = code & 7, above = (Bytes)(size > 4) & (size - 4), twice = size + above + ((Bytes)(size == 7) & 2);
  Bytes negative = (Bytes)(code > 7);
  return (negative & (12 - twice)) | (~negative & (12 + twice));
#endif
}

// Elements 4 i to 4 i + 3 of a unit, a byte each, of kLanes columns that begin at `unit`.
template <Code code>
VIVACE_INLINE Bytes quad(const uint8_t* unit, int i) {
  constexpr int bits = bits_of(code), low = low_bits(bits);
  Ints codes = plane_quad<low>(unit, i);
  if constexpr (low < bits) codes |= plane_quad<bits - low>(unit + low * kWordRow, i) << low;
  if constexpr (code == Code::e2m1) return from_e2m1((Bytes)codes);
  return (Bytes)codes;
}

template <Code code>
VIVACE_INLINE Ints dot_codes(Ints acc, Bytes w, SBytes x) {
  return code == Code::q8 ? dot4(acc, w, x) : dot4_small(acc, w, x);
}

// 2^(e - 127), halved: e2m1 values are doubled. NaN for 255. The smallest two exponents give subnormal numbers.
VIVACE_INLINE Floats power_of(Ints e) {
  Ints normal = (e - 1) << 23, subnormal = (e < 1) & 0x200000;
  subnormal = subnormal | ((e == 1) & 0x400000);
  Floats value = (Floats)((e > 1 ? normal : subnormal));
  return select(e == 255, broadcast(__builtin_nanf("")), value);
}

VIVACE_INLINE Floats load_any(const uint8_t* p, Type type) {
  if (type == Type::bf16) return load((const bfloat*)p);
  if (type == Type::f16) return load((const half*)p);
  return load((const float*)p);
}

struct ScaleBias {
  Floats scale, bias;
};

// Of kLanes columns from `column` of the panel, of the group that begins at `group`.
template <Code code>
VIVACE_INLINE ScaleBias scales_of(const uint8_t* group, int column, Type type) {
  if constexpr (code == Code::e2m1) {
    Floats scale = power_of(load_bytes(group + column));
    return {scale, scale * -12.0f};
  }
  int64_t size = size_of(type);
  const uint8_t* at = group + column * size;
  return {load_any(at, type), load_any(at + kColumns * size, type)};
}

// The code of a weight and the block of x that it meets as a type, for templates: with_layout(weight, [&](auto layout) {…}).
template <Code c, int b>
struct Layout {
  static constexpr Code code = c;
  static constexpr int block = b, bits = bits_of(c);
};

template <Code code, class Body>
VIVACE_INLINE void with_block(const Weight& weight, const Body& body) {
  if (weight.group == 32) body(Layout<code, 32>{});
  else body(Layout<code, 64>{});
}

template <class Body>
VIVACE_INLINE void with_layout(const Weight& weight, const Body& body) {
  if (weight.format == Format::mxfp4) return body(Layout<Code::e2m1, 32>{});
  switch (weight.bits) {
    case 2: return with_block<Code::q2>(weight, body);
    case 3: return with_block<Code::q3>(weight, body);
    case 4: return with_block<Code::q4>(weight, body);
    case 5: return with_block<Code::q5>(weight, body);
    case 6: return with_block<Code::q6>(weight, body);
    default: return with_block<Code::q8>(weight, body);
  }
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
