#include "kernels/matmul.h"
#include "mlx/ops.h"
#include "ops/bindings.h"
#include "ops/packed.h"
#include "ops/primitive.h"
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

// Experts [E, N, K]: an input of the node, or packed.
struct Experts {
  SharedPacked packed;
  int64_t count, n, k;
};

Experts experts_of(const mx::array& w) { return {nullptr, w.shape(0), w.shape(1), w.shape(2)}; }
Experts experts_of(const SharedPacked& w) { return {w, w->count(), w->weight().n, w->weight().k}; }

// Inputs: x [..., M, K], indices [...], then bias [E, N] if there is one, and the experts if they are not packed.
struct GatherMatmul : OpOf<GatherMatmul> {
  Experts w;
  bool exact, has_bias;

  GatherMatmul(mx::Stream s, Experts w, bool exact, bool has_bias)
      : OpOf(s), w(std::move(w)), exact(exact), has_bias(has_bias) {}
  const char* name() const override { return "VivaceGatherMatmul"; }
  auto key() const { return std::make_tuple(w.packed, w.n, exact, has_bias); }

  // Of x and indices together.
  static mx::Shape batch_of(const mx::array& x, const mx::array& indices) {
    return mx::broadcast_shapes(mx::Shape(x.shape().begin(), x.shape().end() - 2), indices.shape());
  }
  mx::Shape shape_of(const mx::array& x, const mx::array& indices) const {
    mx::Shape shape = batch_of(x, indices);
    shape.push_back(x.shape(-2));
    shape.push_back(static_cast<mx::ShapeElem>(w.n));
    return shape;
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {shape_of(inputs[0], inputs[1])}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]), indices = dense(inputs[1]);
    allocate(outputs[0]);
    if (outputs[0].size() == 0) return {};
    GatherMatmulArgs args{};
    args.x = in(x);
    args.stride = x.shape(-1);
    args.experts = w.count;
    args.first = w.packed ? w.packed->weight() : dense_weight(dense(inputs.back()));
    if (has_bias) {
      mx::array bias = dense(inputs[2]);
      args.bias = in(bias), args.bias_type = type_of(bias, "bias");
    }
    args.out = out(outputs[0]);
    args.exact = exact;
    args.type = args.out_type = type_of(x, "x");

    const mx::Shape batch = batch_of(x, indices);
    return [args, held = w.packed, m = x.shape(-2), index = in<int32_t>(indices), experts = broadcast_rows(indices.shape(), batch),
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

mx::array gathered(const mx::array& x, Experts w, const mx::array& indices, bool exact,
                   const std::optional<mx::array>& bias, const std::optional<mx::array>& dense, mx::StreamOrDevice where) {
  require(x.ndim() >= 2 && x.shape(-1) == w.k, "x must be [..., M, K]");
  type_of(x, "x");
  Op::Arrays inputs{x, as_int32(indices, where)};
  if (bias) {
    require(bias->ndim() == 2 && bias->shape(0) == w.count && bias->shape(1) == w.n, "bias must be [E, N]");
    type_of(*bias, "bias");
    inputs.push_back(*bias);
  }
  if (dense) inputs.push_back(*dense);
  auto op = std::make_shared<GatherMatmul>(stream_of(where), std::move(w), exact, bias.has_value());
  return mx::array(op->shape_of(x, indices), x.dtype(), op, inputs);
}

mx::array gather_mm(const mx::array& x, const mx::array& w, const mx::array& indices,
                    const std::optional<mx::array>& bias, mx::StreamOrDevice where) {
  require(w.ndim() == 3, "w must be [E, N, K]");
  type_of(w, "w");
  return gathered(x, experts_of(w), indices, true, bias, w, where);
}

mx::array gather_qmm(const mx::array& x, const Held<Packed>& w, const mx::array& indices, bool exact,
                     const std::optional<mx::array>& bias, mx::StreamOrDevice where) {
  require(w.thing->many(), "w must be [E, N, K]");
  return gathered(x, experts_of(w.thing), indices, exact, bias, {}, where);
}

// Inputs: indices [...], then the weight [N, K] if it is not packed.
struct Embed : OpOf<Embed> {
  SharedPacked packed;
  int64_t k;
  Type type;
  float scale;

  Embed(mx::Stream s, SharedPacked packed, int64_t k, Type type, float scale)
      : OpOf(s), packed(std::move(packed)), k(k), type(type), scale(scale) {}
  const char* name() const override { return "VivaceEmbed"; }
  auto key() const { return std::make_tuple(packed, k, type, scale); }

  mx::Shape shape_of(const mx::array& indices) const {
    mx::Shape shape = indices.shape();
    shape.push_back(static_cast<mx::ShapeElem>(k));
    return shape;
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {shape_of(inputs[0])}; }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array indices = dense(inputs[0]);
    allocate(outputs[0]);
    if (outputs[0].size() == 0) return {};
    EmbedArgs args{in<int32_t>(indices), static_cast<int64_t>(indices.size()), {}, out(outputs[0]), scale, type};
    args.weight = packed ? packed->weight() : dense_weight(dense(inputs[1]));
    return [args, held = packed] { kernels().embed(args); };
  }
};

mx::array embedded(Op::Arrays inputs, SharedPacked packed, int64_t k, mx::Dtype dtype, float scale,
                   mx::StreamOrDevice where) {
  require(dtype == mx::float32 || dtype == mx::float16 || dtype == mx::bfloat16,
          "dtype must be float32, float16 or bfloat16");
  Type type = dtype == mx::float32 ? Type::f32 : dtype == mx::float16 ? Type::f16 : Type::bf16;
  auto op = std::make_shared<Embed>(stream_of(where), std::move(packed), k, type, scale);
  return mx::array(op->shape_of(inputs[0]), dtype, op, inputs);
}

mx::array embed(const mx::array& indices, const mx::array& w, const std::optional<mx::Dtype>& dtype, float scale,
                mx::StreamOrDevice where) {
  require(w.ndim() == 2, "weight must have two axes");
  type_of(w, "weight");
  return embedded({as_int32(indices, where), w}, nullptr, w.shape(1), dtype.value_or(w.dtype()), scale, where);
}

mx::array embed_packed(const mx::array& indices, const Held<Packed>& w, const std::optional<mx::Dtype>& dtype, float scale,
                       mx::StreamOrDevice where) {
  const SharedPacked& packed = w.thing;
  require(!packed->many(), "weight must have two axes");
  return embedded({as_int32(indices, where)}, packed, packed->weight().k, dtype.value_or(packed->dtype()), scale, where);
}

}  // namespace

void bind_gather(nb::module_& module) {
  using namespace nb::literals;
  module.def("gather_mm", &gather_mm, "x"_a, "w"_a, "indices"_a, nb::kw_only(), "bias"_a = nb::none(),
             "stream"_a = nb::none(),
             "x [..., M, K], broadcast against indices [...], times the transpose of w [E, N, K] of that index, + its row "
             "of bias [E, N]: [..., M, N]. An index of no expert gives zeros.");
  module.def("gather_qmm", &gather_qmm, "x"_a, "w"_a, "indices"_a, nb::kw_only(), "exact"_a = false,
             "bias"_a = nb::none(), "stream"_a = nb::none(),
             "gather_mm with a Packed w; `exact` as in quantized_matmul.");
  const char* doc =
      "Rows of a table [N, K], an array or Packed, times `scale`: [..., K] in `dtype`. Negative indices count from the "
      "end; those of no row give zeros.";
  module.def("embed", &embed, "indices"_a, "weight"_a, nb::kw_only(), "dtype"_a = nb::none(), "scale"_a = 1.0f,
             "stream"_a = nb::none(), doc);
  module.def("embed", &embed_packed, "indices"_a, "weight"_a, nb::kw_only(), "dtype"_a = nb::none(), "scale"_a = 1.0f,
             "stream"_a = nb::none(), doc);
}

}  // namespace vivace
