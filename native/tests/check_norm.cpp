#include "check.h"

namespace vivace {

void check_norm(const Kernels& kernels, Random& random) {
  int64_t rows = random.between(0, 5), dim = random.between(1, 150), stride = dim + random.between(0, 9);
  Type type = random.type(), weight_type = random.type(), out_type = random.type();
  bool center = random.maybe(), has_weight = random.maybe(), has_bias = has_weight && random.maybe();
  // The last row ends with its last element, not with the stride.
  Array x = Array::normal(type, rows ? (rows - 1) * stride + dim : 0, random);
  Array weight = Array::normal(weight_type, dim, random), bias = Array::normal(weight_type, dim, random);
  Array add = Array::normal(out_type, rows * dim, random), out(out_type, rows * dim, random);
  bool has_add = random.maybe();
  float eps = 1e-5f, offset = random.maybe() ? 1.0f : 0.0f;
  kernels.norm({x.data(), has_weight ? weight.data() : nullptr, has_bias ? bias.data() : nullptr,
                has_add ? add.data() : nullptr, out.data(), rows, dim, stride, eps, offset, center, type,
                weight_type, out_type});

  std::vector<double> want(rows * dim);
  for (int64_t r = 0; r < rows; r++) {
    double mean = 0, squares = 0;
    for (int64_t i = 0; center && i < dim; i++) mean += x[r * stride + i] / static_cast<double>(dim);
    for (int64_t i = 0; i < dim; i++) squares += std::pow(x[r * stride + i] - mean, 2);
    double factor = 1 / std::sqrt(squares / static_cast<double>(dim) + eps);
    for (int64_t i = 0; i < dim; i++)
      want[r * dim + i] = (x[r * stride + i] - mean) * factor * (has_weight ? weight[i] + offset : 1) +
                          (has_bias ? bias[i] : 0) + (has_add ? add[r * dim + i] : 0);
  }
  compare("norm of " + std::to_string(rows) + " x " + std::to_string(dim), out, want, tolerance(out_type));
}

}  // namespace vivace
