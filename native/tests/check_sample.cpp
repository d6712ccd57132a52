#include <algorithm>
#include <numeric>

#include "check.h"

namespace vivace {
namespace {

// Rows of logits, all different in every type so that the largest is one place, unless they are long.
struct Logits {
  int64_t rows, dim, stride;
  Array x;

  explicit Logits(Random& random)
      : rows(random.between(0, 4)),
        dim(random.any<int64_t>({1, 3, 33, 200, 5000})),
        stride(dim + random.between(0, 5)),
        x(Array::normal(random.type(), rows ? (rows - 1) * stride + dim : 0, random, 4)) {}

  double operator()(int64_t row, int64_t i) const { return x[row * stride + i]; }
  double largest(int64_t row) const {
    double most = (*this)(row, 0);
    for (int64_t i = 1; i < dim; i++) most = std::max(most, (*this)(row, i));
    return most;
  }
  double logsumexp(int64_t row) const {
    double most = largest(row), sum = 0;
    for (int64_t i = 0; i < dim; i++) sum += std::exp((*this)(row, i) - most);
    return most + std::log(sum);
  }
};

}  // namespace

void check_sample(const Kernels& kernels, Random& random) {
  Logits logits(random);
  int64_t rows = logits.rows, dim = logits.dim;
  RowsArgs args{logits.x.data(), nullptr, rows, dim, logits.stride, logits.x.type()};

  std::vector<uint32_t> best(rows);
  args.out = best.data();
  kernels.argmax(args);
  for (int64_t r = 0; r < rows; r++)
    expect(best[r] < dim && logits(r, best[r]) == logits.largest(r), "argmax of " + std::to_string(dim));

  Array sums(Type::f32, rows, random);
  args.out = sums.data();
  kernels.logsumexp(args);
  std::vector<double> want(rows), shares(rows * dim);
  for (int64_t r = 0; r < rows; r++) {
    want[r] = logits.logsumexp(r);
    for (int64_t i = 0; i < dim; i++) shares[r * dim + i] = std::exp(logits(r, i) - want[r]);
  }
  compare("logsumexp of " + std::to_string(dim), sums, want, 1e-5);

  Array out(args.type, rows * dim, random);
  args.out = out.data();
  kernels.softmax(args);
  compare("softmax of " + std::to_string(dim), out, shares, tolerance(args.type));
}

void check_topk(const Kernels& kernels, Random& random) {
  Logits logits(random);
  int64_t rows = logits.rows, dim = logits.dim, k = random.between(1, std::min<int64_t>(dim, 64));
  std::vector<float> values(rows * k);
  std::vector<uint32_t> indices(rows * k);
  kernels.topk({logits.x.data(), values.data(), indices.data(), rows, dim, logits.stride, k, logits.x.type()});
  for (int64_t r = 0; r < rows; r++) {
    std::vector<int64_t> order(dim);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) { return logits(r, a) > logits(r, b); });
    for (int64_t i = 0; i < k; i++)
      expect(indices[r * k + i] == order[i] && values[r * k + i] == static_cast<float>(logits(r, order[i])),
             "topk: place " + std::to_string(i) + " of " + std::to_string(dim));
  }
}

// Which token is drawn depends on noise; here, that it is one that may be.
void check_draw(const Kernels& kernels, Random& random) {
  Logits logits(random);
  std::vector<DrawRow> rows;
  for (int64_t r = 0; r < logits.rows; r++)
    rows.push_back({random.any({0.7f, 2.0f}), random.any({1.0f, 0.5f, 0.01f}), random.any({0.0f, 0.1f}),
                    random.any<int64_t>({0, 1, 5, 100000}), static_cast<uint32_t>(random.between(0, 1 << 30)), 7});
  std::vector<uint32_t> tokens(logits.rows);
  kernels.draw({logits.x.data(), tokens.data(), rows.data(), logits.rows, logits.dim, logits.stride, logits.x.type()});
  for (int64_t r = 0; r < logits.rows; r++) {
    const DrawRow& row = rows[r];
    bool good = tokens[r] < logits.dim;
    if (good) {
      double drawn = logits(r, tokens[r]), below_largest = drawn - logits.largest(r);
      int64_t better = 0;
      for (int64_t i = 0; i < logits.dim; i++) better += logits(r, i) > drawn;
      good = better == 0 || ((row.top_k == 0 || better < row.top_k) &&
                             std::exp(below_largest / row.temperature) >= row.min_p * 0.999);
    }
    expect(good, "draw from " + std::to_string(logits.dim) + ": " + std::to_string(tokens[r]));
  }
}

}  // namespace vivace
