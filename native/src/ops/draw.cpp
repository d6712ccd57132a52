#include "kernels/draw.h"

#include "ops/bindings.h"
#include "ops/primitive.h"
#include "runtime/level.h"

namespace vivace {
namespace {

struct Draw : OpOf<Draw> {
  std::vector<DrawRow> rows;

  Draw(mx::Stream s, std::vector<DrawRow> rows) : OpOf(s), rows(std::move(rows)) {}
  const char* name() const override { return "VivaceDraw"; }
  const void* key() const { return this; }  // no two draws are the same

  Work prepare(const Arrays& inputs, Arrays& outputs) override {
    const mx::array& given = inputs[0];
    bool apart = given.strides(1) == 1;  // rows that only lie apart are read where they are
    mx::array x = apart ? given : dense(given);
    allocate(outputs[0]);
    DrawArgs args{in(x), out<uint32_t>(outputs[0]), nullptr, x.shape(0), x.shape(1), x.strides(0), type_of(x, "x")};
    return [args, rows = rows] {
      DrawArgs call = args;
      call.rows = rows.data();
      kernels().draw(call);
    };
  }
};

mx::array draw(const mx::array& x, const std::vector<float>& temperature, const std::vector<int64_t>& top_k,
               const std::vector<float>& top_p, const std::vector<float>& min_p, const std::vector<uint32_t>& seeds,
               const std::vector<uint32_t>& positions, mx::StreamOrDevice where) {
  require(x.ndim() == 2 && x.shape(1) > 0, "x must be [rows, V] with V > 0");
  type_of(x, "x");
  size_t count = x.shape(0);
  for (size_t size : {temperature.size(), top_k.size(), top_p.size(), min_p.size(), seeds.size(), positions.size()})
    require(size == count, "every row needs one value of each parameter");
  std::vector<DrawRow> rows;
  for (size_t i = 0; i < count; i++) {
    require(temperature[i] > 0, "a temperature must be above 0: take argmax instead");
    require(top_k[i] >= 0 && top_p[i] > 0 && min_p[i] >= 0 && min_p[i] <= 1, "top_k, top_p or min_p is out of range");
    rows.push_back({temperature[i], top_p[i], min_p[i], top_k[i], seeds[i], positions[i]});
  }
  return mx::array({x.shape(0)}, mx::uint32, std::make_shared<Draw>(stream_of(where), std::move(rows)), {x});
}

}  // namespace

void bind_draw(nb::module_& module) {
  using namespace nb::literals;
  module.def("draw", &draw, "x"_a, "temperature"_a, "top_k"_a, "top_p"_a, "min_p"_a, "seeds"_a, "positions"_a,
             nb::kw_only(), "stream"_a = nb::none(),
             "One token uint32 [rows] of each row of logits x [rows, V]: temperature, top-k (0: all), top-p (1: all), "
             "min-p (0: all), then Gumbel-max with the noise that MLX makes from [seed, position].");
}

}  // namespace vivace
