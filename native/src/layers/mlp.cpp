// x + post(down(act(gate(norm(x))) * up(norm(x)))): a feed-forward block as one node.
#include "layers/parts.h"
#include "ops/bindings.h"
#include "runtime/scratch.h"

namespace vivace {
namespace {

struct MlpLayer {
  RmsNorm norm;
  std::optional<RmsNorm> post;
  Linear gate, up, down;
  Activation activation;
  bool exact;

  void run(const void* x, void* out, int64_t rows, Type type) const;
};

void MlpLayer::run(const void* x, void* out, int64_t rows, Type type) const {
  Scratch scratch;
  int64_t dim = norm.dim(), hidden = gate.n();
  float* normed = scratch.take<float>(rows * dim);
  float* gates = scratch.take<float>(rows * hidden);
  float* ups = scratch.take<float>(rows * hidden);
  norm.run(x, type, rows, dim, normed, Type::f32);
  multiply(normed, Type::f32, rows, dim, {gate.into(gates), up.into(ups)}, Type::f32, exact);
  activate(activation, gates, hidden, ups, gates, rows, hidden);
  if (!post) {
    multiply(gates, Type::f32, rows, hidden, {down.into(out, x)}, type, exact);
    return;
  }
  multiply(gates, Type::f32, rows, hidden, {down.into(normed)}, Type::f32, exact);
  post->run(normed, Type::f32, rows, dim, out, type, x);
}

struct Mlp : OpOf<Mlp> {
  std::shared_ptr<const MlpLayer> layer;

  Mlp(mx::Stream s, std::shared_ptr<const MlpLayer> layer) : OpOf(s), layer(std::move(layer)) {}
  const char* name() const override { return "VivaceMlp"; }
  auto key() const { return layer; }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]);
    allocate(outputs[0]);
    int64_t rows = static_cast<int64_t>(x.size()) / layer->norm.dim();
    return [layer = layer, from = in(x), to = out(outputs[0]), rows, type = type_of(x, "x")] {
      layer->run(from, to, rows, type);
    };
  }
};

mx::array apply(const Held<MlpLayer>& held, const mx::array& x) {
  const auto& layer = held.thing;
  require(x.ndim() > 0 && x.shape(-1) == layer->norm.dim(), "the last axis of x must be that of the norm");
  type_of(x, "x");
  return mx::array(x.shape(), x.dtype(), std::make_shared<Mlp>(stream_of({}), layer), {x});
}

void make(Held<MlpLayer>* held, const RmsNorm& norm, const std::optional<RmsNorm>& post, const Linear& gate,
          const Linear& up, const Linear& down, const std::string& activation, bool exact) {
  int64_t dim = norm.dim();
  require(gate.k() == dim && up.k() == dim && gate.n() == up.n() && down.k() == gate.n() && down.n() == dim,
          "the matrices of an MLP do not fit together");
  require(!post || post->dim() == dim, "the second norm does not fit");
  MlpLayer layer{norm, post, gate, up, down, activation_of(activation), exact};
  new (held) Held<MlpLayer>{std::make_shared<const MlpLayer>(std::move(layer))};
}

}  // namespace

void bind_mlp(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<Held<MlpLayer>>(module, "Mlp", "A feed-forward block with its norm and residual: x + down(act(gate) * up).")
      .def("__init__", &make, "norm"_a, "post"_a.none(), "gate"_a, "up"_a, "down"_a, "activation"_a, "exact"_a = false)
      .def("__call__", &apply, "x"_a, "x [..., dim] in the same shape and dtype.");
}

}  // namespace vivace
