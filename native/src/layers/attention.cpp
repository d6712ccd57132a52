// x + post(o(gate * attention(rope(q), slab of rope(k), slab of v))) of norm(x): an attention block as one node, which
// also writes the new keys and values into the slabs of its sequences.
#include "layers/parts.h"
#include "ops/bindings.h"
#include "runtime/level.h"
#include "runtime/scratch.h"

namespace vivace {
namespace {

// A slab's keys or values [1, heads, capacity, dim].
struct SlabView {
  void* data;
  int64_t head;  // stride between heads
  int64_t token;
  Type type;

  explicit SlabView(mx::array& slab)
      : data(out(slab)), head(static_cast<int64_t>(slab.shape(2)) * slab.shape(3)), token(slab.shape(3)),
        type(type_of(slab, "a slab")) {}
  char* at(int64_t index) const { return static_cast<char*>(data) + index * token * size_of(type); }
};

// One sequence of the step: its slabs, where its new tokens go, the first key it sees, the position of its next token.
struct SequenceView {
  SlabView keys, values;
  int64_t begin, first, position;
};

struct AttentionLayer {
  RmsNorm norm;
  std::optional<RmsNorm> post, q_norm, k_norm;
  Linear q, k, v, o;
  Rope rope;
  int64_t heads, kv_heads, dim, value_dim;
  float scale;
  bool gated, exact;

  void run(const void* x, void* out, Type type, const std::vector<SequenceView>& sequences, int64_t tokens,
           int64_t window) const;

 private:
  struct Projected {
    float *q, *k, *v, *gate;
    int64_t q_head;  // stride between heads of q
  };
  Projected project(const void* x, Type type, int64_t rows, Scratch& scratch) const;
  void store(const Projected& p, const std::vector<SequenceView>& sequences, int64_t tokens) const;
  void attend(const Projected& p, float* out, const std::vector<SequenceView>& sequences, int64_t tokens,
              int64_t window) const;
};

// q, k and v of all rows, normed per head where the model does that.
AttentionLayer::Projected AttentionLayer::project(const void* x, Type type, int64_t rows, Scratch& scratch) const {
  float* normed = scratch.take<float>(rows * norm.dim());
  float* queries = scratch.take<float>(rows * q.n());
  float* keys = scratch.take<float>(rows * k.n());
  float* values = scratch.take<float>(rows * v.n());
  norm.run(x, type, rows, norm.dim(), normed, Type::f32);
  multiply(normed, Type::f32, rows, norm.dim(), {q.into(queries), k.into(keys), v.into(values)}, Type::f32, exact);
  int64_t q_head = gated ? 2 * dim : dim;  // of a gated layer each head's query is followed by its gate
  Projected p{queries, keys, values, gated ? queries + dim : nullptr, q_head};
  if (q_norm) {
    p.q = scratch.take<float>(rows * heads * dim);
    p.q_head = dim;
    q_norm->run(queries, Type::f32, rows * heads, q_head, p.q, Type::f32);
  }
  if (k_norm) k_norm->run(keys, Type::f32, rows * kv_heads, dim, keys, Type::f32);
  return p;
}

// Turns queries in place, and keys and values into their slabs.
void AttentionLayer::store(const Projected& p, const std::vector<SequenceView>& sequences, int64_t tokens) const {
  for (size_t r = 0; r < sequences.size(); r++) {
    const SequenceView& s = sequences[r];
    int64_t row = static_cast<int64_t>(r) * tokens;
    float* queries = p.q + row * heads * p.q_head;
    RopePart parts[2] = {
        {queries, queries, heads, 0, p.q_head, heads * p.q_head, 0, p.q_head, heads * p.q_head, Type::f32, Type::f32,
         false},
        {p.k + row * k.n(), s.keys.at(s.begin), kv_heads, 0, dim, k.n(), 0, s.keys.head, s.keys.token, Type::f32,
         s.keys.type, true}};
    rope.run(parts, 2, tokens, dim, s.position);
    RopePart copied{p.v + row * v.n(), s.values.at(s.begin), kv_heads, 0, value_dim, v.n(), 0, s.values.head,
                    s.values.token, Type::f32, s.values.type, true};
    Rope::none().run(&copied, 1, tokens, value_dim, 0);
  }
}

void AttentionLayer::attend(const Projected& p, float* out, const std::vector<SequenceView>& sequences, int64_t tokens,
                            int64_t window) const {
  std::vector<AttentionRow> rows;
  rows.reserve(sequences.size());
  for (const SequenceView& s : sequences) {
    int64_t row = static_cast<int64_t>(rows.size()) * tokens;
    AttentionRow entry{};
    entry.q = p.q + row * heads * p.q_head;
    entry.k = s.keys.at(s.first);
    entry.v = s.values.at(s.first);
    entry.out = out + row * heads * value_dim;
    entry.keys = s.begin + tokens - s.first;
    entry.k_head = s.keys.head;
    entry.k_token = s.keys.token;
    entry.v_head = s.values.head;
    entry.v_token = s.values.token;
    entry.origin = s.position - (s.begin - s.first);
    rows.push_back(entry);
  }
  AttentionArgs args{};
  args.rows = rows.data();
  args.count = static_cast<int64_t>(rows.size());
  args.heads = heads;
  args.kv_heads = kv_heads;
  args.queries = tokens;
  args.dim = dim;
  args.value_dim = value_dim;
  args.q_head = p.q_head;
  args.q_token = heads * p.q_head;
  args.out_head = value_dim;
  args.out_token = heads * value_dim;
  args.scale = scale;
  args.causal = true;
  args.window = window;
  args.q_type = args.out_type = Type::f32;
  args.kv_type = sequences[0].keys.type;
  kernels().attention(args);
}

void AttentionLayer::run(const void* x, void* out, Type type, const std::vector<SequenceView>& sequences,
                         int64_t tokens, int64_t window) const {
  Scratch scratch;
  int64_t rows = static_cast<int64_t>(sequences.size()) * tokens, width = heads * value_dim;
  Projected p = project(x, type, rows, scratch);
  store(p, sequences, tokens);
  float* attended = scratch.take<float>(rows * width);
  attend(p, attended, sequences, tokens, window);
  if (gated) activate(Activation::sigmoid, p.gate, 2 * dim, attended, attended, rows * heads, value_dim);
  if (!post) {
    multiply(attended, Type::f32, rows, width, {o.into(out, x)}, type, exact);
    return;
  }
  float* result = scratch.take<float>(rows * o.n());
  multiply(attended, Type::f32, rows, width, {o.into(result)}, Type::f32, exact);
  post->run(result, Type::f32, rows, o.n(), out, type, x);
}

// Inputs: x [rows, tokens, dim], then keys and values of every row; outputs: the same, written to.
struct Attention : OpOf<Attention> {
  std::shared_ptr<const AttentionLayer> layer;
  std::vector<int64_t> begins, firsts, positions;
  int64_t window;

  Attention(mx::Stream s, std::shared_ptr<const AttentionLayer> layer, std::vector<int64_t> begins,
            std::vector<int64_t> firsts, std::vector<int64_t> positions, int64_t window)
      : OpOf(s), layer(std::move(layer)), begins(std::move(begins)), firsts(std::move(firsts)),
        positions(std::move(positions)), window(window) {}
  const char* name() const override { return "VivaceAttentionBlock"; }
  auto key() const { return std::tie(layer, begins, firsts, positions, window); }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = dense(inputs[0]);
    allocate(outputs[0]);
    std::vector<SequenceView> sequences;
    for (size_t r = 0; r < begins.size(); r++) {
      mx::array &keys = outputs[1 + 2 * r], &values = outputs[2 + 2 * r];
      reuse(inputs[1 + 2 * r], keys);
      reuse(inputs[2 + 2 * r], values);
      sequences.push_back({SlabView(keys), SlabView(values), begins[r], firsts[r], positions[r]});
    }
    return [layer = layer, from = in(x), to = out(outputs[0]), type = type_of(x, "x"), sequences = std::move(sequences),
            tokens = static_cast<int64_t>(x.shape(1)), window = window] {
      layer->run(from, to, type, sequences, tokens, window);
    };
  }
};

void check_slab(const mx::array& slab, int64_t heads, int64_t dim, int64_t end) {
  require(slab.ndim() == 4 && slab.shape(0) == 1 && slab.shape(1) == heads && slab.shape(3) == dim,
          "a slab must be [1, kv heads, capacity, dim]");
  require(end <= slab.shape(2), "a slab has no room for the new tokens");
  type_of(slab, "a slab");
}

Op::Arrays apply(const Held<AttentionLayer>& held, const mx::array& x, const Op::Arrays& keys,
                 const Op::Arrays& values, const std::vector<int64_t>& begins, const std::vector<int64_t>& firsts,
                 const std::vector<int64_t>& positions, int64_t window) {
  const auto& layer = held.thing;
  size_t rows = begins.size();
  require(x.ndim() == 3 && x.shape(2) == layer->norm.dim() && x.shape(0) == static_cast<int>(rows) && rows > 0,
          "x must be [rows, tokens, dim]");
  require(keys.size() == rows && values.size() == rows && firsts.size() == rows && positions.size() == rows,
          "every row needs keys, values, begin, first and position");
  Op::Arrays inputs{x};
  for (size_t r = 0; r < rows; r++) {
    require(0 <= firsts[r] && firsts[r] <= begins[r], "first must lie between 0 and begin");
    check_slab(keys[r], layer->kv_heads, layer->dim, begins[r] + x.shape(1));
    check_slab(values[r], layer->kv_heads, layer->value_dim, begins[r] + x.shape(1));
    require(keys[r].dtype() == keys[0].dtype() && values[r].dtype() == keys[0].dtype(), "slabs must have one dtype");
    inputs.push_back(keys[r]);
    inputs.push_back(values[r]);
  }
  std::vector<mx::Shape> shapes;
  std::vector<mx::Dtype> dtypes;
  for (const mx::array& input : inputs) {
    shapes.push_back(input.shape());
    dtypes.push_back(input.dtype());
  }
  auto op = std::make_shared<Attention>(stream_of({}), layer, begins, firsts, positions, window);
  return mx::array::make_arrays(std::move(shapes), dtypes, op, inputs);
}

void make(Held<AttentionLayer>* held, const RmsNorm& norm, const std::optional<RmsNorm>& post, const Linear& q,
          const Linear& k, const Linear& v, const Linear& o, const std::optional<RmsNorm>& q_norm,
          const std::optional<RmsNorm>& k_norm, const Rope& rope, int64_t heads, int64_t kv_heads, float scale,
          bool gated, bool exact) {
  require(heads > 0 && kv_heads > 0 && heads % kv_heads == 0, "heads must be a multiple of kv_heads");
  int64_t dim = k.n() / kv_heads, value_dim = v.n() / kv_heads;
  require(q.k() == norm.dim() && k.k() == norm.dim() && v.k() == norm.dim() && o.n() == norm.dim(),
          "the projections do not fit the norm");
  require(k.n() == kv_heads * dim && v.n() == kv_heads * value_dim && o.k() == heads * value_dim &&
              q.n() == heads * dim * (gated ? 2 : 1) && (!gated || dim == value_dim),
          "the projections do not fit the heads");
  require((!q_norm || q_norm->dim() == dim) && (!k_norm || k_norm->dim() == dim), "the head norms do not fit");
  require(rope.dims() <= dim, "more dimensions to rotate than a head has");
  require(!post || post->dim() == norm.dim(), "the second norm does not fit");
  AttentionLayer layer{norm, post,  q_norm,   k_norm, q,         k,     v,     o,
                       rope, heads, kv_heads, dim,    value_dim, scale, gated, exact};
  new (held) Held<AttentionLayer>{std::make_shared<const AttentionLayer>(std::move(layer))};
}

nb::tuple slab_shape(const AttentionLayer& layer, int64_t dim) { return nb::make_tuple(1, layer.kv_heads, 0, dim); }

}  // namespace

void bind_attention_block(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<Held<AttentionLayer>>(module, "Attention",
                             "An attention block with its norms, rotary embedding, slabs and residual.")
      .def("__init__", &make, "norm"_a, "post"_a.none(), "q"_a, "k"_a, "v"_a, "o"_a, "q_norm"_a.none(),
           "k_norm"_a.none(), "rope"_a, "heads"_a, "kv_heads"_a, "scale"_a, "gated"_a = false, "exact"_a = false)
      .def_prop_ro("key_shape", [](const Held<AttentionLayer>& l) { return slab_shape(*l.thing, l.thing->dim); })
      .def_prop_ro("value_shape", [](const Held<AttentionLayer>& l) { return slab_shape(*l.thing, l.thing->value_dim); })
      .def("__call__", &apply, "x"_a, "keys"_a, "values"_a, "begins"_a, "firsts"_a, "positions"_a, "window"_a = 0,
           "x [rows, tokens, dim]; keys and values: slabs [1, kv heads, capacity, dim] of each row. The new tokens are\n"
           "written from begins[row] on and see keys from firsts[row] on, at most the last `window`. Gives x with the\n"
           "block's result added, then keys and values of each row in turn; in place where nothing else refers to them.");
}

}  // namespace vivace
