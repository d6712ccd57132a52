#include "kernels/matmul.h"
#include "ops/bindings.h"
#include "ops/packed.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

// Inputs: x, then bias and add as far as there are any.
struct QuantizedMatmul : OpOf<QuantizedMatmul> {
  SharedPacked w;
  bool exact, has_bias, has_add;

  QuantizedMatmul(mx::Stream s, SharedPacked w, bool exact, bool has_bias, bool has_add)
      : OpOf(s), w(std::move(w)), exact(exact), has_bias(has_bias), has_add(has_add) {}
  const char* name() const override { return "VivaceQuantizedMatmul"; }
  auto key() const { return std::make_tuple(w, exact, has_bias, has_add); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {product_shape(inputs[0], *w)}; }

  static mx::Shape product_shape(const mx::array& x, const Packed& w) {
    mx::Shape shape = x.shape();
    shape.back() = static_cast<mx::ShapeElem>(w.weight().n);
    return shape;
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]);
    allocate(outputs[0]);
    const int64_t n = w->weight().n, k = w->weight().k;
    Product product{w->weight(), nullptr, nullptr, out(outputs[0]), n, n, Type::f32};
    if (has_bias) {
      mx::array bias = dense(inputs[1]);
      product.bias = in(bias), product.bias_type = type_of(bias, "bias");
    }
    if (has_add) product.add = in(dense(inputs.back()));
    Type type = type_of(x, "x");
    int64_t rows = n ? static_cast<int64_t>(outputs[0].size()) / n : 0;
    MatmulArgs args{in(x), rows, k, nullptr, 1, exact, type, type};
    return [args, product, held = w]() mutable {
      args.products = &product;
      kernels().matmul(args);
    };
  }
};

mx::array quantized_matmul(const mx::array& x, const Held<Packed>& held, bool exact, const std::optional<mx::array>& bias,
                           const std::optional<mx::array>& add, mx::StreamOrDevice where) {
  const Packed& w = *held.thing;
  require(!w.many(), "w must be one matrix");
  require(x.ndim() > 0 && x.shape(-1) == w.weight().k, "the last axis of x must be k");
  type_of(x, "x");
  mx::Shape shape = QuantizedMatmul::product_shape(x, w);
  Op::Arrays inputs{x};
  if (bias) {
    type_of(*bias, "bias");
    require(bias->ndim() == 1 && bias->shape(0) == w.weight().n, "bias must be [n]");
    inputs.push_back(*bias);
  }
  if (add) {
    require(add->shape() == shape && add->dtype() == x.dtype(), "add must have the shape and dtype of the result");
    inputs.push_back(*add);
  }
  auto op = std::make_shared<QuantizedMatmul>(stream_of(where), held.thing, exact, bias.has_value(), add.has_value());
  return mx::array(shape, x.dtype(), op, inputs);
}

}  // namespace

void bind_quantized(nb::module_& module) {
  using namespace nb::literals;
  module.def("quantized_matmul", &quantized_matmul, "x"_a, "w"_a, nb::kw_only(), "exact"_a = false,
             "bias"_a.none() = nb::none(), "add"_a.none() = nb::none(), "stream"_a = nb::none(),
             "x [..., k] times the transpose of a Packed w [n, k], + bias [n] + add [..., n], in the dtype of x.\n\n"
             "Computed in float32; unless `exact`, x is first rounded to int8 with a scale for each 64 (or 32) elements.");
}

}  // namespace vivace
