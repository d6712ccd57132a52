#include "ops/packed.h"

#include "kernels/panels.h"
#include "mlx/ops.h"
#include "mlx/transforms.h"
#include "ops/bindings.h"
#include "runtime/level.h"
#include "runtime/memory.h"

namespace vivace {
namespace {

// The format that the words stand for; n, k and data are still open.
Weight format_of(const std::string& mode, int bits, int group) {
  if (mode == "mxfp4") {
    require(bits == 4 && group == 32, "mxfp4 has 4 bits and groups of 32");
    return {nullptr, 0, 0, Format::mxfp4, 4, 32, Type::f32};
  }
  require(mode == "affine", "mode must be \"affine\" or \"mxfp4\"");
  require(bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8, "bits must be 2, 3, 4, 5, 6 or 8");
  require(group == 32 || group == 64 || group == 128, "group_size must be 32, 64 or 128");
  return {nullptr, 0, 0, Format::affine, bits, group, Type::f32};
}

Weight checked(Weight weight, const mx::array& w, const mx::array& scales, const std::optional<mx::array>& biases) {
  require((w.ndim() == 2 || w.ndim() == 3) && w.dtype() == mx::uint32, "w must be uint32 [n, k * bits / 32] or [count, …]");
  weight.n = w.shape(-2);
  weight.k = w.shape(-1) * int64_t{32} / weight.bits;
  require(weight.k % weight.group == 0 && weight.k * weight.bits == w.shape(-1) * int64_t{32},
          "w must have k * bits / 32 columns, and k must be a multiple of group_size");
  mx::Shape shape = w.shape();
  shape.back() = static_cast<int>(weight.k / weight.group);
  require(scales.shape() == shape, "scales must be [n, k / group_size]");
  if (weight.format == Format::mxfp4) {
    require(scales.dtype() == mx::uint8 && !biases, "mxfp4 has scales of uint8 and no biases");
    return weight;
  }
  weight.type = type_of(scales, "scales");
  require(biases && biases->shape() == shape && biases->dtype() == scales.dtype(),
          "biases must have the shape and dtype of scales");
  return weight;
}

}  // namespace

mx::array settled(const mx::array& array) {
  mx::array result = array;
  result.eval();
  if (!result.flags().row_contiguous) {
    result = mx::contiguous(array, false, mx::Device(mx::Device::cpu));
    result.eval();
  }
  return result;
}

Packed::Packed(const mx::array& w, const mx::array& scales, const std::optional<mx::array>& biases, int group_size,
               int bits, const std::string& mode)
    : weight_(checked(format_of(mode, bits, group_size), w, scales, biases)),
      count_(w.ndim() == 3 ? w.shape(0) : 1),
      many_(w.ndim() == 3),
      bytes_(static_cast<size_t>(count_ * packed_bytes(weight_))) {
  std::vector<mx::array> parts{w, scales};
  if (biases) parts.push_back(*biases);
  mx::eval(parts);  // read from the disk together
  mx::array words = settled(w), scale = settled(scales);
  std::optional<mx::array> bias = biases ? std::optional(settled(*biases)) : std::nullopt;
  std::shared_ptr<void> memory = lasting_memory(bytes_);
  kernels().pack({in(words), in(scale), bias ? in(*bias) : nullptr, memory.get(), count_, weight_});
  weight_.data = memory.get();
  memory_ = std::move(memory);
}

mx::Dtype Packed::dtype() const { return weight_.format == Format::mxfp4 ? mx::bfloat16 : dtype_of(weight_.type); }

void bind_packed(nb::module_& module) {
  using namespace nb::literals;
  nb::class_<Held<Packed>>(module, "Packed",
                         "A quantized weight [n, k] as mx.quantize gives it, or several [count, n, k], laid out for the "
                         "kernels.\n\nThe arrays are not needed afterwards: what is kept has their size, with n rounded up to a multiple of 32.")
      .def("__init__",
           [](Held<Packed>* self, const mx::array& w, const mx::array& scales, const std::optional<mx::array>& biases,
              int group_size, int bits, const std::string& mode) {
             SharedPacked packed;
             {
               nb::gil_scoped_release released;
               packed = std::make_shared<const Packed>(w, scales, biases, group_size, bits, mode);
             }
             new (self) Held<Packed>{std::move(packed)};
           },
           "w"_a, "scales"_a, "biases"_a.none() = nb::none(), nb::kw_only(), "group_size"_a = 64, "bits"_a = 4,
           "mode"_a = "affine")
      .def_prop_ro("n", [](const Held<Packed>& self) { return self.thing->weight().n; })
      .def_prop_ro("k", [](const Held<Packed>& self) { return self.thing->weight().k; })
      .def_prop_ro("nbytes", [](const Held<Packed>& self) { return self.thing->bytes(); })
      .def("__deepcopy__", [](const Held<Packed>& self, nb::dict) { return self; });
}

}  // namespace vivace
