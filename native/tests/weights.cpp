#include "weights.h"

namespace vivace {
namespace {

constexpr double kFp4[8] = {0, 0.5, 1, 1.5, 2, 3, 4, 6};

// Value i of a row: `bits` bits of a stream whose first bit is the lowest of the first byte.
uint32_t unpack(const uint8_t* row, int64_t i, int bits) {
  uint32_t value = 0;
  for (int b = 0; b < bits; b++) value |= static_cast<uint32_t>(row[(i * bits + b) / 8] >> ((i * bits + b) % 8) & 1) << b;
  return value;
}

void fill_quantized(Matrix& m, Random& random, int64_t rows) {
  const Weight& w = m.weight;
  int64_t groups = w.k / w.group, row_bytes = w.k * w.bits / 8;
  m.packed.resize(rows * row_bytes);
  for (uint8_t& byte : m.packed) byte = static_cast<uint8_t>(random.between(0, 255));
  for (int64_t g = 0; g < rows * groups; g++) {
    if (w.format == Format::mxfp4) {
      m.exponents.push_back(static_cast<uint8_t>(random.between(124, 129)));
    } else {
      m.scales.set(g, 0.1 + 0.05 * random.normal());
      m.biases.set(g, -0.1 * (1 << (w.bits - 1)) + 0.05 * random.normal());
    }
  }
  for (int64_t r = 0; r < rows; r++)
    for (int64_t i = 0; i < w.k; i++) {
      uint32_t q = unpack(m.packed.data() + r * row_bytes, i, w.bits);
      int64_t g = r * groups + i / w.group;
      m.values[r * w.k + i] = w.format == Format::mxfp4
                                  ? (q & 8 ? -1 : 1) * std::ldexp(kFp4[q & 7], m.exponents[g] - 127)
                                  : m.scales[g] * q + m.biases[g];
    }
}

}  // namespace

Shape any_shape(Random& random, int64_t most) {
  Format format = static_cast<Format>(random.between(0, 2));
  if (format == Format::dense) return {format, 0, 0, random.between(1, most)};
  bool affine = format == Format::affine;
  int32_t group = affine ? random.any({32, 64, 128}) : 32;
  return {format, affine ? random.any({2, 3, 4, 5, 6, 8}) : 4, group, group * random.between(1, most / group)};
}

Matrix Matrix::random(const Kernels& kernels, Random& random, const Shape& shape, int64_t n, int64_t count) {
  const auto [format, bits, group, k] = shape;
  int64_t rows = n * count;
  Type type = random.type();
  int64_t groups = format == Format::affine ? rows * k / group : 0;
  Matrix m{{},
           format == Format::dense ? Array::normal(type, rows * k, random) : Array(type, 0, random),
           Array(type, groups, random),
           Array(type, groups, random),
           {},
           {},
           std::vector<double>(rows * k),
           {nullptr, n, k, format, bits, group, type}};
  if (format == Format::dense) {
    for (int64_t i = 0; i < rows * k; i++) m.values[i] = m.dense[i];
    m.weight.data = m.dense.data();
  } else {
    fill_quantized(m, random, rows);
    m.panels.resize(count * packed_bytes(m.weight));
    bool bytes = format == Format::mxfp4;
    kernels.pack({m.packed.data(), bytes ? static_cast<const void*>(m.exponents.data()) : m.scales.data(),
                  bytes ? nullptr : m.biases.data(), m.panels.data(), count, m.weight});
    m.weight.data = m.panels.data();
  }
  return m;
}

}  // namespace vivace
