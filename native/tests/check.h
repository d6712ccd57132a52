// What the checks of all families share: random shapes and values, arrays of exactly the size that a kernel may touch,
// and the comparison with a plain loop in double.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "kernels/kernels.h"

namespace vivace {

struct Random {
  std::mt19937_64 engine;
  explicit Random(uint64_t seed) : engine(seed) {}

  int64_t between(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine); }
  bool maybe() { return between(0, 1) != 0; }
  double normal() { return std::normal_distribution<double>()(engine); }
  Type type() { return static_cast<Type>(between(0, 2)); }
  template <class T>
  T any(std::initializer_list<T> of) {
    return of.begin()[between(0, static_cast<int64_t>(of.size()) - 1)];
  }
};

double decode(Type type, const void* from);
void encode(Type type, double value, void* to);

// `size` numbers on the heap, the last of which ends where the memory ends, so that AddressSanitizer sees what reads or
// writes beyond it. They begin at a multiple of their own size and of nothing more.
class Array {
 public:
  Array(Type type, int64_t size, Random& random)
      : type_(type), offset_(random.between(0, 3) * size_of(type)), bytes_(offset_ + size * size_of(type)) {}
  static Array normal(Type type, int64_t size, Random& random, double scale = 1) {
    Array made(type, size, random);
    for (int64_t i = 0; i < size; i++) made.set(i, random.normal() * scale);
    return made;
  }

  Type type() const { return type_; }
  int64_t size() const { return (static_cast<int64_t>(bytes_.size()) - offset_) / size_of(type_); }
  char* data() { return bytes_.data() + offset_; }
  const char* data() const { return bytes_.data() + offset_; }
  double operator[](int64_t i) const { return decode(type_, data() + i * size_of(type_)); }
  void set(int64_t i, double value) { encode(type_, value, data() + i * size_of(type_)); }

 private:
  Type type_;
  int64_t offset_;
  std::vector<char> bytes_;
};

// How far a result of this type may be from the truth, relative to the size of the truth.
double tolerance(Type type);

// Counts a failure when |got[i] - want[i]| exceeds `limit` times (the root mean square of `want` + |want[i]|), or when
// one of the two is NaN. `what` says which case it was.
void compare(const std::string& what, const Array& got, const std::vector<double>& want, double limit);
void expect(bool good, const std::string& what);
int failures();

// One round of random cases of each family.
void check_norm(const Kernels& kernels, Random& random);
void check_matmul(const Kernels& kernels, Random& random);
void check_gather(const Kernels& kernels, Random& random);
void check_embed(const Kernels& kernels, Random& random);
void check_sample(const Kernels& kernels, Random& random);
void check_topk(const Kernels& kernels, Random& random);
void check_draw(const Kernels& kernels, Random& random);
void check_attention(const Kernels& kernels, Random& random);
void check_activate(const Kernels& kernels, Random& random);
void check_add(const Kernels& kernels, Random& random);
void check_rope(const Kernels& kernels, Random& random);
void check_conv(const Kernels& kernels, Random& random);
void check_gated_norm(const Kernels& kernels, Random& random);
void check_gated_delta(const Kernels& kernels, Random& random);

// The pool, without kernels.
void check_pool();
void check_memory();

}  // namespace vivace
