#include "kernels/conv.h"

#include "mlx/ops.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

// Inputs x, weight and those of state, bias, mask and lengths that there are.
struct CausalConv : OpOf<CausalConv> {
  bool silu, has_state, has_bias, has_mask, has_lengths;

  CausalConv(mx::Stream s, bool silu, bool has_state, bool has_bias, bool has_mask, bool has_lengths)
      : OpOf(s), silu(silu), has_state(has_state), has_bias(has_bias), has_mask(has_mask), has_lengths(has_lengths) {}
  const char* name() const override { return "VivaceCausalConv"; }
  auto key() const { return std::tie(silu, has_state, has_bias, has_mask, has_lengths); }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = last_axis_dense(inputs[0]), weight = dense(inputs[1]);
    allocate(outputs[0]);
    Type type = type_of(x, "x");
    int64_t tokens = x.shape(1), channels = x.shape(2);
    ConvArgs args{};
    args.x = in(x);
    args.weight = in(weight);
    args.batch = x.shape(0);
    args.tokens = tokens;
    args.channels = channels;
    args.row_stride = x.strides(0);
    args.token_stride = x.strides(1);
    args.out_row_stride = tokens * channels;
    args.out_token_stride = channels;
    args.width = weight.shape(1);
    args.silu = silu;
    args.type = args.out_type = type;
    args.weight_type = type_of(weight, "weight");
    size_t next = 2;
    if (has_state) {
      mx::array state = dense(inputs[next++]);
      overwrite(state, outputs[1]);
      args.state = in(state);
    } else {
      allocate(outputs[1]);
    }
    if (has_bias) args.bias = in(dense(inputs[next++]));
    if (has_mask) args.mask = in<bool>(dense(inputs[next++]));
    if (has_lengths) args.lengths = in<int32_t>(dense(inputs[next++]));
    args.out = out(outputs[0]);
    args.new_state = out(outputs[1]);
    return [args] { kernels().conv(args); };
  }
};

std::pair<mx::array, mx::array> causal_conv1d(const mx::array& x, const std::optional<mx::array>& state,
                                              const mx::array& weight, const std::optional<mx::array>& bias, bool silu,
                                              const std::optional<mx::array>& mask,
                                              const std::optional<mx::array>& lengths, mx::StreamOrDevice where) {
  type_of(x, "x");
  type_of(weight, "weight");
  require(x.ndim() == 3, "x must be [B, T, C]");
  int batch = x.shape(0), tokens = x.shape(1), channels = x.shape(2);
  bool column = weight.ndim() == 3 && weight.shape(2) == 1;
  require((column || weight.ndim() == 2) && weight.shape(0) == channels, "weight must be [C, width, 1]");
  int width = weight.shape(1);
  require(width >= 1 && width <= 8, "the width must be 1 to 8");
  mx::Shape state_shape{batch, width - 1, channels};
  require(!state || (state->shape() == state_shape && state->dtype() == x.dtype()),
          "state must be [B, width - 1, C] in the dtype of x");
  require(!bias || (bias->ndim() == 1 && bias->shape(0) == channels && bias->dtype() == weight.dtype()),
          "bias must be [C] in the dtype of weight");
  require(!mask || (mask->shape() == mx::Shape{batch, tokens} && mask->dtype() == mx::bool_), "mask must be bool [B, T]");
  require(!lengths || (lengths->shape() == mx::Shape{batch} && mx::issubdtype(lengths->dtype(), mx::integer)),
          "lengths must be integers [B]");
  Op::Arrays inputs{x, weight};
  if (state) inputs.push_back(*state);
  if (bias) inputs.push_back(*bias);
  if (mask) inputs.push_back(*mask);
  if (lengths) inputs.push_back(mx::astype(*lengths, mx::int32, where));
  auto op = std::make_shared<CausalConv>(stream_of(where), silu, state.has_value(), bias.has_value(), mask.has_value(),
                                         lengths.has_value());
  auto results = mx::array::make_arrays({x.shape(), state_shape}, {x.dtype(), x.dtype()}, op, inputs);
  return {results[0], results[1]};
}

}  // namespace

void bind_conv(nb::module_& module) {
  using namespace nb::literals;
  module.def("causal_conv1d", &causal_conv1d, "x"_a, "state"_a.none(), "weight"_a, "bias"_a = nb::none(), nb::kw_only(),
             "silu"_a = false, "mask"_a = nb::none(), "lengths"_a = nb::none(), "stream"_a = nb::none(),
             "Depthwise causal convolution of x [B, T, C] after the inputs `state` [B, width - 1, C] (None: zeros) with "
             "weight [C, width, 1]. Where mask [B, T] is false x counts as 0. Returns y [B, T, C] and the last inputs, "
             "those before `lengths` [B] if given.");
}

}  // namespace vivace
