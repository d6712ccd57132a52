#include "ops/weights.h"

namespace vivace {

WeightFormat weight_format(const std::string& mode, int bits, int group) {
  if (mode == "mxfp4") {
    require(bits == 4 && group == 32, "mxfp4 has 4 bits and groups of 32");
    return {Format::mxfp4, 4, 32};
  }
  require(mode == "affine", "mode must be \"affine\" or \"mxfp4\"");
  require(bits == 2 || bits == 3 || bits == 4 || bits == 5 || bits == 6 || bits == 8, "bits must be 2, 3, 4, 5, 6 or 8");
  require(group == 32 || group == 64 || group == 128, "group_size must be 32, 64 or 128");
  return {Format::affine, bits, group};
}

void require_weight(const WeightFormat& format, const mx::array& w, const mx::array& scales,
                    const std::optional<mx::array>& biases, int64_t k) {
  require(w.ndim() >= 2 && w.dtype() == mx::uint32, "w must be uint32 [n, k * bits / 32]");
  require(k % format.group == 0 && w.shape(-1) * int64_t{32} == k * format.bits,
          "w must have k * bits / 32 columns, and k must be a multiple of group_size");
  mx::Shape shape = w.shape();
  shape.back() = static_cast<int>(k / format.group);
  require(scales.shape() == shape, "scales must be [n, k / group_size]");
  if (format.format == Format::mxfp4) {
    require(scales.dtype() == mx::uint8 && !biases, "mxfp4 has scales of uint8 and no biases");
    return;
  }
  type_of(scales, "scales");
  require(biases && biases->shape() == shape && biases->dtype() == scales.dtype(),
          "biases must have the shape and dtype of scales");
}

Weight weight_of(const WeightFormat& format, const mx::array& w, const mx::array& scales, const mx::array* biases) {
  Weight weight{in(w), in(scales), biases ? in(*biases) : nullptr, w.shape(-2), w.shape(-1) * int64_t{32} / format.bits,
                format.format, format.bits, format.group, Type::f32};
  if (format.format == Format::affine) weight.type = type_of(scales, "scales");
  return weight;
}

}  // namespace vivace
