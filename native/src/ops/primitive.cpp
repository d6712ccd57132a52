#include "ops/primitive.h"

#include <cstring>
#include <stdexcept>

#include "mlx/allocator.h"

namespace vivace {
namespace {

// Copies elements of a strided array, in order, to `to`.
void gather_strided(const char* from, char* to, const mx::Shape& shape, const mx::Strides& strides, size_t item) {
  int axes = static_cast<int>(shape.size());
  size_t run = item;  // bytes that lie together
  while (axes > 0 && strides[axes - 1] * static_cast<int64_t>(item) == static_cast<int64_t>(run)) run *= shape[--axes];
  std::vector<int64_t> index(axes, 0);
  const char* source = from;
  while (true) {
    std::memcpy(to, source, run);
    to += run;
    int axis = axes - 1;
    for (; axis >= 0; axis--) {
      source += strides[axis] * static_cast<int64_t>(item);
      if (++index[axis] < shape[axis]) break;
      source -= strides[axis] * static_cast<int64_t>(item) * shape[axis];
      index[axis] = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace

void Op::eval_cpu(const Arrays& inputs, Arrays& outputs) {
  // Each output of a node has the node's inputs. Those of the others are no longer needed, and would keep an input from
  // being given away.
  for (mx::array& output : outputs)
    if (&output.inputs() != &inputs && !output.is_tracer()) output.inputs().clear();
  Work work = prepare(inputs, outputs);
  if (work) mx::cpu::get_command_encoder(stream()).dispatch(std::move(work));
}

void Op::eval_gpu(const Arrays&, Arrays&) { throw std::runtime_error("vivace_cpu computes on the CPU only"); }

void Op::allocate(mx::array& output) { output.set_data(mx::allocator::malloc(output.nbytes())); }

void Op::copy_before(const mx::array& from, mx::array& to) {
  if (from.size() == 0) return;
  mx::cpu::get_command_encoder(stream()).dispatch(
      [source = in(from), target = out(to), shape = from.shape(), strides = from.strides(), item = from.itemsize()] {
        gather_strided(source, target, shape, strides, item);
      });
}

mx::array Op::dense(const mx::array& input) {
  if (input.flags().row_contiguous || input.size() == 0) return input;
  mx::array copy(input.shape(), input.dtype(), nullptr, {});
  allocate(copy);
  copy_before(input, copy);
  mx::cpu::get_command_encoder(stream()).add_temporary(copy);
  return copy;
}

mx::array Op::last_axis_dense(const mx::array& input) {
  return input.ndim() > 0 && (input.strides(-1) == 1 || input.shape(-1) == 1) ? input : dense(input);
}

std::pair<mx::array, int64_t> Op::rows(const mx::array& input) {
  int64_t length = input.ndim() ? input.shape(-1) : 1, stride = -1, expected = 0;
  bool regular = input.ndim() == 0 || input.strides(-1) == 1 || length == 1;
  for (int axis = static_cast<int>(input.ndim()) - 2; axis >= 0; axis--) {
    if (input.shape(axis) == 1) continue;
    if (stride < 0) stride = expected = input.strides(axis);
    regular = regular && input.strides(axis) == expected;
    expected *= input.shape(axis);
  }
  if (!regular) return {dense(input), length};
  return {input, stride < 0 ? length : stride};
}

void Op::overwrite(const mx::array& input, mx::array& output) {
  if (input.is_donatable() && input.flags().row_contiguous && input.itemsize() == output.itemsize()) {
    output.copy_shared_buffer(input);
  } else {
    allocate(output);
  }
}

void Op::reuse(const mx::array& input, mx::array& output) {
  if (input.is_donatable() && input.flags().row_contiguous) {
    output.copy_shared_buffer(input);
    return;
  }
  allocate(output);
  copy_before(input, output);
}

bool is_float(const mx::array& array) {
  return array.dtype() == mx::float32 || array.dtype() == mx::float16 || array.dtype() == mx::bfloat16;
}

Type type_of(const mx::array& array, const char* what) {
  if (array.dtype() == mx::float32) return Type::f32;
  if (array.dtype() == mx::float16) return Type::f16;
  if (array.dtype() == mx::bfloat16) return Type::bf16;
  throw std::invalid_argument(std::string(what) + " must be float32, float16 or bfloat16");
}

mx::Dtype dtype_of(Type type) {
  return type == Type::f32 ? mx::float32 : type == Type::f16 ? mx::float16 : mx::bfloat16;
}

void require(bool good, const std::string& message) {
  if (!good) throw std::invalid_argument(message);
}

}  // namespace vivace
