#include "kernels/rope.h"

#include <cmath>
#include <limits>

#include "mlx/ops.h"
#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

using Offsets = std::variant<int64_t, mx::array, std::vector<int64_t>>;

struct Rope : OpOf<Rope> {
  std::vector<int64_t> offsets;  // one for all rows, or one each; empty: the third input has them
  bool traditional;
  float factor;

  Rope(mx::Stream s, std::vector<int64_t> offsets, bool traditional, float factor)
      : OpOf(s), offsets(std::move(offsets)), traditional(traditional), factor(factor) {}
  const char* name() const override { return "VivaceRope"; }
  auto key() const { return std::tie(offsets, traditional, factor); }
  std::vector<mx::Shape> output_shapes(const Arrays& inputs) override { return {inputs[0].shape()}; }

  // x [B, H, T, D], frequencies [dims / 2], perhaps int32 offsets [] or [B].
  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    mx::array x = last_axis_dense(inputs[0]), frequencies = dense(inputs[1]);
    overwrite(x, outputs[0]);
    int64_t rows = x.shape(0), heads = x.shape(1), tokens = x.shape(2), dim = x.shape(3);
    Type type = type_of(x, "x");
    RopePart part{in(x),        out(outputs[0]), heads,        x.strides(0),         x.strides(1), x.strides(2),
                  heads * tokens * dim, tokens * dim,    dim,          type, type, false};
    RopeArgs args{nullptr, 1, rows, tokens, dim, 2 * frequencies.shape(0), nullptr, in<float>(frequencies), factor,
                  traditional};
    std::vector<int64_t> first(rows, offsets.size() == 1 ? offsets[0] : 0);
    if (offsets.size() > 1) first = offsets;
    const int32_t* given = nullptr;
    int64_t step = 0;
    if (inputs.size() > 2) {
      given = in<int32_t>(inputs[2]);
      step = inputs[2].ndim() ? inputs[2].strides(0) : 0;
    }
    return [args, part, first, given, step]() mutable {
      for (size_t row = 0; given && row < first.size(); row++) first[row] = given[row * step];
      args.parts = &part;
      args.offsets = first.data();
      kernels().rope(args);
    };
  }
};

mx::array rope(const mx::array& x, const Offsets& offsets, const mx::array& frequencies, bool traditional, float factor,
               mx::StreamOrDevice where) {
  type_of(x, "x");
  require(x.ndim() >= 3, "x must be [B, ..., T, D]");
  require(frequencies.ndim() == 1 && frequencies.dtype() == mx::float32, "frequencies must be float32 [dims / 2]");
  require(2 * frequencies.shape(0) <= x.shape(-1), "frequencies rotate more than the elements of a head");
  int rows = x.shape(0);
  Op::Arrays inputs{x, frequencies};
  std::vector<int64_t> known;
  if (const auto* array = std::get_if<mx::array>(&offsets)) {
    bool fits = array->ndim() == 0 || (array->ndim() == 1 && (array->shape(0) == rows || array->shape(0) == 1));
    require(fits && mx::issubdtype(array->dtype(), mx::integer), "offsets must be integers, one or one a row");
    mx::array first = mx::astype(*array, mx::int32, where);
    inputs.push_back(array->ndim() == 1 && array->shape(0) == 1 ? mx::reshape(first, {}, where) : first);
  } else if (const auto* list = std::get_if<std::vector<int64_t>>(&offsets)) {
    require(static_cast<int>(list->size()) == rows, "offsets must be integers, one or one a row");
    known = *list;
  } else {
    known = {std::get<int64_t>(offsets)};
  }
  for (int64_t offset : known)
    require(std::abs(offset) <= std::numeric_limits<int32_t>::max(), "an offset is out of range");
  auto op = std::make_shared<Rope>(stream_of(where), known, traditional, factor);
  if (x.ndim() == 4) return mx::array(x.shape(), x.dtype(), op, inputs);
  if (x.size() == 0) return x;
  inputs[0] = mx::reshape(x, {rows, -1, x.shape(-2), x.shape(-1)}, where);
  return mx::reshape(mx::array(inputs[0].shape(), x.dtype(), op, inputs), x.shape(), where);
}

mx::array rope_frequencies(int dims, double base, double scale) {
  require(dims >= 0 && dims % 2 == 0, "dims must be even");
  std::vector<float> values(dims / 2);
  for (int i = 0; i < dims / 2; i++) values[i] = static_cast<float>(scale * std::pow(base, -2.0 * i / dims));
  return mx::array(values.data(), {dims / 2}, mx::float32);
}

}  // namespace

void bind_rope(nb::module_& module) {
  using namespace nb::literals;
  module.def("rope", &rope, "x"_a, "offsets"_a, "frequencies"_a, nb::kw_only(), "traditional"_a = false,
             "factor"_a = 1.0f, "stream"_a = nb::none(),
             "Rotary position embedding of x [B, ..., T, D]: the first 2 len(frequencies) elements of a head turn by "
             "(offset + t) frequencies (float32, radians per position) and are multiplied by `factor`. Offsets: one "
             "integer, or one a row. Pairs are (2i, 2i + 1) when traditional, else (i, i + dims / 2).");
  module.def("rope_frequencies", &rope_frequencies, "dims"_a, "base"_a, "scale"_a = 1.0,
             "scale / base^(2i / dims): float32 [dims / 2].");
}

}  // namespace vivace
