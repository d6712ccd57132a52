// The parts of layers as Python objects.
#include "layers/parts.h"
#include "ops/bindings.h"

namespace vivace {

void bind_parts(nb::module_& module) {
  using namespace nb::literals;
  using Array = std::optional<mx::array>;
  nb::class_<Linear>(module, "Linear", "A matrix [n, k], an array or Packed, with an optional bias [n].")
      .def(nb::init<const mx::array&, const Array&>(), "weight"_a, "bias"_a.none() = nb::none())
      .def("__init__", [](Linear* self, const Held<Packed>& weight, const Array& bias) { new (self) Linear(weight.thing, bias); },
           "weight"_a, "bias"_a.none() = nb::none());
  nb::class_<RmsNorm>(module, "RmsNorm", "RMSNorm with weight [dim] + offset.")
      .def(nb::init<const mx::array&, float, float>(), "weight"_a, "eps"_a, "offset"_a = 0.0f);
  nb::class_<Rope>(module, "Rope", "Rotary embedding; frequencies [dims / 2] float32 in radians per position.")
      .def(nb::init<const mx::array&, bool, float>(), "frequencies"_a, "traditional"_a = false, "factor"_a = 1.0f);
}

}  // namespace vivace
