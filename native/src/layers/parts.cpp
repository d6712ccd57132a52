#include "layers/parts.h"

#include <algorithm>

#include "mlx/ops.h"
#include "mlx/transforms.h"
#include "runtime/level.h"

namespace vivace {
namespace {

bool one_of(int value, std::initializer_list<int> values) {
  return std::find(values.begin(), values.end(), value) != values.end();
}

}  // namespace

mx::array settled(const mx::array& array) {
  mx::array result = array;
  result.eval();
  if (!result.flags().row_contiguous) {
    result = mx::contiguous(array, false, mx::Device(mx::Device::cpu));
    result.eval();
  }
  return result;
}

Linear::Linear(const mx::array& weight, const std::optional<mx::array>& scales, const std::optional<mx::array>& biases,
               const std::optional<mx::array>& bias, int group_size, int bits, const std::string& mode)
    : weight_{} {
  require(weight.ndim() == 2, "a weight must be a matrix");
  arrays_.push_back(settled(weight));
  weight_.data = in(arrays_[0]);
  weight_.n = weight.shape(0);
  weight_.k = weight.shape(1);
  if (bits == 0) {
    weight_.format = Format::dense;
    weight_.type = type_of(weight, "weight");
  } else {
    bool affine = mode == "affine";
    require(affine || mode == "mxfp4", "mode must be affine or mxfp4, not " + mode);
    require(weight.dtype() == mx::uint32 && scales.has_value(), "a quantized weight is uint32 and has scales");
    require(affine ? one_of(bits, {2, 3, 4, 5, 6, 8}) && one_of(group_size, {32, 64, 128}) && biases.has_value()
                   : bits == 4 && group_size == 32 && scales->dtype() == mx::uint8,
            "bits, group_size or biases do not fit the mode " + mode);
    weight_.format = affine ? Format::affine : Format::mxfp4;
    weight_.bits = bits;
    weight_.group = group_size;
    weight_.k = weight.shape(1) * int64_t{32} / bits;
    mx::Shape groups{weight.shape(0), static_cast<int>(weight_.k / group_size)};
    require(scales->shape() == groups && (!affine || biases->shape() == groups), "scales must be [n, k / group_size]");
    arrays_.push_back(settled(*scales));
    weight_.scales = in(arrays_.back());
    if (affine) {
      require(scales->dtype() == biases->dtype(), "scales and biases must have one dtype");
      weight_.type = type_of(*scales, "scales");
      arrays_.push_back(settled(*biases));
      weight_.biases = in(arrays_.back());
    }
  }
  if (bias) {
    require(bias->ndim() == 1 && bias->shape(0) == weight.shape(0), "bias must be [n]");
    bias_type_ = type_of(*bias, "bias");
    arrays_.push_back(settled(*bias));
    bias_ = in(arrays_.back());
  }
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
