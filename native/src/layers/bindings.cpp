// The parts of layers as Python objects.
#include "layers/parts.h"
#include "ops/bindings.h"

namespace vivace {

void bind_parts(nb::module_& module) {
  using namespace nb::literals;
  using Array = std::optional<mx::array>;
  nb::class_<Linear>(module, "Linear", "A dense or quantized matrix [n, k] with an optional bias [n].")
      .def(nb::init<const mx::array&, const Array&, const Array&, const Array&, int, int, const std::string&>(),
           "weight"_a, "scales"_a.none() = nb::none(), "biases"_a.none() = nb::none(), "bias"_a.none() = nb::none(),
           "group_size"_a = 0, "bits"_a = 0, "mode"_a = "affine");
  nb::class_<RmsNorm>(module, "RmsNorm", "RMSNorm with weight [dim] + offset.")
      .def(nb::init<const mx::array&, float, float>(), "weight"_a, "eps"_a, "offset"_a = 0.0f);
  nb::class_<Rope>(module, "Rope", "Rotary embedding; frequencies [dims / 2] float32 in radians per position.")
      .def(nb::init<const mx::array&, bool, float>(), "frequencies"_a, "traditional"_a = false, "factor"_a = 1.0f);
}

}  // namespace vivace
