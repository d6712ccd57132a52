#include "layers/parts.h"

#include "runtime/level.h"

namespace vivace {

Linear::Linear(const mx::array& weight, const std::optional<mx::array>& bias) : weight_{} {
  require(weight.ndim() == 2, "a weight must be a matrix");
  arrays_.push_back(settled(weight));
  weight_.data = in(arrays_[0]);
  weight_.n = weight.shape(0);
  weight_.k = weight.shape(1);
  weight_.format = Format::dense;
  weight_.type = type_of(weight, "weight");
  set_bias(bias);
}

Linear::Linear(SharedPacked weight, const std::optional<mx::array>& bias)
    : packed_(std::move(weight)), weight_(packed_->weight()) {
  require(!packed_->many(), "a weight must be a matrix");
  set_bias(bias);
}

void Linear::set_bias(const std::optional<mx::array>& bias) {
  if (!bias) return;
  require(bias->ndim() == 1 && bias->shape(0) == n(), "bias must be [n]");
  bias_type_ = type_of(*bias, "bias");
  arrays_.push_back(settled(*bias));
  bias_ = in(arrays_.back());
}

Product Linear::into(void* out, const void* add) const {
  return Product{weight_, bias_, add, out, weight_.n, weight_.n, bias_type_};
}

RmsNorm::RmsNorm(const mx::array& weight, float eps, float offset)
    : weight_(settled(weight)), eps_(eps), offset_(offset) {
  require(weight.ndim() == 1, "the weight of a norm must be [dim]");
  type_of(weight, "weight");
}

void RmsNorm::run(const void* x, Type type, int64_t rows, int64_t stride, void* out, Type out_type,
                  const void* add) const {
  NormArgs args{};
  args.x = x;
  args.weight = in(weight_);
  args.add = add;
  args.out = out;
  args.rows = rows;
  args.dim = dim();
  args.stride = stride;
  args.eps = eps_;
  args.offset = offset_;
  args.type = type;
  args.weight_type = type_of(weight_, "weight");
  args.out_type = out_type;
  kernels().norm(args);
}

void RmsNorm::run_gated(float* x, const float* gate, int64_t rows, int64_t heads) const {
  GatedNormArgs args{};
  args.x = x;
  args.out = x;
  args.gate = gate;
  args.weight = in(weight_);
  args.tokens = rows;
  args.heads = heads;
  args.dim = dim();
  args.x_stride = args.gate_stride = args.out_stride = heads * dim();
  args.eps = eps_;
  args.type = args.gate_type = Type::f32;
  args.weight_type = type_of(weight_, "weight");
  kernels().gated_norm(args);
}

Rope::Rope(const mx::array& frequencies, bool traditional, float factor)
    : frequencies_(settled(frequencies)), dims_(2 * frequencies.size()), traditional_(traditional), factor_(factor) {
  require(frequencies.ndim() == 1 && frequencies.dtype() == mx::float32, "frequencies must be [dims / 2] float32");
}

const Rope& Rope::none() {
  static const Rope rope;
  return rope;
}

void Rope::run(const RopePart* parts, int32_t count, int64_t tokens, int64_t dim, int64_t position) const {
  RopeArgs args{};
  args.parts = parts;
  args.count = count;
  args.rows = 1;
  args.tokens = tokens;
  args.dim = dim;
  args.dims = dims_;
  args.offsets = &position;
  args.frequencies = frequencies_ ? in<float>(*frequencies_) : nullptr;
  args.factor = factor_;
  args.traditional = traditional_;
  kernels().rope(args);
}

void activate(Activation kind, const float* gate, int64_t gate_stride, const float* up, float* out, int64_t rows,
              int64_t dim) {
  ActivateArgs args{};
  args.gate = gate;
  args.up = up;
  args.out = out;
  args.rows = rows;
  args.dim = dim;
  args.gate_stride = gate_stride;
  args.up_stride = args.out_stride = dim;
  args.kind = kind;
  args.type = args.out_type = Type::f32;
  kernels().activate(args);
}

Activation activation_of(const std::string& name) {
  require(name == "swiglu" || name == "geglu", "activation must be swiglu or geglu, not " + name);
  return name == "swiglu" ? Activation::silu : Activation::gelu_tanh;
}

void multiply(const void* x, Type type, int64_t m, int64_t k, std::initializer_list<Product> products, Type out_type,
              bool exact) {
  MatmulArgs args{};
  args.x = x;
  args.m = m;
  args.stride = k;
  args.products = products.begin();
  args.count = static_cast<int32_t>(products.size());
  args.exact = exact;
  args.type = type;
  args.out_type = out_type;
  kernels().matmul(args);
}

}  // namespace vivace
