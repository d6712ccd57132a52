// How a kernel becomes a node of MLX's graph.
#pragma once
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "kernels/types.h"
#include "mlx/array.h"
#include "mlx/backend/cpu/encoder.h"
#include "mlx/primitives.h"
#include "mlx/utils.h"

namespace vivace {

namespace mx = mlx::core;

// A node whose outputs are computed by one function on the stream's thread. Subclasses say in `prepare` what that is:
// it runs when MLX walks the graph, allocates the outputs (`allocate`, `reuse`) and returns the work, which must hold
// pointers, numbers and what `Held` is for. MLX keeps inputs and outputs alive until the work is done.
class Op : public mx::Primitive {
 public:
  using Work = std::function<void()>;
  using Arrays = std::vector<mx::array>;

  using mx::Primitive::Primitive;
  virtual Work prepare(const Arrays& inputs, Arrays& outputs) = 0;

  void eval_cpu(const Arrays& inputs, Arrays& outputs) override;
  void eval_gpu(const Arrays& inputs, Arrays& outputs) override;

 protected:
  // The input itself if its elements lie in order without gaps, else a copy of it that is made before the work runs.
  mx::array dense(const mx::array& input);
  // The same where it is enough that the last axis lies together.
  mx::array last_axis_dense(const mx::array& input);
  // The same where all rows (of the last axis) must be at one distance, which is the second result.
  std::pair<mx::array, int64_t> rows(const mx::array& input);
  static void allocate(mx::array& output);
  // Gives `output` the memory of `input`, of the same size, if nothing else needs it, else memory of its own.
  static void overwrite(const mx::array& input, mx::array& output);
  // Lets `output` have the memory of `input`: in place when nothing else refers to it, else a copy made before the work.
  void reuse(const mx::array& input, mx::array& output);

 private:
  void copy_before(const mx::array& from, mx::array& to);
};

// Nodes of the same type with equal `key()` are the same computation (MLX merges and caches by that).
template <class Self>
class OpOf : public Op {
 public:
  using Op::Op;
  bool is_equivalent(const mx::Primitive& other) const override {
    return static_cast<const Self&>(*this).key() == static_cast<const Self&>(other).key();
  }
};

// What Python holds of something that nodes of the graph use, such as a layer. A node holds the thing itself: it is let go
// of on the stream's thread, which must not wait for Python's lock, nor ask for it when Python is gone. So nothing in it may
// be a Python object.
template <class Thing>
struct Held {
  std::shared_ptr<const Thing> thing;
};

// Throws std::invalid_argument for any but float32, float16 and bfloat16; `what` names the array.
Type type_of(const mx::array& array, const char* what);
bool is_float(const mx::array& array);
mx::Dtype dtype_of(Type type);

// Throws std::invalid_argument with the message unless `good`.
void require(bool good, const std::string& message);

template <class T = char>
const T* in(const mx::array& array) {
  return array.data<T>();
}
template <class T = char>
T* out(mx::array& array) {
  return array.data<T>();
}

inline mx::Stream stream_of(mx::StreamOrDevice where) { return mx::to_stream(where, mx::Device::cpu); }

}  // namespace vivace
