#include "kernels/sample.h"

#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

struct Rows {
  mx::array x;
  int64_t count, dim, stride;
};

int64_t rows_of(const mx::array& x) { return x.shape(-1) ? static_cast<int64_t>(x.size()) / x.shape(-1) : 0; }

// A node over the last axis of its input.
template <class Self>
struct RowsOp : OpOf<Self> {
  using OpOf<Self>::OpOf;

 protected:
  // A matrix whose rows only lie apart (the last position of each prompt, say) is read where it is.
  Rows rows(const mx::array& input) {
    const int64_t dim = input.shape(-1);
    const bool apart = input.ndim() == 2 && (input.strides(1) == 1 || dim == 1);
    if (apart) return {input, input.shape(0), dim, input.strides(0)};
    return {this->dense(input), rows_of(input), dim, dim};
  }
};

enum class Reduction { argmax, logsumexp, softmax };

struct Reduce : RowsOp<Reduce> {
  Reduction reduction;

  Reduce(mx::Stream s, Reduction reduction) : RowsOp(s), reduction(reduction) {}
  const char* name() const override { return "VivaceReduce"; }
  auto key() const { return std::make_tuple(reduction); }

  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {shape_of(inputs[0])}; }

  mx::Shape shape_of(const mx::array& x) const {
    mx::Shape shape = x.shape();
    if (reduction != Reduction::softmax) shape.pop_back();
    return shape;
  }

  mx::Dtype dtype_of(const mx::array& x) const {
    return reduction == Reduction::argmax ? mx::uint32 : reduction == Reduction::logsumexp ? mx::float32 : x.dtype();
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    Rows x = rows(inputs[0]);
    allocate(outputs[0]);
    if (outputs[0].size() == 0) return {};
    RowsArgs args{in(x.x), out(outputs[0]), x.count, x.dim, x.stride, type_of(x.x, "x")};
    auto kernel = reduction == Reduction::argmax      ? &Kernels::argmax
                  : reduction == Reduction::logsumexp ? &Kernels::logsumexp
                                                      : &Kernels::softmax;
    return [args, kernel] { (kernels().*kernel)(args); };
  }
};

mx::array reduced(const mx::array& x, Reduction reduction, mx::StreamOrDevice where) {
  require(x.ndim() > 0, "x must have at least one axis");
  require(reduction == Reduction::softmax || x.shape(-1) > 0, "the last axis of x must not be empty");
  type_of(x, "x");
  auto op = std::make_shared<Reduce>(stream_of(where), reduction);
  return mx::array(op->shape_of(x), op->dtype_of(x), op, {x});
}

struct TopK : RowsOp<TopK> {
  int64_t k;

  TopK(mx::Stream s, int64_t k) : RowsOp(s), k(k) {}
  const char* name() const override { return "VivaceTopK"; }
  auto key() const { return std::make_tuple(k); }

  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {shape_of(inputs[0]), shape_of(inputs[0])}; }

  mx::Shape shape_of(const mx::array& x) const {
    mx::Shape shape = x.shape();
    shape.back() = static_cast<mx::ShapeElem>(k);
    return shape;
  }

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    Rows x = rows(inputs[0]);
    allocate(outputs[0]);
    allocate(outputs[1]);
    TopKArgs args{in(x.x), out<float>(outputs[0]), out<uint32_t>(outputs[1]), x.count, x.dim, x.stride, k,
                  type_of(x.x, "x")};
    return [args] { kernels().topk(args); };
  }
};

std::pair<mx::array, mx::array> topk(const mx::array& x, int64_t k, mx::StreamOrDevice where) {
  require(x.ndim() > 0, "x must have at least one axis");
  require(k >= 0 && k <= x.shape(-1), "k must be between 0 and the length of the last axis of x");
  type_of(x, "x");
  auto op = std::make_shared<TopK>(stream_of(where), k);
  mx::Shape shape = op->shape_of(x);
  auto both = mx::array::make_arrays({shape, shape}, {mx::float32, mx::uint32}, op, {x});
  return {both[0], both[1]};
}

}  // namespace

void bind_sample(nb::module_& module) {
  using namespace nb::literals;
  module.def(
      "argmax", [](const mx::array& x, mx::StreamOrDevice where) { return reduced(x, Reduction::argmax, where); }, "x"_a,
      nb::kw_only(), "stream"_a = nb::none(),
      "uint32 [...] of x [..., V]: the first of the largest; if there is a NaN, the first NaN.");
  module.def(
      "logsumexp", [](const mx::array& x, mx::StreamOrDevice where) { return reduced(x, Reduction::logsumexp, where); },
      "x"_a, nb::kw_only(), "stream"_a = nb::none(), "float32 [...] of x [..., V].");
  module.def(
      "softmax", [](const mx::array& x, mx::StreamOrDevice where) { return reduced(x, Reduction::softmax, where); },
      "x"_a, nb::kw_only(), "stream"_a = nb::none(),
      "Over the last axis, in the dtype of x, computed in float32.");
  module.def("topk", &topk, "x"_a, "k"_a, nb::kw_only(), "stream"_a = nb::none(),
             "(values float32 [..., k], indices uint32 [..., k]) of x [..., V], in descending order, of equals the first; "
             "a NaN counts as larger than all.");
}

}  // namespace vivace
