// A Gated DeltaNet block (arXiv:2412.06464) as Qwen3.5 has it, with its norm and residual, as one node.
#include <cmath>

#include "layers/parts.h"
#include "ops/bindings.h"
#include "runtime/level.h"
#include "runtime/scratch.h"

namespace vivace {
namespace {

struct DeltaLayer {
  RmsNorm norm, head_norm;
  Linear qkv, z, b, a, out;
  mx::array conv, a_log, dt_bias;  // [channels, width, 1], [heads], [heads]
  int64_t key_heads, heads, key_dim, dim;
  bool exact;

  int64_t channels() const { return conv.shape(0); }
  int64_t width() const { return conv.shape(1); }

  struct States {
    const void* conv;    // [batch, width - 1, channels] float32, or null for zeros
    const float* delta;  // [batch, heads, dim, key_dim], or null for zeros
    void* new_conv;
    float* new_delta;
  };
  void run(const void* x, void* result, Type type, int64_t batch, int64_t tokens, const States& states) const;

 private:
  void convolve(const float* x, float* y, int64_t batch, int64_t tokens, const States& states) const;
  void recur(const float* x, const float* gate, const float* beta, float* y, int64_t batch, int64_t tokens,
             const States& states) const;
};

void DeltaLayer::convolve(const float* x, float* y, int64_t batch, int64_t tokens, const States& states) const {
  ConvArgs args{};
  args.x = x;
  args.state = states.conv;
  args.weight = in(conv);
  args.out = y;
  args.new_state = states.new_conv;
  args.batch = batch;
  args.tokens = tokens;
  args.channels = channels();
  args.token_stride = args.out_token_stride = channels();
  args.row_stride = args.out_row_stride = tokens * channels();
  args.width = static_cast<int32_t>(width());
  args.silu = true;
  args.type = args.out_type = Type::f32;
  args.weight_type = type_of(conv, "conv");
  kernels().conv(args);
}

// x [batch, tokens, channels]: q, k and v of all heads side by side.
void DeltaLayer::recur(const float* x, const float* gate, const float* beta, float* y, int64_t batch, int64_t tokens,
                       const States& states) const {
  int64_t keys = key_heads * key_dim;
  auto part = [&](const float* data, int64_t head_stride) {
    return Heads{data, tokens * channels(), channels(), head_stride, Type::f32};
  };
  GatedDeltaArgs args{};
  args.q = part(x, key_dim);
  args.k = part(x + keys, key_dim);
  args.v = part(x + 2 * keys, dim);
  args.gate = {gate, tokens * heads, heads, 1, Type::f32};
  args.beta = {beta, tokens * heads, heads, 1, Type::f32};
  args.state = states.delta;
  args.new_state = states.new_delta;
  args.y = y;
  args.batch = batch;
  args.tokens = tokens;
  args.key_heads = key_heads;
  args.heads = heads;
  args.key_dim = key_dim;
  args.dim = dim;
  args.decay = Decay::softplus;
  args.a_log = in(a_log);
  args.dt_bias = in(dt_bias);
  args.a_log_type = type_of(a_log, "a_log");
  args.dt_bias_type = type_of(dt_bias, "dt_bias");
  args.beta_is_logit = args.normalize = true;
  args.beta_scale = args.k_scale = 1.0f;
  args.q_scale = 1.0f / std::sqrt(static_cast<float>(key_dim));
  args.eps = 1e-6f;
  args.y_type = Type::f32;
  kernels().gated_delta(args);
}

void DeltaLayer::run(const void* x, void* result, Type type, int64_t batch, int64_t tokens,
                     const States& states) const {
  Scratch scratch;
  int64_t rows = batch * tokens, values = heads * dim;
  float* normed = scratch.take<float>(rows * norm.dim());
  float* mixed = scratch.take<float>(rows * channels());
  float* convolved = scratch.take<float>(rows * channels());
  float* gates = scratch.take<float>(rows * values);
  float* betas = scratch.take<float>(rows * heads);
  float* decays = scratch.take<float>(rows * heads);
  float* y = scratch.take<float>(rows * values);
  norm.run(x, type, rows, norm.dim(), normed, Type::f32);
  multiply(normed, Type::f32, rows, norm.dim(),
           {qkv.into(mixed), z.into(gates), b.into(betas), a.into(decays)}, Type::f32, exact);
  convolve(mixed, convolved, batch, tokens, states);
  recur(convolved, decays, betas, y, batch, tokens, states);
  head_norm.run_gated(y, gates, rows, heads);
  multiply(y, Type::f32, rows, values, {out.into(result, x)}, type, exact);
}

// Inputs: x, then the two states unless they are zero; outputs: x with the block's result added, the states after it.
struct Delta : OpOf<Delta> {
  std::shared_ptr<const DeltaLayer> layer;

  Delta(mx::Stream s, std::shared_ptr<const DeltaLayer> layer) : OpOf(s), layer(std::move(layer)) {}
  const char* name() const override { return "VivaceDeltaBlock"; }
  auto key() const { return layer; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]);
    allocate(outputs[0]);
    DeltaLayer::States states{};
    if (inputs.size() > 1) {
      reuse(inputs[1], outputs[1]);
      reuse(inputs[2], outputs[2]);
      states.conv = in(outputs[1]);
      states.delta = in<float>(outputs[2]);
    } else {
      allocate(outputs[1]);
      allocate(outputs[2]);
    }
    states.new_conv = vivace::out(outputs[1]);
    states.new_delta = vivace::out<float>(outputs[2]);
    return [layer = layer, from = in(x), to = vivace::out(outputs[0]), type = type_of(x, "x"), batch = x.shape(0),
            tokens = x.shape(1), states] { layer->run(from, to, type, batch, tokens, states); };
  }
};

Op::Arrays apply(const Held<DeltaLayer>& held, const mx::array& x,
                 const std::optional<mx::array>& conv_state, const std::optional<mx::array>& state) {
  const auto& layer = held.thing;
  require(x.ndim() == 3 && x.shape(2) == layer->norm.dim(), "x must be [batch, tokens, dim]");
  type_of(x, "x");
  require(conv_state.has_value() == state.has_value(), "both states or none");
  int batch = x.shape(0);
  mx::Shape conv_shape{batch, static_cast<int>(layer->width()) - 1, static_cast<int>(layer->channels())};
  mx::Shape shape{batch, static_cast<int>(layer->heads), static_cast<int>(layer->dim),
                  static_cast<int>(layer->key_dim)};
  Op::Arrays inputs{x};
  if (state) {
    require(conv_state->shape() == conv_shape && state->shape() == shape, "a state has the wrong shape");
    require(conv_state->dtype() == mx::float32 && state->dtype() == mx::float32, "states must be float32");
    inputs.push_back(*conv_state);
    inputs.push_back(*state);
  }
  auto op = std::make_shared<Delta>(stream_of({}), layer);
  return mx::array::make_arrays({x.shape(), conv_shape, shape}, {x.dtype(), mx::float32, mx::float32}, op, inputs);
}

void make(Held<DeltaLayer>* held, const RmsNorm& norm, const Linear& qkv, const Linear& z, const Linear& b,
          const Linear& a, const mx::array& conv, const mx::array& a_log, const mx::array& dt_bias,
          const RmsNorm& head_norm, const Linear& out, int64_t key_heads, int64_t key_dim, bool exact) {
  int64_t heads = a.n(), dim = head_norm.dim();
  require(key_heads > 0 && heads % key_heads == 0, "heads must be a multiple of key_heads");
  for (const Linear* projection : {&qkv, &z, &b, &a})
    require(projection->k() == norm.dim(), "a projection does not fit x");
  require(qkv.n() == 2 * key_heads * key_dim + heads * dim && z.n() == heads * dim && b.n() == heads &&
              out.k() == heads * dim && out.n() == norm.dim(),
          "the projections do not fit the heads");
  require(conv.ndim() == 3 && conv.shape(0) == qkv.n() && conv.shape(1) >= 2 && conv.shape(1) <= 8 && conv.shape(2) == 1,
          "conv must be [channels, width, 1] with a width of 2 to 8");
  require(a_log.ndim() == 1 && a_log.shape(0) == heads && dt_bias.shape() == a_log.shape(),
          "a_log and dt_bias must be [heads]");
  for (const mx::array& array : {conv, a_log, dt_bias}) type_of(array, "a parameter");
  DeltaLayer layer{norm, head_norm, qkv, z, b, a, out, settled(conv), settled(a_log), settled(dt_bias),
                   key_heads, heads, key_dim, dim, exact};
  new (held) Held<DeltaLayer>{std::make_shared<const DeltaLayer>(std::move(layer))};
}

}  // namespace

void bind_delta_block(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<Held<DeltaLayer>>(module, "DeltaNet", "A Gated DeltaNet block with its norms, convolution, states and residual.")
      .def("__init__", &make, "norm"_a, "qkv"_a, "z"_a, "b"_a, "a"_a, "conv"_a, "a_log"_a, "dt_bias"_a, "head_norm"_a,
           "out"_a, "key_heads"_a, "key_dim"_a, "exact"_a = false)
      .def("__call__", &apply, "x"_a, "conv_state"_a.none(), "state"_a.none(),
           "x [batch, tokens, dim]; states [batch, width - 1, channels] and [batch, heads, dim, key_dim] float32, or\n"
           "None for zeros. Gives x with the block's result added, and the states after it.");
}

}  // namespace vivace
