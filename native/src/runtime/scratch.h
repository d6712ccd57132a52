// Temporary memory of one kernel call: a stack of its own for every thread.
#pragma once
#include <cstddef>
#include <cstdint>

namespace vivace {

// What was taken is given back when the Scratch goes out of scope; scopes of one thread nest. Aligned to 64 bytes, not
// cleared. A call that needs more than there is gets a larger stack, which the thread keeps; std::bad_alloc where the
// system has no more (MLX hands it to Python as the error of that evaluation).
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  void* bytes(size_t count);

  // Inlined always: kernels of all instruction sets call it, and must not share one copy.
  template <class T>
  __attribute__((always_inline)) T* take(int64_t count) {
    return static_cast<T*>(bytes(static_cast<size_t>(count) * sizeof(T)));
  }

 private:
  size_t mark_block_, mark_used_;
};

}  // namespace vivace
