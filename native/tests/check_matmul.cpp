#include "weights.h"

namespace vivace {
namespace {

constexpr double kInt8 = 0.05;  // of products with activations rounded to int8: the largest error, not the usual one

std::string describe(const Weight& w, int64_t m) {
  const char* formats[] = {"dense", "affine", "mxfp4"};
  return std::to_string(m) + " x " + std::to_string(w.n) + " x " + std::to_string(w.k) + ", " +
         formats[static_cast<int>(w.format)] + " " + std::to_string(w.bits) + " bits, groups of " +
         std::to_string(w.group);
}

double limit_of(Type out_type, const Weight& weight, bool exact) {
  double rounding = tolerance(out_type);
  return exact || weight.format == Format::dense ? rounding : std::max(rounding, kInt8);
}

}  // namespace

// One to three products of the same rows, as for q, k and v.
void check_matmul(const Kernels& kernels, Random& random) {
  int64_t m = random.any<int64_t>({0, 1, 2, 3, 5, 7, 17, 40, 70}), count = random.between(1, 3);
  Shape shape = any_shape(random, 300);
  int64_t k = shape.k, stride = k + random.between(0, 5);
  Type type = random.type(), out_type = random.type();
  bool exact = random.maybe();
  Array x = Array::normal(type, m ? (m - 1) * stride + k : 0, random);

  std::vector<Matrix> matrices;
  std::vector<Array> outs, biases, adds;
  std::vector<Product> products;
  for (int64_t p = 0; p < count; p++) {
    int64_t n = random.between(0, 90);
    Type bias_type = random.type();
    matrices.push_back(Matrix::random(kernels, random, shape, n));
    biases.push_back(Array::normal(bias_type, n, random));
    adds.push_back(Array::normal(out_type, m * n, random));
    outs.emplace_back(out_type, m * n, random);
    products.push_back({matrices[p].weight, random.maybe() ? biases[p].data() : nullptr,
                        random.maybe() ? adds[p].data() : nullptr, outs[p].data(), n, n, bias_type});
  }
  kernels.matmul({x.data(), m, stride, products.data(), static_cast<int32_t>(count), exact, type, out_type});

  for (int64_t p = 0; p < count; p++) {
    const Weight& w = products[p].weight;
    std::vector<double> want(m * w.n);
    for (int64_t r = 0; r < m; r++)
      for (int64_t c = 0; c < w.n; c++) {
        double& sum = want[r * w.n + c];
        for (int64_t i = 0; i < k; i++) sum += x[r * stride + i] * matrices[p](c, i);
        sum += (products[p].bias ? biases[p][c] : 0) + (products[p].add ? adds[p][r * w.n + c] : 0);
      }
    compare("matmul " + describe(w, m), outs[p], want, limit_of(out_type, w, exact));
  }
}

}  // namespace vivace
