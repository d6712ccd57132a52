#include "kernels/norm.h"

#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

struct Norm : OpOf<Norm> {
  float eps, offset;
  bool center, has_weight;

  Norm(mx::Stream s, float eps, float offset, bool center, bool has_weight)
      : OpOf(s), eps(eps), offset(offset), center(center), has_weight(has_weight) {}
  const char* name() const override { return "VivaceNorm"; }
  auto key() const { return std::make_tuple(eps, offset, center, has_weight); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]);
    allocate(outputs[0]);
    int64_t dim = x.shape(-1);
    NormArgs args{};
    args.x = in(x);
    args.out = out(outputs[0]);
    args.rows = dim ? static_cast<int64_t>(x.size()) / dim : 0;
    args.dim = args.stride = dim;
    args.eps = eps;
    args.offset = offset;
    args.center = center;
    args.type = args.out_type = type_of(x, "x");
    if (has_weight) {
      args.weight = in(dense(inputs[1]));
      args.weight_type = type_of(inputs[1], "weight");
    }
    if (inputs.size() > (has_weight ? 2 : 1)) args.bias = in(dense(inputs.back()));
    return [args] { kernels().norm(args); };
  }
};

mx::array normalized(const mx::array& x, const std::optional<mx::array>& weight, const std::optional<mx::array>& bias,
                     float eps, float offset, bool center, mx::StreamOrDevice where) {
  require(x.ndim() > 0, "x must have at least one axis");
  type_of(x, "x");
  Op::Arrays inputs{x};
  for (const auto* extra : {&weight, &bias}) {
    if (!*extra) continue;
    require((*extra)->ndim() == 1 && (*extra)->shape(0) == x.shape(-1), "weight and bias must be [dim]");
    type_of(**extra, "weight");
    inputs.push_back(**extra);
  }
  require(!(weight && bias) || weight->dtype() == bias->dtype(), "weight and bias must have one dtype");
  require(weight || !bias, "a bias needs a weight");
  auto op = std::make_shared<Norm>(stream_of(where), eps, offset, center, weight.has_value());
  return mx::array(x.shape(), x.dtype(), op, inputs);
}

}  // namespace

void bind_norm(nb::module_& module) {
  using namespace nb::literals;
  module.def(
      "rms_norm",
      [](const mx::array& x, const std::optional<mx::array>& weight, float eps, float offset, mx::StreamOrDevice where) {
        return normalized(x, weight, std::nullopt, eps, offset, false, where);
      },
      "x"_a, "weight"_a.none(), "eps"_a, "offset"_a = 0.0f, nb::kw_only(), "stream"_a = nb::none(),
      "x [..., dim] / rms(x) * (weight [dim] + offset), in the dtype of x.");
  module.def(
      "layer_norm",
      [](const mx::array& x, const std::optional<mx::array>& weight, const std::optional<mx::array>& bias, float eps,
         mx::StreamOrDevice where) { return normalized(x, weight, bias, eps, 0.0f, true, where); },
      "x"_a, "weight"_a.none(), "bias"_a.none(), "eps"_a, nb::kw_only(), "stream"_a = nb::none(),
      "(x - mean) / sqrt(variance + eps) * weight + bias over the last axis, in the dtype of x.");
}

}  // namespace vivace
