#include "kernels/matmul.h"
#include "mlx/ops.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "ops/weights.h"
#include "runtime/level.h"

namespace vivace {
namespace {

mx::array as_int32(const mx::array& indices, mx::StreamOrDevice where) {
  require(mx::issubdtype(indices.dtype(), mx::integer), "indices must be integers");
  bool fits = indices.dtype() == mx::int32 || indices.dtype() == mx::uint32;  // above 2^31: negative
  return fits ? indices : mx::astype(indices, mx::int32, where);
}

Weight dense_weight(const mx::array& w) {
  Weight weight{};
  weight.data = in(w);
  weight.n = w.shape(-2);
  weight.k = w.shape(-1);
  weight.format = Format::dense;
  weight.type = type_of(w, "w");
  return weight;
}

constexpr WeightFormat kDense{Format::dense, 0, 0};

// For each entry of `batch`, in order, which one of an array of this shape is broadcast to it.
std::vector<int32_t> broadcast_rows(const mx::Shape& shape, const mx::Shape& batch) {
  std::vector<int32_t> rows{0};
  size_t missing = batch.size() - shape.size();
  int32_t size = 1;
  for (int extent : shape) size *= extent;
  for (size_t axis = 0; axis < batch.size(); axis++) {
    int extent = axis < missing ? 1 : shape[axis - missing];
    if (extent) size /= extent;
    std::vector<int32_t> next;
    next.reserve(rows.size() * batch[axis]);
    for (int32_t row : rows)
      for (int i = 0; i < batch[axis]; i++) next.push_back(row + (extent == 1 ? 0 : i * size));
    rows = std::move(next);
  }
  return rows;
}

// Inputs: x [..., M, K], w [E, N, K], indices [...], then scales, biases and bias [E, N] as far as there are any.
struct GatherMatmul : OpOf<GatherMatmul> {
  WeightFormat format;
  bool exact, has_bias;

  GatherMatmul(mx::Stream s, WeightFormat format, bool exact, bool has_bias)
      : OpOf(s), format(format), exact(exact), has_bias(has_bias) {}
  const char* name() const override { return "VivaceGatherMatmul"; }
  auto key() const { return std::tuple_cat(format.key(), std::make_tuple(exact, has_bias)); }

  // Of x and indices together.
  static mx::Shape batch_of(const mx::array& x, const mx::array& indices) {
    return mx::broadcast_shapes(mx::Shape(x.shape().begin(), x.shape().end() - 2), indices.shape());
  }
  static mx::Shape shape_of(const mx::array& x, const mx::array& w, const mx::array& indices) {
    mx::Shape shape = batch_of(x, indices);
    shape.push_back(x.shape(-2));
    shape.push_back(w.shape(1));
    return shape;
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override {
    return {shape_of(inputs[0], inputs[1], inputs[2])};
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]), w = dense(inputs[1]), indices = dense(inputs[2]);
    allocate(outputs[0]);
    if (outputs[0].size() == 0) return {};
    size_t next = 3;
    auto take = [&](bool there) { return there ? std::optional(dense(inputs[next++])) : std::nullopt; };
    auto scales = take(format.format != Format::dense), biases = take(format.format == Format::affine);
    auto bias = take(has_bias);
    GatherMatmulArgs args{};
    args.x = in(x);
    args.stride = x.shape(-1);
    args.experts = w.shape(0);
    args.first = scales ? weight_of(format, w, *scales, biases ? &*biases : nullptr) : dense_weight(w);
    if (bias) args.bias = in(*bias), args.bias_type = type_of(*bias, "bias");
    args.out = out(outputs[0]);
    args.exact = exact;
    args.type = args.out_type = type_of(x, "x");

    const mx::Shape batch = batch_of(x, indices);
    return [args, m = x.shape(-2), index = in<int32_t>(indices), experts = broadcast_rows(indices.shape(), batch),
            matrices = broadcast_rows(mx::Shape(x.shape().begin(), x.shape().end() - 2), batch)]() mutable {
      std::vector<int32_t> x_row, expert;
      for (size_t i = 0; i < matrices.size(); i++)
        for (int32_t r = 0; r < m; r++) {
          x_row.push_back(matrices[i] * m + r);
          expert.push_back(index[experts[i]]);
        }
      args.x_row = x_row.data();
      args.expert = expert.data();
      args.pairs = static_cast<int64_t>(x_row.size());
      kernels().gather_matmul(args);
    };
  }
};

mx::array gathered(const WeightFormat& format, Op::Arrays inputs, bool exact, const std::optional<mx::array>& bias,
                   mx::StreamOrDevice where) {
  const mx::array x = inputs[0], w = inputs[1];
  require(x.ndim() >= 2, "x must be [..., M, K]");
  type_of(x, "x");
  inputs[2] = as_int32(inputs[2], where);
  if (bias) {
    require(bias->ndim() == 2 && bias->shape(0) == w.shape(0) && bias->shape(1) == w.shape(1), "bias must be [E, N]");
    type_of(*bias, "bias");
    inputs.push_back(*bias);
  }
  auto op = std::make_shared<GatherMatmul>(stream_of(where), format, exact, bias.has_value());
  return mx::array(GatherMatmul::shape_of(x, w, inputs[2]), x.dtype(), op, inputs);
}

mx::array gather_mm(const mx::array& x, const mx::array& w, const mx::array& indices,
                    const std::optional<mx::array>& bias, mx::StreamOrDevice where) {
  require(x.ndim() >= 2 && w.ndim() == 3 && w.shape(2) == x.shape(-1), "x must be [..., M, K] and w [E, N, K]");
  type_of(w, "w");
  return gathered(kDense, {x, w, indices}, true, bias, where);
}

mx::array gather_qmm(const mx::array& x, const mx::array& w, const mx::array& scales,
                     const std::optional<mx::array>& biases, const mx::array& indices, int group_size, int bits,
                     const std::string& mode, bool exact, const std::optional<mx::array>& bias,
                     mx::StreamOrDevice where) {
  WeightFormat format = weight_format(mode, bits, group_size);
  require(x.ndim() >= 2 && w.ndim() == 3, "x must be [..., M, K] and w [E, N, K * bits / 32]");
  require_weight(format, w, scales, biases, x.shape(-1));
  Op::Arrays inputs{x, w, indices, scales};
  if (biases) inputs.push_back(*biases);
  return gathered(format, std::move(inputs), exact, bias, where);
}

// Inputs: indices [...], weight [N, K], then scales and biases as far as there are any.
struct Embed : OpOf<Embed> {
  WeightFormat format;
  Type type;
  float scale;

  Embed(mx::Stream s, WeightFormat format, Type type, float scale) : OpOf(s), format(format), type(type), scale(scale) {}
  const char* name() const override { return "VivaceEmbed"; }
  auto key() const { return std::tuple_cat(format.key(), std::make_tuple(type, scale)); }

  mx::Shape shape_of(const mx::array& indices, const mx::array& w) const {
    mx::Shape shape = indices.shape();
    int64_t k = format.format == Format::dense ? w.shape(1) : w.shape(1) * int64_t{32} / format.bits;
    shape.push_back(static_cast<mx::ShapeElem>(k));
    return shape;
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {shape_of(inputs[0], inputs[1])}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array indices = dense(inputs[0]), w = dense(inputs[1]);
    allocate(outputs[0]);
    if (outputs[0].size() == 0) return {};
    EmbedArgs args{in<int32_t>(indices), static_cast<int64_t>(indices.size()), {}, out(outputs[0]), scale, type};
    if (format.format == Format::dense) {
      args.weight = dense_weight(w);
    } else {
      mx::array scales = dense(inputs[2]);
      auto biases = inputs.size() > 3 ? std::optional(dense(inputs[3])) : std::nullopt;
      args.weight = weight_of(format, w, scales, biases ? &*biases : nullptr);
    }
    return [args] { kernels().embed(args); };
  }
};

mx::array embed(const mx::array& indices, const mx::array& w, const std::optional<mx::array>& scales,
                const std::optional<mx::array>& biases, int group_size, int bits, const std::string& mode,
                const std::optional<mx::Dtype>& dtype, float scale, mx::StreamOrDevice where) {
  require(w.ndim() == 2, "weight must have two axes");
  WeightFormat format = kDense;
  Op::Arrays inputs{as_int32(indices, where), w};
  mx::Dtype out_dtype = dtype.value_or(scales ? (scales->dtype() == mx::uint8 ? mx::bfloat16 : scales->dtype()) : w.dtype());
  if (scales) {
    format = weight_format(mode, bits, group_size);
    require_weight(format, w, *scales, biases, w.shape(1) * int64_t{32} / bits);
    inputs.push_back(*scales);
    if (biases) inputs.push_back(*biases);
  } else {
    type_of(w, "weight");
  }
  require(out_dtype == mx::float32 || out_dtype == mx::float16 || out_dtype == mx::bfloat16,
          "dtype must be float32, float16 or bfloat16");
  Type type = out_dtype == mx::float32 ? Type::f32 : out_dtype == mx::float16 ? Type::f16 : Type::bf16;
  auto op = std::make_shared<Embed>(stream_of(where), format, type, scale);
  return mx::array(op->shape_of(indices, w), out_dtype, op, inputs);
}

}  // namespace

void bind_gather(nb::module_& module) {
  using namespace nb::literals;
  module.def("gather_mm", &gather_mm, "x"_a, "w"_a, "indices"_a, nb::kw_only(), "bias"_a = nb::none(),
             "stream"_a = nb::none(),
             "x [..., M, K], broadcast against indices [...], times the transpose of w [E, N, K] of that index, + its row "
             "of bias [E, N]: [..., M, N]. An index of no expert gives zeros.");
  module.def("gather_qmm", &gather_qmm, "x"_a, "w"_a, "scales"_a, "biases"_a.none(), "indices"_a, nb::kw_only(),
             "group_size"_a = 64, "bits"_a = 4, "mode"_a = "affine", "exact"_a = false, "bias"_a = nb::none(),
             "stream"_a = nb::none(), "gather_mm with quantized w; `exact` as in quantized_matmul.");
  module.def("embed", &embed, "indices"_a, "weight"_a, "scales"_a = nb::none(), "biases"_a = nb::none(), nb::kw_only(),
             "group_size"_a = 64, "bits"_a = 4, "mode"_a = "affine", "dtype"_a = nb::none(), "scale"_a = 1.0f,
             "stream"_a = nb::none(),
             "Rows of a table [N, K], dense or (with scales) quantized, times `scale`: [..., K] in `dtype`. Negative "
             "indices count from the end; those of no row give zeros.");
}

}  // namespace vivace
