#include "kernels/attention.h"

#include "mlx/ops.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

struct Options {
  float scale, softcap = 0;
  bool causal = false;
  int window = 0;
  auto key() const { return std::make_tuple(scale, softcap, causal, window); }
};

// The strides of [B, H, T, S] for a mask of fewer axes or with axes of length 1.
std::vector<int64_t> broadcast_strides(const mx::array& mask) {
  std::vector<int64_t> strides(4, 0);
  for (int axis = 4 - static_cast<int>(mask.ndim()), i = 0; axis < 4; axis++, i++)
    if (mask.shape(i) != 1) strides[axis] = mask.strides(i);
  return strides;
}

struct AttentionOp : Op {
  using Op::Op;

 protected:
  // Elements of the last axis lie together in what this returns; other strides are free, so slabs are read in place.
  mx::array readable(const mx::array& x) { return x.shape(-1) <= 1 || x.strides(-1) == 1 ? x : dense(x); }

  static AttentionArgs arguments(const mx::array& q, const mx::array& k, const mx::array& v, const mx::array& output,
                                 const Options& options) {
    AttentionArgs args{};
    args.count = q.shape(0), args.heads = q.shape(1), args.kv_heads = k.shape(1), args.queries = q.shape(2);
    args.dim = q.shape(3), args.value_dim = v.shape(3);
    args.q_head = q.strides(1), args.q_token = q.strides(2);
    args.out_head = output.strides(1), args.out_token = output.strides(2);
    args.scale = options.scale, args.softcap = options.softcap;
    args.causal = options.causal, args.window = options.window;
    args.q_type = args.out_type = type_of(q, "q"), args.kv_type = type_of(k, "k");
    return args;
  }

  // Row `batch` of k and v, [begin, end) of their keys, answers row `row` of q.
  static AttentionRow row_of(const mx::array& q, int row, const mx::array& k, const mx::array& v, int batch,
                             int64_t begin, int64_t end, mx::array& output) {
    auto at = [](const mx::array& x, int64_t offset) { return in(x) + offset * static_cast<int64_t>(x.itemsize()); };
    return {at(q, row * q.strides(0)),
            at(k, batch * k.strides(0) + begin * k.strides(2)),
            at(v, batch * v.strides(0) + begin * v.strides(2)),
            nullptr,
            out(output) + row * output.strides(0) * static_cast<int64_t>(output.itemsize()),
            end - begin,
            k.strides(1),
            k.strides(2),
            v.strides(1),
            v.strides(2)};
  }

  static Work work_of(AttentionArgs args, std::vector<AttentionRow> rows) {
    return [args, rows = std::move(rows)]() mutable {
      args.rows = rows.data();
      kernels().attention(args);
    };
  }
};

// Inputs: q, k, v, then the mask and the sinks if there are such.
struct Attention : AttentionOp {
  Options options;
  bool has_mask, has_sinks;

  Attention(mx::Stream s, const Options& options, bool has_mask, bool has_sinks)
      : AttentionOp(s), options(options), has_mask(has_mask), has_sinks(has_sinks) {}
  const char* name() const override { return "VivaceAttention"; }
  bool is_equivalent(const mx::Primitive& other) const override {
    auto& that = static_cast<const Attention&>(other);
    return options.key() == that.options.key() && has_mask == that.has_mask && has_sinks == that.has_sinks;
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override {
    mx::Shape shape = inputs[0].shape();
    shape.back() = inputs[2].shape(-1);
    return {shape};
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array q = readable(inputs[0]), k = readable(inputs[1]), v = readable(inputs[2]);
    allocate(outputs[0]);
    AttentionArgs args = arguments(q, k, v, outputs[0], options);
    std::vector<AttentionRow> rows;
    for (int i = 0; i < q.shape(0); i++) rows.push_back(row_of(q, i, k, v, i, 0, k.shape(2), outputs[0]));
    if (has_sinks) args.sinks = in<float>(dense(inputs.back()));
    if (has_mask) add_mask(readable(inputs[3]), args, rows);
    return work_of(args, std::move(rows));
  }

 private:
  static void add_mask(const mx::array& mask, AttentionArgs& args, std::vector<AttentionRow>& rows) {
    std::vector<int64_t> strides = broadcast_strides(mask);
    args.mask_head = strides[1], args.mask_query = strides[2];
    args.mask_kind = mask.dtype() == mx::bool_ ? MaskKind::boolean : MaskKind::additive;
    if (args.mask_kind == MaskKind::additive) args.mask_type = type_of(mask, "mask");
    for (size_t i = 0; i < rows.size(); i++)
      rows[i].mask = in(mask) + static_cast<int64_t>(i) * strides[0] * static_cast<int64_t>(mask.itemsize());
  }
};

// Inputs: q, the keys of every row, the values of every row, then the sinks if there are such.
struct RaggedAttention : AttentionOp {
  Options options;
  std::vector<int> starts, ends;
  bool has_sinks;

  RaggedAttention(mx::Stream s, const Options& options, std::vector<int> starts, std::vector<int> ends, bool has_sinks)
      : AttentionOp(s), options(options), starts(std::move(starts)), ends(std::move(ends)), has_sinks(has_sinks) {}
  const char* name() const override { return "VivaceRaggedAttention"; }
  bool is_equivalent(const mx::Primitive& other) const override {
    auto& that = static_cast<const RaggedAttention&>(other);
    return options.key() == that.options.key() && starts == that.starts && ends == that.ends &&
           has_sinks == that.has_sinks;
  }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override {
    mx::Shape shape = inputs[0].shape();
    shape.back() = inputs[1 + starts.size()].shape(-1);
    return {shape};
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    size_t count = starts.size();
    mx::array q = readable(inputs[0]);
    allocate(outputs[0]);
    AttentionArgs args = arguments(q, inputs[1], inputs[1 + count], outputs[0], options);
    std::vector<AttentionRow> rows;
    for (size_t i = 0; i < count; i++) {
      mx::array k = readable(inputs[1 + i]), v = readable(inputs[1 + count + i]);
      rows.push_back(row_of(q, static_cast<int>(i), k, v, 0, starts[i], ends[i], outputs[0]));
    }
    if (has_sinks) args.sinks = in<float>(dense(inputs.back()));
    return work_of(args, std::move(rows));
  }
};

// ---- what callers may hand in ----

void check(const mx::array& q, const mx::array& k, const mx::array& v, const Options& options) {
  require(q.ndim() == 4 && k.ndim() == 4 && v.ndim() == 4, "q, k and v must be [batch, heads, tokens, dim]");
  type_of(q, "q"), type_of(k, "k"), type_of(v, "v");
  require(k.dtype() == v.dtype(), "k and v must have one dtype");
  require(q.shape(3) == k.shape(3), "q and k must have one dim");
  require(k.shape(1) == v.shape(1) && k.shape(2) == v.shape(2), "k and v must have the same heads and tokens");
  require(k.shape(1) > 0 && q.shape(1) % k.shape(1) == 0, "the heads of q must be a multiple of those of k");
  require(options.window >= 0, "window must be positive, or 0 for none");
  require(options.softcap >= 0, "softcap must be positive, or 0 for none");
}

mx::array checked_sinks(const mx::array& sinks, const mx::array& q, mx::StreamOrDevice where) {
  require(sinks.ndim() == 1 && sinks.shape(0) == q.shape(1), "sinks must be [heads of q]");
  return mx::astype(sinks, mx::float32, where);
}

mx::array checked_mask(const mx::array& mask, const mx::Shape& scores, mx::StreamOrDevice where) {
  if (mask.dtype() != mx::bool_) type_of(mask, "a mask that is not boolean");
  require(mask.ndim() <= 4, "mask must have at most 4 axes");
  for (int axis = 4 - static_cast<int>(mask.ndim()), i = 0; axis < 4; axis++, i++)
    require(mask.shape(i) == 1 || mask.shape(i) == scores[axis], "mask must broadcast to [batch, heads, queries, keys]");
  return mask.ndim() == 0 || mask.shape(-1) != scores[3] ? mx::broadcast_to(mask, scores, where) : mask;
}

mx::array attention(const mx::array& q, const mx::array& k, const mx::array& v, const Options& options,
                    const std::optional<mx::array>& sinks, const std::optional<mx::array>& mask,
                    mx::StreamOrDevice where) {
  check(q, k, v, options);
  require(q.shape(0) == k.shape(0) && q.shape(0) == v.shape(0), "q, k and v must have one batch size");
  Op::Arrays inputs{q, k, v};
  if (mask) inputs.push_back(checked_mask(*mask, {q.shape(0), q.shape(1), q.shape(2), k.shape(2)}, where));
  if (sinks) inputs.push_back(checked_sinks(*sinks, q, where));
  auto op = std::make_shared<Attention>(stream_of(where), options, mask.has_value(), sinks.has_value());
  return mx::array({q.shape(0), q.shape(1), q.shape(2), v.shape(3)}, q.dtype(), op, inputs);
}

mx::array ragged_attention(const mx::array& q, const std::vector<mx::array>& keys,
                           const std::vector<mx::array>& values, const std::vector<int>& starts,
                           const std::vector<int>& ends, const Options& options,
                           const std::optional<mx::array>& sinks, mx::StreamOrDevice where) {
  size_t rows = keys.size();
  require(rows > 0 && values.size() == rows && starts.size() == rows && ends.size() == rows,
          "keys, values, starts and ends must be lists of one length, at least 1");
  require(q.ndim() == 4 && static_cast<size_t>(q.shape(0)) == rows, "q must be [rows, heads, tokens, dim]");
  for (size_t i = 0; i < rows; i++) {
    check(q, keys[i], values[i], options);
    require(keys[i].shape(0) == 1 && values[i].shape(0) == 1, "keys and values of a row must be [1, heads, tokens, dim]");
    require(keys[i].dtype() == keys[0].dtype(), "the keys of all rows must have one dtype");
    require(keys[i].shape(1) == keys[0].shape(1) && values[i].shape(3) == values[0].shape(3),
            "the keys and values of all rows must have the same heads and dim");
    require(0 <= starts[i] && starts[i] <= ends[i] && ends[i] <= keys[i].shape(2), "starts and ends must lie in the keys");
  }
  Op::Arrays inputs{q};
  inputs.insert(inputs.end(), keys.begin(), keys.end());
  inputs.insert(inputs.end(), values.begin(), values.end());
  if (sinks) inputs.push_back(checked_sinks(*sinks, q, where));
  auto op = std::make_shared<RaggedAttention>(stream_of(where), options, starts, ends, sinks.has_value());
  return mx::array({q.shape(0), q.shape(1), q.shape(2), values[0].shape(3)}, q.dtype(), op, inputs);
}

}  // namespace

void bind_attention(nb::module_& module) {
  using namespace nb::literals;
  module.def(
      "attention",
      [](const mx::array& q, const mx::array& k, const mx::array& v, float scale, bool causal, int window,
         const std::optional<mx::array>& sinks, const std::optional<mx::array>& mask, float softcap,
         mx::StreamOrDevice where) {
        return attention(q, k, v, {scale, softcap, causal, window}, sinks, mask, where);
      },
      "q"_a, "k"_a, "v"_a, nb::kw_only(), "scale"_a, "causal"_a = false, "window"_a = 0, "sinks"_a = nb::none(),
      "mask"_a = nb::none(), "softcap"_a = 0.0f, "stream"_a = nb::none(),
      "softmax(scale * q k^T) v in the dtype of q: q [B, H, T, D], k [B, Hk, S, D], v [B, Hk, S, Dv] -> [B, H, T, Dv].\n\n"
      "The queries are the last T of the S positions. causal: each sees the keys up to its own; window: the last so\n"
      "many of them only. mask: boolean (False hides) or additive, broadcastable to [B, H, T, S]. sinks [H]: an extra\n"
      "score of each head without a value. softcap c: scores become c tanh(score / c). A query that sees no key gives\n"
      "zeros; one whose keys are all hidden by a boolean mask gives their mean.");
  module.def(
      "ragged_attention",
      [](const mx::array& q, const std::vector<mx::array>& keys, const std::vector<mx::array>& values,
         const std::vector<int>& starts, const std::vector<int>& ends, float scale,
         const std::optional<mx::array>& sinks, bool causal, int window, float softcap, mx::StreamOrDevice where) {
        return ragged_attention(q, keys, values, starts, ends, {scale, softcap, causal, window}, sinks, where);
      },
      "q"_a, "keys"_a, "values"_a, "starts"_a, "ends"_a, nb::kw_only(), "scale"_a, "sinks"_a = nb::none(),
      "causal"_a = false, "window"_a = 0, "softcap"_a = 0.0f, "stream"_a = nb::none(),
      "As attention, row i of q [B, H, T, D] with keys[i][:, :, starts[i]:ends[i]] of [1, Hk, capacity, D], and the\n"
      "same of values, read in place. A row's result is the same whatever the other rows are.");
}

}  // namespace vivace
