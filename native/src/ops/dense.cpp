#include "kernels/matmul.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

// Inputs: x [..., K], w [N, K], then bias [N] and add [..., N] where there are such.
struct Matmul : OpOf<Matmul> {
  bool has_bias, has_add;

  Matmul(mx::Stream s, bool has_bias, bool has_add) : OpOf(s), has_bias(has_bias), has_add(has_add) {}
  const char* name() const override { return "VivaceMatmul"; }
  auto key() const { return std::make_tuple(has_bias, has_add); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override {
    mx::Shape shape = inputs[0].shape();
    shape.back() = inputs[1].shape(0);
    return {shape};
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]), w = dense(inputs[1]);
    int64_t k = w.shape(1), n = w.shape(0);
    allocate(outputs[0]);
    Product product{};
    product.weight.data = in(w);
    product.weight.n = n;
    product.weight.k = k;
    product.weight.format = Format::dense;
    product.weight.type = type_of(w, "w");
    product.out = out(outputs[0]);
    product.out_stride = product.add_stride = n;
    if (has_bias) {
      product.bias = in(dense(inputs[2]));
      product.bias_type = type_of(inputs[2], "bias");
    }
    if (has_add) product.add = in(dense(inputs.back()));
    MatmulArgs args{};
    args.x = in(x);
    args.m = n ? static_cast<int64_t>(outputs[0].size()) / n : 0;
    args.stride = k;
    args.count = 1;
    args.exact = true;
    args.type = args.out_type = type_of(x, "x");
    return [args, product]() mutable {
      args.products = &product;
      kernels().matmul(args);
    };
  }
};

mx::array matmul(const mx::array& x, const mx::array& w, const std::optional<mx::array>& bias,
                 const std::optional<mx::array>& add, mx::StreamOrDevice where) {
  require(x.ndim() > 0 && w.ndim() == 2 && x.shape(-1) == w.shape(1), "x must be [..., K] and w [N, K]");
  type_of(x, "x");
  type_of(w, "w");
  mx::Shape shape = x.shape();
  shape.back() = w.shape(0);
  Op::Arrays inputs{x, w};
  if (bias) {
    require(bias->ndim() == 1 && bias->shape(0) == w.shape(0), "bias must be [N]");
    type_of(*bias, "bias");
    inputs.push_back(*bias);
  }
  if (add) {
    require(add->shape() == shape && add->dtype() == x.dtype(), "add must have the shape and dtype of the result");
    inputs.push_back(*add);
  }
  return mx::array(shape, x.dtype(), std::make_shared<Matmul>(stream_of(where), bias.has_value(), add.has_value()),
                   inputs);
}

}  // namespace

void bind_dense(nb::module_& module) {
  using namespace nb::literals;
  module.def("matmul", &matmul, "x"_a, "w"_a, nb::kw_only(), "bias"_a = nb::none(), "add"_a = nb::none(),
             "stream"_a = nb::none(),
             "x [..., K] times w [N, K] transposed, + bias [N] + add [..., N], in the dtype of x, computed in float32.");
}

}  // namespace vivace
