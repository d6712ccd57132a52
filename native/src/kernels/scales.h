// The scales and biases of quantized weights, as float32.
#pragma once
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// 2^(e - 127), halved: e2m1 values are unpacked doubled. NaN for 255. The smallest two exponents give subnormal numbers.
VIVACE_INLINE Floats power_of(Ints e) {
  Ints normal = (e - 1) << 23, subnormal = (e < 1) & 0x200000;
  subnormal = subnormal | ((e == 1) & 0x400000);
  Floats value = (Floats)((e > 1 ? normal : subnormal));
  return select(e == 255, broadcast(__builtin_nanf("")), value);
}

VIVACE_INLINE Floats load_any(const void* p, Type type, int64_t at, int64_t n) {
  if (type == Type::bf16) return load((const bfloat*)p + at, n);
  if (type == Type::f16) return load((const half*)p + at, n);
  return load((const float*)p + at, n);
}

VIVACE_INLINE Floats each_twice(Floats v) {
#if defined(__AVX512F__)
  return __builtin_shuffle(v, (Ints){0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7});
#elif defined(__AVX2__)
  return __builtin_shuffle(v, (Ints){0, 0, 1, 1, 2, 2, 3, 3});
#else
  return __builtin_shuffle(v, (Ints){0, 0, 1, 1});
#endif
}

struct ScaleBias {
  Floats scale, bias;
};

// Of the blocks [block, block + n) of a row, n up to kLanes; zeros beyond. A group of 128 is two blocks.
VIVACE_INLINE ScaleBias scales_of(const Weight& w, int64_t row, int64_t block, int64_t n) {
  if (w.format == Format::mxfp4) {
    uint8_t exponents[kLanes] = {};
    const uint8_t* from = (const uint8_t*)w.scales + row * (w.k / 32) + block;
    if (n >= kLanes) std::memcpy(exponents, from, kLanes);
    else std::memcpy(exponents, from, n);
    Floats scale = power_of(load_bytes(exponents));
    return {scale, scale * -12.0f};
  }
  int64_t first = row * (w.k / w.group);
  if (w.group != 128) {
    first += block;
    return {load_any(w.scales, w.type, first, n), load_any(w.biases, w.type, first, n)};
  }
  first += block / 2;
  int64_t groups = smaller<int64_t>(n, kLanes) / 2;
  return {each_twice(load_any(w.scales, w.type, first, groups)), each_twice(load_any(w.biases, w.type, first, groups))};
}

// The scales of kLanes columns, which lie together.
VIVACE_INLINE void prefetch_scales(const Weight& weight, int64_t column) {
  int64_t bytes = weight.k / weight.group * (weight.format == Format::mxfp4 ? 1 : size_of(weight.type));
  for (int64_t at = column * bytes; at < (column + kLanes) * bytes; at += 64) {
    prefetch((const char*)weight.scales + at);
    if (weight.biases) prefetch((const char*)weight.biases + at);
  }
}

VIVACE_INLINE int block_of(const Weight& w) { return w.group == 32 ? 32 : 64; }

}  // namespace
}  // namespace VIVACE_LEVEL
}  // namespace vivace
