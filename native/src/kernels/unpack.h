// Packed weights to bytes, a chunk of 64 at a time.
//
// MLX packs the values of a row one after another, the first in the lowest bits: 64 values of b bits are 8 b bytes.
#pragma once
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// How the values of a weight are coded. split4 is q4 unpacked in another order: the even values of a chunk, then the odd
// ones. e2m1 unpacks to 2 * value + 12, an integer from 0 to 24.
enum class Code { q2, q3, q4, q5, q6, q8, split4, e2m1 };

constexpr int bits_of(Code code) {
  return code == Code::q2 ? 2 : code == Code::q3 ? 3 : code == Code::q5 ? 5 : code == Code::q6 ? 6 : code == Code::q8 ? 8 : 4;
}

constexpr int kChunkVectors = kChunk / (4 * kLanes);

#if defined(__AVX512F__)
VIVACE_INLINE __m512i choose_or(__m512i a, __m512i b, __m512i mask) {  // (a | b) & mask
  return _mm512_ternarylogic_epi32(a, b, mask, 0xA8);
}

// Values of 3, 5 or 6 bits: 16 of them, 2 * bits bytes, in each quarter of the register. Every value lies within two
// neighbouring bytes; even values are shifted down to the low half of a word, odd ones up or down to the high half.
template <int bits>
VIVACE_INLINE __m512i unpack_odd_bits(const uint8_t* w) {
  static constexpr struct Tables {
    alignas(64) uint16_t words[32] = {}, down[32] = {}, up[32] = {};
    alignas(64) uint8_t even[64] = {}, odd[64] = {};
    constexpr Tables() {
      for (int i = 0; i < 32; i++) {
        words[i] = (uint16_t)((i / 8 * bits + i % 8) & 31);
        int first = i % 8 * 2 * bits, second = first + bits;  // bit where the even and the odd value begin
        down[i] = (uint16_t)(first % 8);
        up[i] = (uint16_t)(8 - second % 8);
        even[2 * i] = (uint8_t)(first / 8), even[2 * i + 1] = (uint8_t)(first / 8 + 1);
        odd[2 * i] = (uint8_t)(second / 8), odd[2 * i + 1] = (uint8_t)(second / 8 + 1);
      }
    }
  } tables;
  __m512i packed = _mm512_maskz_loadu_epi16((1u << (4 * bits)) - 1, w);
  packed = _mm512_permutexvar_epi16(_mm512_load_si512(tables.words), packed);
  __m512i even = _mm512_shuffle_epi8(packed, _mm512_load_si512(tables.even));
  __m512i odd = _mm512_shuffle_epi8(packed, _mm512_load_si512(tables.odd));
  even = _mm512_and_si512(_mm512_srlv_epi16(even, _mm512_load_si512(tables.down)), _mm512_set1_epi16((1 << bits) - 1));
  odd = _mm512_and_si512(_mm512_sllv_epi16(odd, _mm512_load_si512(tables.up)),
                         _mm512_set1_epi16((short)(((1 << bits) - 1) << 8)));
  return _mm512_or_si512(even, odd);
}

template <Code code>
VIVACE_INLINE void unpack(const uint8_t* w, Bytes* out) {
  __m512i result;
  if constexpr (code == Code::q8) {
    result = _mm512_loadu_si512(w);
  } else if constexpr (code == Code::split4) {
    __m512i twice = _mm512_broadcast_i64x4(_mm256_loadu_si256((const __m256i*)w));
    twice = _mm512_srlv_epi64(twice, _mm512_set_epi64(4, 4, 4, 4, 0, 0, 0, 0));
    result = _mm512_and_si512(twice, _mm512_set1_epi8(15));
  } else if constexpr (bits_of(code) == 4) {
    __m512i wide = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)w));
    result = choose_or(wide, _mm512_slli_epi16(wide, 4), _mm512_set1_epi8(15));
    if constexpr (code == Code::e2m1) {
      const __m128i table = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
      result = _mm512_shuffle_epi8(_mm512_broadcast_i32x4(table), result);
    }
  } else if constexpr (code == Code::q2) {
    __m512i wide = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)w));
    wide = _mm512_or_si512(wide, _mm512_slli_epi32(wide, 12));
    result = choose_or(wide, _mm512_slli_epi32(wide, 6), _mm512_set1_epi8(3));
  } else {
    result = unpack_odd_bits<bits_of(code)>(w);
  }
  out[0] = (Bytes)result;
}
#elif defined(__AVX2__)
// As above, 32 values; there is no shift by variable counts of words, so multiplications shift up and one shift down.
template <int bits>
VIVACE_INLINE __m256i unpack_odd_bits(const uint8_t* w) {
  constexpr int kLoaded = bits == 3 ? 8 : 16;  // bytes that both halves load: the first and the last of 4 * bits
  static constexpr struct Tables {
    alignas(32) uint16_t even_up[16] = {}, odd_up[16] = {};
    alignas(32) uint8_t even[32] = {}, odd[32] = {};
    constexpr Tables() {
      for (int i = 0; i < 16; i++) {
        int first = i % 8 * 2 * bits, second = first + bits, skipped = i < 8 ? 0 : 2 * bits - (4 * bits - kLoaded);
        even_up[i] = (uint16_t)(1 << (8 - first % 8));
        odd_up[i] = (uint16_t)(1 << (8 - second % 8));
        even[2 * i] = (uint8_t)(first / 8 + skipped), even[2 * i + 1] = (uint8_t)(first / 8 + 1 + skipped);
        odd[2 * i] = (uint8_t)(second / 8 + skipped), odd[2 * i + 1] = (uint8_t)(second / 8 + 1 + skipped);
      }
    }
  } tables;
  auto half = [](const uint8_t* p) {
    return bits == 3 ? _mm_loadl_epi64((const __m128i*)p) : _mm_loadu_si128((const __m128i*)p);
  };
  __m256i packed = _mm256_set_m128i(half(w + 4 * bits - kLoaded), half(w));
  __m256i even = _mm256_shuffle_epi8(packed, _mm256_load_si256((const __m256i*)tables.even));
  __m256i odd = _mm256_shuffle_epi8(packed, _mm256_load_si256((const __m256i*)tables.odd));
  even = _mm256_srli_epi16(_mm256_mullo_epi16(even, _mm256_load_si256((const __m256i*)tables.even_up)), 8);
  odd = _mm256_mullo_epi16(odd, _mm256_load_si256((const __m256i*)tables.odd_up));
  even = _mm256_and_si256(even, _mm256_set1_epi16((1 << bits) - 1));
  odd = _mm256_and_si256(odd, _mm256_set1_epi16((short)(((1 << bits) - 1) << 8)));
  return _mm256_or_si256(even, odd);
}

template <Code code>
VIVACE_INLINE void unpack(const uint8_t* w, Bytes* out) {
  if constexpr (code == Code::split4) {
    Bytes both = load_as<Bytes>(w);
    out[0] = both & 15;
    out[1] = both >> 4;
    return;
  }
  for (int half = 0; half < 2; half++, w += 4 * bits_of(code)) {
    __m256i result;
    if constexpr (code == Code::q8) {
      result = _mm256_loadu_si256((const __m256i*)w);
    } else if constexpr (bits_of(code) == 4) {
      __m256i wide = _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i*)w));
      result = _mm256_and_si256(_mm256_or_si256(wide, _mm256_slli_epi16(wide, 4)), _mm256_set1_epi8(15));
      if constexpr (code == Code::e2m1) {
        const __m128i table = _mm_setr_epi8(12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0);
        result = _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(table), result);
      }
    } else if constexpr (code == Code::q2) {
      __m256i wide = _mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i*)w));
      wide = _mm256_or_si256(wide, _mm256_slli_epi32(wide, 12));
      result = _mm256_and_si256(_mm256_or_si256(wide, _mm256_slli_epi32(wide, 6)), _mm256_set1_epi8(3));
    } else {
      result = unpack_odd_bits<bits_of(code)>(w);
    }
    out[half] = (Bytes)result;
  }
}
#else
// Eight values of any width, in the low bits of a word of 64, each to a byte: halves apart, then quarters, then eighths.
template <int bits>
VIVACE_INLINE uint64_t spread(uint64_t v) {
  constexpr uint64_t one = (1ull << bits) - 1, two = (1ull << 2 * bits) - 1, four = (1ull << 4 * bits) - 1;
  constexpr uint64_t halves = 1, quarters = halves | halves << 32, eighths = quarters | quarters << 16;
  v = (v & four * halves) | (v << (32 - 4 * bits) & four << 32);
  v = (v & two * quarters) | (v << (16 - 2 * bits) & two * quarters << 16);
  return (v & one * eighths) | (v << (8 - bits) & one * eighths << 8);
}

template <Code code>
VIVACE_INLINE void unpack(const uint8_t* w, Bytes* out) {
  constexpr int bits = bits_of(code);
  if constexpr (code == Code::split4) {
    Bytes first = load_as<Bytes>(w), second = load_as<Bytes>(w + sizeof(Bytes));
    out[0] = first & 15, out[1] = second & 15, out[2] = first >> 4, out[3] = second >> 4;
  } else if constexpr (code == Code::q8) {
    std::memcpy(out, w, kChunk);
  } else {
    uint64_t bytes[kChunk / 8];
    for (int i = 0; i < kChunk / 8; i++) {
      uint64_t packed = 0;
      std::memcpy(&packed, w + i * bits, bits);
      bytes[i] = spread<bits>(packed);
    }
    if constexpr (code == Code::e2m1) {
      static constexpr uint8_t table[16] = {12, 13, 14, 15, 16, 18, 20, 24, 12, 11, 10, 9, 8, 6, 4, 0};
      auto* values = reinterpret_cast<uint8_t*>(bytes);
      for (int i = 0; i < kChunk; i++) values[i] = table[values[i]];
    }
    std::memcpy(out, bytes, kChunk);
  }
}
#endif

// The first 32 values of a chunk of which no more exist; the others are those of zeros.
template <Code code>
VIVACE_INLINE void unpack_half(const uint8_t* w, Bytes* out) {
  uint8_t copy[kChunk] = {};
  std::memcpy(copy, w, 4 * bits_of(code));
  unpack<code>(copy, out);
}

// The code and the block of a weight as a type, for templates: with_layout(weight, split, [&](auto layout) {...}).
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
VIVACE_INLINE void with_layout(const Weight& weight, bool split, const Body& body) {
  if (weight.format == Format::mxfp4) return body(Layout<Code::e2m1, 32>{});
  if (split) return body(Layout<Code::split4, 64>{});
  switch (weight.bits) {
    case 2: return with_block<Code::q2>(weight, body);
    case 3: return with_block<Code::q3>(weight, body);
    case 4: return with_block<Code::q4>(weight, body);
    case 5: return with_block<Code::q5>(weight, body);
    case 6: return with_block<Code::q6>(weight, body);
    default: return with_block<Code::q8>(weight, body);
  }
}

template <Code code>
VIVACE_INLINE Ints dot_codes(Ints acc, Bytes w, SBytes x) {
  return code == Code::q8 ? dot4(acc, w, x) : dot4_small(acc, w, x);
}

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
