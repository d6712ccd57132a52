#include "weights.h"

namespace vivace {
namespace {

// Mostly one of [0, count), sometimes none of them.
std::vector<int32_t> some_indices(Random& random, int64_t size, int64_t count) {
  std::vector<int32_t> indices(size);
  for (int32_t& index : indices) {
    bool wrong = count == 0 || random.between(0, 9) == 0;
    index = static_cast<int32_t>(wrong ? random.any<int64_t>({-1000, count, INT32_MAX, INT32_MIN})
                                       : random.between(0, count - 1));
  }
  return indices;
}

double limit_of(Type out_type, const Weight& weight, bool exact) {
  double rounding = tolerance(out_type);
  return exact || weight.format == Format::dense ? rounding : std::max(rounding, 0.05);
}

}  // namespace

void check_gather(const Kernels& kernels, Random& random) {
  int64_t rows = random.between(1, 9), pairs = random.any<int64_t>({0, 1, 2, 8, 33, 90}), experts = random.between(1, 4);
  Shape shape = any_shape(random, 300);
  int64_t k = shape.k, n = random.between(1, 90), stride = k + random.between(0, 5);
  Type type = random.type(), out_type = random.type(), bias_type = random.type();
  bool exact = random.maybe(), with_bias = random.maybe();
  Array x = Array::normal(type, (rows - 1) * stride + k, random), bias = Array::normal(bias_type, experts * n, random);
  Array out(out_type, pairs * n, random);
  Matrix matrix = Matrix::random(kernels, random, shape, n, experts);
  std::vector<int32_t> expert = some_indices(random, pairs, experts), x_row(pairs);
  for (int32_t& row : x_row) row = static_cast<int32_t>(random.between(0, rows - 1));
  kernels.gather_matmul({x.data(), stride, x_row.data(), expert.data(), pairs, experts, matrix.weight,
                         with_bias ? bias.data() : nullptr, out.data(), exact, type, out_type, bias_type});

  std::vector<double> want(pairs * n);
  for (int64_t p = 0; p < pairs; p++) {
    if (expert[p] < 0 || expert[p] >= experts) continue;
    for (int64_t c = 0; c < n; c++) {
      double& sum = want[p * n + c];
      for (int64_t i = 0; i < k; i++) sum += x[x_row[p] * stride + i] * matrix(expert[p] * n + c, i);
      if (with_bias) sum += bias[expert[p] * n + c];
    }
  }
  compare("gather_matmul of " + std::to_string(pairs) + " pairs, k " + std::to_string(k), out, want,
          limit_of(out_type, matrix.weight, exact));
}

void check_embed(const Kernels& kernels, Random& random) {
  Shape shape = any_shape(random, 300);
  int64_t n = random.between(0, 20), k = shape.k, count = random.between(0, 12);
  Matrix matrix = Matrix::random(kernels, random, shape, n);
  std::vector<int32_t> index = some_indices(random, count, n);
  if (n > 1 && count > 1) index[1] = -2;
  Type out_type = random.type();
  Array out(out_type, count * k, random);
  kernels.embed({index.data(), count, matrix.weight, out.data(), 1.5f, out_type});

  std::vector<double> want(count * k);
  for (int64_t i = 0; i < count; i++) {
    int64_t row = index[i] < 0 ? index[i] + n : index[i];
    if (row < 0 || row >= n) continue;
    for (int64_t c = 0; c < k; c++) want[i * k + c] = 1.5 * matrix(row, c);
  }
  compare("embed of " + std::to_string(k), out, want, tolerance(out_type));
}

}  // namespace vivace
