#include "kernels/activate.h"

#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

struct Activate : OpOf<Activate> {
  Activation kind;
  float alpha, limit;

  Activate(mx::Stream s, Activation kind, float alpha, float limit) : OpOf(s), kind(kind), alpha(alpha), limit(limit) {}
  const char* name() const override { return "VivaceActivate"; }
  auto key() const { return std::make_tuple(kind, alpha, limit); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    auto [gate, gate_stride] = rows(inputs[0]);
    overwrite(gate, outputs[0]);
    int64_t dim = gate.ndim() ? gate.shape(-1) : 1;
    Type type = type_of(gate, "gate");
    ActivateArgs args{in(gate), nullptr, out(outputs[0]), dim ? static_cast<int64_t>(gate.size()) / dim : 0, dim,
                      gate_stride, 0, dim, kind, alpha, limit, type, type};
    if (inputs.size() > 1) {
      auto [up, up_stride] = rows(inputs[1]);
      args.up = in(up);
      args.up_stride = up_stride;
    }
    return [args] { kernels().activate(args); };
  }
};

struct Add : OpOf<Add> {
  using OpOf::OpOf;
  const char* name() const override { return "VivaceAdd"; }
  auto key() const { return 0; }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]), y = dense(inputs[1]);
    overwrite(x, outputs[0]);
    Type type = type_of(x, "x");
    AddArgs args{in(x), in(y), out(outputs[0]), static_cast<int64_t>(x.size()), type, type_of(y, "y"), type};
    return [args] { kernels().add(args); };
  }
};

mx::array activated(Activation kind, const mx::array& gate, const std::optional<mx::array>& up, mx::StreamOrDevice where,
                    float alpha = 0, float limit = 0) {
  type_of(gate, "gate");
  require(!up || (up->shape() == gate.shape() && up->dtype() == gate.dtype()), "gate and up must have one shape and dtype");
  Op::Arrays inputs{gate};
  if (up) inputs.push_back(*up);
  return mx::array(gate.shape(), gate.dtype(), std::make_shared<Activate>(stream_of(where), kind, alpha, limit), inputs);
}

Activation gelu_of(bool approximate) { return approximate ? Activation::gelu_tanh : Activation::gelu; }

mx::array added(const mx::array& x, const mx::array& y, mx::StreamOrDevice where) {
  type_of(x, "x");
  type_of(y, "y");
  require(x.shape() == y.shape(), "x and y must have one shape");
  return mx::array(x.shape(), x.dtype(), std::make_shared<Add>(stream_of(where)), {x, y});
}

}  // namespace

void bind_activate(nb::module_& module) {
  using namespace nb::literals;
  using Array = const mx::array&;
  using Where = mx::StreamOrDevice;
  module.def(
      "silu", [](Array x, Where where) { return activated(Activation::silu, x, std::nullopt, where); }, "x"_a,
      nb::kw_only(), "stream"_a = nb::none(), "x sigmoid(x), in the dtype of x.");
  module.def(
      "gelu",
      [](Array x, bool approximate, Where where) { return activated(gelu_of(approximate), x, std::nullopt, where); },
      "x"_a, nb::kw_only(), "approximate"_a = false, "stream"_a = nb::none(),
      "x Phi(x), or its approximation with tanh, in the dtype of x.");
  module.def(
      "swiglu", [](Array gate, Array up, Where where) { return activated(Activation::silu, gate, up, where); },
      "gate"_a, "up"_a, nb::kw_only(), "stream"_a = nb::none(), "silu(gate) * up: two arrays of one shape and dtype.");
  module.def(
      "geglu",
      [](Array gate, Array up, bool approximate, Where where) {
        return activated(gelu_of(approximate), gate, up, where);
      },
      "gate"_a, "up"_a, nb::kw_only(), "approximate"_a = false, "stream"_a = nb::none(), "gelu(gate) * up.");
  module.def(
      "sigmoid_gate", [](Array gate, Array x, Where where) { return activated(Activation::sigmoid, gate, x, where); },
      "gate"_a, "x"_a, nb::kw_only(), "stream"_a = nb::none(), "sigmoid(gate) * x.");
  module.def(
      "clipped_swiglu",
      [](Array gate, Array up, float alpha, float limit, Where where) {
        return activated(Activation::clipped, gate, up, where, alpha, limit);
      },
      "gate"_a, "up"_a, nb::kw_only(), "alpha"_a = 1.702f, "limit"_a = 7.0f, "stream"_a = nb::none(),
      "gate sigmoid(alpha gate) (up + 1) with gate at most `limit` and up within ±limit, as gpt-oss has it.");
  module.def("add", &added, "x"_a, "y"_a, nb::kw_only(), "stream"_a = nb::none(),
             "x + y of one shape, in the dtype of x.");
}

}  // namespace vivace
