#include <cmath>

#include "kernels/logits.h"
#include "kernels/sample.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kSumBlock = 512;  // a sum of sums of so many rounds less often than one of thousands

// Sum of exp(x) as exp(peak) * sum. Empty: -infinity and 0; with a NaN: NaN.
struct Mass {
  float peak, sum;
};

VIVACE_INLINE float log_of(Mass m) { return m.peak == kInfinity || m.peak == -kInfinity ? m.peak : m.peak + std::log(m.sum); }

template <class T>
Mass mass_of(const T* x, int64_t count) {
  Peak peak = peak_of(x, count);
  if (peak.nan) return {__builtin_nanf(""), 1.0f};
  if (peak.value == kInfinity || peak.value == -kInfinity) return {peak.value, 0.0f};
  Floats total{};
  for (int64_t begin = 0; begin < count; begin += kSumBlock) {
    Floats block{};
    for (int64_t i = begin; i < smaller(count, begin + kSumBlock); i += kLanes)
      block += exp(load_filled(x + i, count - i, -kInfinity) - peak.value);
    total += block;
  }
  return {peak.value, sum(total)};
}

Mass combined(const Mass* masses, int64_t count) {
  Mass all = masses[0];
  for (int64_t i = 1; i < count; i++)
    if (masses[i].peak != masses[i].peak || masses[i].peak > all.peak) all.peak = masses[i].peak;
  all.sum = 0;
  for (int64_t i = 0; i < count; i++)
    if (masses[i].peak > -kInfinity) all.sum += masses[i].sum * std::exp(masses[i].peak - all.peak);
  return all;
}

template <class T>
void write_softmax(const T* x, int64_t count, Mass mass, T* out) {
  float factor = 1.0f / mass.sum;
  for (int64_t i = 0; i < count; i += kLanes) {
    // Where all are -infinity or one is infinity: infinity less infinity, NaN as it should be.
    store(out + i, exp(load(x + i, count - i) - mass.peak) * factor, count - i);
  }
}

template <class T>
void logsumexp_rows(const RowsArgs& a) {
  Scratch scratch;
  const int64_t parts = ceil_div(a.dim, kPart);
  Mass* masses = scratch.take<Mass>(a.rows * parts);
  for_parts(a.rows, a.dim, [&](int64_t row, int64_t part, int64_t begin, int64_t end) {
    masses[row * parts + part] = mass_of((const T*)a.x + row * a.stride + begin, end - begin);
  });
  for (int64_t row = 0; row < a.rows; row++) ((float*)a.out)[row] = log_of(combined(masses + row * parts, parts));
}

template <class T>
void softmax_rows(const RowsArgs& a) {
  const int64_t parts = ceil_div(a.dim, kPart);
  auto x = [&](int64_t row) { return (const T*)a.x + row * a.stride; };
  auto out = [&](int64_t row) { return (T*)a.out + row * a.dim; };
  if (parts <= 1) {
    for_parts(a.rows, a.dim, [&](int64_t row, int64_t, int64_t, int64_t) {
      write_softmax(x(row), a.dim, mass_of(x(row), a.dim), out(row));
    });
    return;
  }
  Scratch scratch;
  Mass* masses = scratch.take<Mass>(a.rows * parts);
  for_parts(a.rows, a.dim, [&](int64_t row, int64_t part, int64_t begin, int64_t end) {
    masses[row * parts + part] = mass_of(x(row) + begin, end - begin);
  });
  for_parts(a.rows, a.dim, [&](int64_t row, int64_t, int64_t begin, int64_t end) {
    write_softmax(x(row) + begin, end - begin, combined(masses + row * parts, parts), out(row) + begin);
  });
}

}  // namespace

void logsumexp(const RowsArgs& a) { VIVACE_DISPATCH(a.type, T, logsumexp_rows<T>(a)); }
void softmax(const RowsArgs& a) { VIVACE_DISPATCH(a.type, T, softmax_rows<T>(a)); }

}  // namespace VIVACE_LEVEL
}  // namespace vivace
