#include "kernels/gated_delta.h"

#include <cmath>

#include "kernels/gated_norm.h"
#include "mlx/ops.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

using Optional = std::optional<mx::array>;
using Pair = std::pair<mx::array, mx::array>;

struct Options {
  Decay decay = Decay::given;
  float lower_bound = 0;
  bool beta_is_logit = false;
  float beta_scale = 1;
  bool normalize = false;
  float eps = 0;
  auto key() const { return std::tie(decay, lower_bound, beta_is_logit, beta_scale, normalize, eps); }
};

// Inputs q, k, v, gate, beta; A_log and dt_bias if the decay is made here; state and mask if there are any.
struct GatedDelta : OpOf<GatedDelta> {
  Options options;
  bool has_state, has_mask;

  GatedDelta(mx::Stream s, const Options& options, bool has_state, bool has_mask)
      : OpOf(s), options(options), has_state(has_state), has_mask(has_mask) {}
  const char* name() const override { return "VivaceGatedDelta"; }
  auto key() const { return std::tuple_cat(options.key(), std::tie(has_state, has_mask)); }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    GatedDeltaArgs args{};
    args.q = heads(inputs[0]);
    args.k = heads(inputs[1]);
    args.v = heads(inputs[2]);
    args.per_channel = inputs[3].ndim() == 4;
    args.gate = args.per_channel ? heads(inputs[3]) : view(inputs[3]);
    args.beta = view(inputs[4]);
    args.batch = inputs[2].shape(0);
    args.tokens = inputs[2].shape(1);
    args.key_heads = inputs[0].shape(2);
    args.key_dim = inputs[0].shape(3);
    args.heads = inputs[2].shape(2);
    args.dim = inputs[2].shape(3);
    set_options(args);
    size_t next = 5;
    if (options.decay != Decay::given) {
      args.a_log_type = type_of(inputs[next], "A_log");
      args.a_log = in(dense(inputs[next++]));
      args.dt_bias_type = type_of(inputs[next], "dt_bias");
      args.dt_bias = in(dense(inputs[next++]));
    }
    if (has_state) {
      mx::array state = dense(inputs[next++]);
      overwrite(state, outputs[1]);
      args.state = in<float>(state);
    } else {
      allocate(outputs[1]);
    }
    if (has_mask) args.mask = in<bool>(dense(inputs[next++]));
    allocate(outputs[0]);
    args.y = out(outputs[0]);
    args.y_type = type_of(outputs[0], "v");
    args.new_state = out<float>(outputs[1]);
    return [args] { kernels().gated_delta(args); };
  }

 private:
  static Heads view(const mx::array& x) {
    return {in(x), x.strides(0), x.strides(1), x.strides(2), type_of(x, "gates")};
  }
  Heads heads(const mx::array& x) { return view(last_axis_dense(x)); }

  void set_options(GatedDeltaArgs& args) const {
    args.decay = options.decay;
    args.lower_bound = options.lower_bound;
    args.beta_is_logit = options.beta_is_logit;
    args.beta_scale = options.beta_scale;
    args.normalize = options.normalize;
    args.eps = options.eps;
    args.k_scale = 1;
    args.q_scale = options.normalize ? static_cast<float>(1 / std::sqrt(static_cast<double>(args.key_dim))) : 1;
  }
};

void check_shapes(const mx::array& q, const mx::array& k, const mx::array& v, const mx::array& gate,
                  const mx::array& beta, const Optional& state, const Optional& mask) {
  type_of(q, "q");
  type_of(k, "k");
  type_of(v, "v");
  type_of(gate, "the decay");
  type_of(beta, "beta");
  require(q.ndim() == 4 && q.shape() == k.shape(), "q and k must be [B, T, Hk, Dk]");
  int batch = q.shape(0), tokens = q.shape(1), key_heads = q.shape(2), key_dim = q.shape(3);
  require(v.ndim() == 4 && v.shape(0) == batch && v.shape(1) == tokens, "v must be [B, T, Hv, Dv]");
  int heads = v.shape(2), dim = v.shape(3);
  require(key_heads > 0 && key_dim > 0 && heads % key_heads == 0, "Hv must be a multiple of Hk");
  mx::Shape scalars{batch, tokens, heads}, channels{batch, tokens, heads, key_dim};
  require(gate.shape() == scalars || gate.shape() == channels, "the decay must be [B, T, Hv] or [B, T, Hv, Dk]");
  require(beta.shape() == scalars, "beta must be [B, T, Hv]");
  require(!state || (state->shape() == mx::Shape{batch, heads, dim, key_dim} && is_float(*state)),
          "state must be [B, Hv, Dv, Dk]");
  require(!mask || (mask->shape() == mx::Shape{batch, tokens} && mask->dtype() == mx::bool_), "mask must be bool [B, T]");
}

Pair run(Op::Arrays inputs, const Optional& state, const Optional& mask, const Options& options,
         mx::StreamOrDevice where) {
  const mx::array q = inputs[0], v = inputs[2];
  mx::Shape state_shape{v.shape(0), v.shape(2), v.shape(3), q.shape(3)};
  if (state) inputs.push_back(mx::astype(*state, mx::float32, where));
  if (mask) inputs.push_back(*mask);
  auto op = std::make_shared<GatedDelta>(stream_of(where), options, state.has_value(), mask.has_value());
  auto results = mx::array::make_arrays({v.shape(), state_shape}, {v.dtype(), mx::float32}, op, inputs);
  return {results[0], state ? mx::astype(results[1], state->dtype(), where) : results[1]};
}

Pair gated_delta(const mx::array& q, const mx::array& k, const mx::array& v, const mx::array& g, const mx::array& beta,
                 const Optional& state, const Optional& mask, mx::StreamOrDevice where) {
  check_shapes(q, k, v, g, beta, state, mask);
  return run({q, k, v, g, beta}, state, mask, {}, where);
}

Pair gated_delta_update(const mx::array& q, const mx::array& k, const mx::array& v, const mx::array& a,
                        const mx::array& b, const mx::array& a_log, const mx::array& dt_bias, const Optional& state,
                        const Optional& mask, bool, std::optional<float> lower_bound, bool allow_neg_eigval,
                        std::optional<float> normalize_eps, mx::StreamOrDevice where) {
  check_shapes(q, k, v, a, b, state, mask);
  type_of(a_log, "A_log");
  type_of(dt_bias, "dt_bias");
  size_t heads = v.shape(2), channels = a.ndim() == 4 ? heads * a.shape(3) : heads;
  require(a_log.size() == heads, "A_log must have one number a head");
  require(dt_bias.size() == channels, "dt_bias must have the numbers of one token of a");
  Options options;
  options.decay = lower_bound ? Decay::bounded : Decay::softplus;
  options.lower_bound = lower_bound.value_or(0);
  options.beta_is_logit = true;
  options.beta_scale = allow_neg_eigval ? 2 : 1;
  options.normalize = normalize_eps.has_value();
  options.eps = normalize_eps.value_or(0);
  return run({q, k, v, a, b, a_log, dt_bias}, state, mask, options, where);
}

struct GatedNorm : OpOf<GatedNorm> {
  float eps;
  bool sigmoid;

  GatedNorm(mx::Stream s, float eps, bool sigmoid) : OpOf(s), eps(eps), sigmoid(sigmoid) {}
  const char* name() const override { return "VivaceGatedNorm"; }
  auto key() const { return std::tie(eps, sigmoid); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    auto [x, x_stride] = rows(inputs[0]);
    auto [gate, gate_stride] = rows(inputs[1]);
    mx::array weight = dense(inputs[2]);
    overwrite(gate, outputs[0]);
    int64_t dim = x.shape(-1);
    GatedNormArgs args{in(x), in(gate), in(weight), out(outputs[0]), dim ? static_cast<int64_t>(x.size()) / dim : 0, 1,
                       dim, x_stride, gate_stride, dim, eps, sigmoid, type_of(x, "x"), type_of(gate, "gate"),
                       type_of(weight, "weight")};
    return [args] { kernels().gated_norm(args); };
  }
};

mx::array gated_norm(const mx::array& x, const mx::array& weight, const mx::array& gate, float eps, bool sigmoid,
                     mx::StreamOrDevice where) {
  type_of(x, "x");
  type_of(gate, "gate");
  type_of(weight, "weight");
  require(x.ndim() > 0 && x.shape() == gate.shape(), "x and gate must have one shape [..., dim]");
  require(weight.ndim() == 1 && weight.shape(0) == x.shape(-1), "weight must be [dim]");
  auto op = std::make_shared<GatedNorm>(stream_of(where), eps, sigmoid);
  return mx::array(x.shape(), gate.dtype(), op, {x, gate, weight});
}

}  // namespace

void bind_gated_delta(nb::module_& module) {
  using namespace nb::literals;
  module.def("gated_delta", &gated_delta, "q"_a, "k"_a, "v"_a, "g"_a, "beta"_a, "state"_a = nb::none(),
             "mask"_a = nb::none(), nb::kw_only(), "stream"_a = nb::none(),
             "Gated delta rule: q, k [B, T, Hk, Dk], v [B, T, Hv, Dv], decay g [B, T, Hv] or [B, T, Hv, Dk], beta "
             "[B, T, Hv], state [B, Hv, Dv, Dk] (None: zeros), mask bool [B, T]. Returns y [B, T, Hv, Dv] in v's dtype "
             "and the new state, float32 or in the dtype of the one given.");
  module.def("gated_delta_update", &gated_delta_update, "q"_a, "k"_a, "v"_a, "a"_a, "b"_a, "A_log"_a, "dt_bias"_a,
             "state"_a = nb::none(), "mask"_a = nb::none(), nb::kw_only(), "use_kernel"_a = true,
             "lower_bound"_a = nb::none(), "allow_neg_eigval"_a = false, "normalize_eps"_a = nb::none(),
             "stream"_a = nb::none(),
             "As mlx_lm.models.gated_delta.gated_delta_update. With normalize_eps, q and k are L2-normalized first and q "
             "multiplied by Dk^-0.5, as by its normalize_qk.");
  module.def("gated_norm", &gated_norm, "x"_a, "weight"_a, "gate"_a, "eps"_a, nb::kw_only(), "sigmoid"_a = false,
             "stream"_a = nb::none(),
             "x [..., dim] / rms(x) * weight * silu(gate) (or sigmoid(gate)), in the dtype of gate.");
}

}  // namespace vivace
