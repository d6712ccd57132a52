// What layers are made of: their parameters, kept as plain pointers into arrays that are held alive.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "kernels/kernels.h"
#include "ops/packed.h"
#include "ops/primitive.h"

namespace vivace {

// A dense or packed matrix [n, k] with an optional bias [n]. Its arrays are evaluated and contiguous.
class Linear {
 public:
  // Throws std::invalid_argument for shapes or types that do not fit together.
  Linear(const mx::array& weight, const std::optional<mx::array>& bias);
  Linear(SharedPacked weight, const std::optional<mx::array>& bias);

  int64_t n() const { return weight_.n; }
  int64_t k() const { return weight_.k; }
  // x w^T + bias (+ add) into rows of n at `out`.
  Product into(void* out, const void* add = nullptr) const;

 private:
  void set_bias(const std::optional<mx::array>& bias);

  std::vector<mx::array> arrays_;
  SharedPacked packed_;
  Weight weight_;
  const void* bias_ = nullptr;
  Type bias_type_ = Type::f32;
};

// RMSNorm with weight [dim]; `offset` is added to the weight (1 in Gemma's).
class RmsNorm {
 public:
  RmsNorm(const mx::array& weight, float eps, float offset);

  int64_t dim() const { return weight_.size(); }
  // Rows of x, `stride` elements apart, normed into dense rows of `out`; `add` is like out.
  void run(const void* x, Type type, int64_t rows, int64_t stride, void* out, Type out_type,
           const void* add = nullptr) const;
  // Rows of x, in heads of dim(), normed and multiplied with silu(gate), in place.
  void run_gated(float* x, const float* gate, int64_t rows, int64_t heads) const;

 private:
  mx::array weight_;
  float eps_, offset_;
};

// A rotary embedding, as RopeArgs has it; none() rotates nothing and only copies.
class Rope {
 public:
  // frequencies [dims / 2] float32, radians per position.
  Rope(const mx::array& frequencies, bool traditional, float factor);
  static const Rope& none();

  int64_t dims() const { return dims_; }
  // Parts of one sequence whose first token is at `position`.
  void run(const RopePart* parts, int32_t count, int64_t tokens, int64_t dim, int64_t position) const;

 private:
  Rope() = default;
  std::optional<mx::array> frequencies_;
  int64_t dims_ = 0;
  bool traditional_ = false;
  float factor_ = 1.0f;
};

// out = kind(gate) * up over rows of `dim` float32 elements; those of gate are `gate_stride` apart, others dense.
void activate(Activation kind, const float* gate, int64_t gate_stride, const float* up, float* out, int64_t rows,
              int64_t dim);

// "swiglu" or "geglu" (with the tanh approximation). Throws std::invalid_argument for others.
Activation activation_of(const std::string& name);

// Runs one matmul of x [m, k] with several matrices.
void multiply(const void* x, Type type, int64_t m, int64_t k, std::initializer_list<Product> products, Type out_type,
              bool exact);

}  // namespace vivace
