#include "kernels/matmul.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "ops/weights.h"
#include "runtime/level.h"

namespace vivace {
namespace {

// Inputs: x, w, scales, then biases, bias and add as far as there are any.
struct QuantizedMatmul : OpOf<QuantizedMatmul> {
  WeightFormat format;
  bool exact, has_bias, has_add;

  QuantizedMatmul(mx::Stream s, WeightFormat format, bool exact, bool has_bias, bool has_add)
      : OpOf(s), format(format), exact(exact), has_bias(has_bias), has_add(has_add) {}
  const char* name() const override { return "VivaceQuantizedMatmul"; }
  auto key() const { return std::tuple_cat(format.key(), std::make_tuple(exact, has_bias, has_add)); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {product_shape(inputs[0], inputs[1])}; }

  static mx::Shape product_shape(const mx::array& x, const mx::array& w) {
    mx::Shape shape = x.shape();
    shape.back() = w.shape(0);
    return shape;
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]), w = dense(inputs[1]), scales = dense(inputs[2]);
    size_t next = 3;
    auto take = [&](bool there) { return there ? std::optional(dense(inputs[next++])) : std::nullopt; };
    auto biases = take(format.format == Format::affine), bias = take(has_bias), add = take(has_add);
    allocate(outputs[0]);
    Product product{weight_of(format, w, scales, biases ? &*biases : nullptr), nullptr, nullptr, out(outputs[0]), 0, 0,
                    Type::f32};
    int64_t n = product.weight.n, k = product.weight.k;
    product.out_stride = product.add_stride = n;
    if (bias) product.bias = in(*bias), product.bias_type = type_of(*bias, "bias");
    if (add) product.add = in(*add);
    Type type = type_of(x, "x");
    int64_t rows = n ? static_cast<int64_t>(outputs[0].size()) / n : 0;
    MatmulArgs args{in(x), rows, k, nullptr, 1, exact, type, type};
    return [args, product]() mutable {
      args.products = &product;
      kernels().matmul(args);
    };
  }
};

mx::array quantized_matmul(const mx::array& x, const mx::array& w, const mx::array& scales,
                           const std::optional<mx::array>& biases, int group_size, int bits, const std::string& mode,
                           bool exact, const std::optional<mx::array>& bias, const std::optional<mx::array>& add,
                           mx::StreamOrDevice where) {
  WeightFormat format = weight_format(mode, bits, group_size);
  require(x.ndim() > 0, "x must have at least one axis");
  require(w.ndim() == 2, "w must be [n, k * bits / 32]");
  type_of(x, "x");
  require_weight(format, w, scales, biases, x.shape(-1));
  mx::Shape shape = QuantizedMatmul::product_shape(x, w);
  Op::Arrays inputs{x, w, scales};
  if (biases) inputs.push_back(*biases);
  if (bias) {
    type_of(*bias, "bias");
    require(bias->ndim() == 1 && bias->shape(0) == w.shape(0), "bias must be [n]");
    inputs.push_back(*bias);
  }
  if (add) {
    require(add->shape() == shape && add->dtype() == x.dtype(), "add must have the shape and dtype of the result");
    inputs.push_back(*add);
  }
  auto op = std::make_shared<QuantizedMatmul>(stream_of(where), format, exact, bias.has_value(), add.has_value());
  return mx::array(shape, x.dtype(), op, inputs);
}

}  // namespace

void bind_quantized(nb::module_& module) {
  using namespace nb::literals;
  module.def("quantized_matmul", &quantized_matmul, "x"_a, "w"_a, "scales"_a, "biases"_a.none() = nb::none(), nb::kw_only(),
             "group_size"_a = 64, "bits"_a = 4, "mode"_a = "affine", "exact"_a = false, "bias"_a.none() = nb::none(),
             "add"_a.none() = nb::none(), "stream"_a = nb::none(),
             "x [..., k] times the transpose of a quantized w [n, k], + bias [n] + add [..., n], in the dtype of x.\n\n"
             "Computed in float32; unless `exact`, x is first rounded to int8 with a scale for each 64 (or 32) elements.");
}

}  // namespace vivace
