// Quantized weights in the memory of kernels.
#pragma once
#include <memory>
#include <optional>
#include <string>

#include "kernels/matmul.h"
#include "ops/primitive.h"

namespace vivace {

// A quantized weight [n, k], or `count` of one shape, in panels (kernels/panels.h). It never changes. The arrays that it
// is made of are needed no more.
class Packed {
 public:
  // w [n, k * bits / 32] uint32 or [count, …], scales and biases [.., n, k / group] of one float dtype ("affine", with 2, 3,
  // 4, 5, 6 or 8 bits and groups of 32, 64 or 128), or scales of uint8 and no biases ("mxfp4"). Throws
  // std::invalid_argument for what does not fit together.
  Packed(const mx::array& w, const mx::array& scales, const std::optional<mx::array>& biases, int group_size, int bits,
         const std::string& mode);

  const Weight& weight() const { return weight_; }  // the first
  int64_t count() const { return count_; }
  bool many() const { return many_; }  // whether w had a first axis of its own
  size_t bytes() const { return bytes_; }
  mx::Dtype dtype() const;  // of what the weights stand for: that of the scales; mxfp4: bfloat16

 private:
  Weight weight_;
  int64_t count_;
  bool many_;
  size_t bytes_;
  std::shared_ptr<const void> memory_;
};

using SharedPacked = std::shared_ptr<const Packed>;

// An evaluated array whose elements lie in order.
mx::array settled(const mx::array& array);

}  // namespace vivace
