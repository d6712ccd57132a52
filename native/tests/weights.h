// Random matrices in all formats, and what they are in double.
#pragma once
#include "check.h"
#include "kernels/panels.h"

namespace vivace {

// A format, and rows of `k` elements that suit it.
struct Shape {
  Format format;
  int32_t bits, group;
  int64_t k;
};
Shape any_shape(Random& random, int64_t most);

// As a kernel gets it: [n, k], of one matrix or of several that follow each other.
struct Matrix {
  std::vector<uint8_t> packed;  // quantized, as MLX stores it
  Array dense, scales, biases;  // scales of mxfp4 are bytes in `exponents`
  std::vector<uint8_t> exponents;
  std::vector<uint8_t> panels;
  std::vector<double> values;  // [count * n, k]
  Weight weight;               // of the first; it points into this object

  static Matrix random(const Kernels& kernels, Random& random, const Shape& shape, int64_t n, int64_t count = 1);
  double operator()(int64_t row, int64_t column) const { return values[row * weight.k + column]; }
};

}  // namespace vivace
