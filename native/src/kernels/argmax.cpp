#include "kernels/logits.h"
#include "kernels/sample.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

template <class T>
int64_t first_of(const T* x, int64_t count, Peak peak) {
  for (int64_t i = 0; i < count; i += kLanes) {
    Floats v = load_filled(x + i, count - i, -kInfinity);
    Ints found = peak.nan ? (v != v) : (v == peak.value);
    if (sum(found) == 0) continue;
    for (int lane = 0; lane < kLanes; lane++)
      if (found[lane]) return i + lane;
  }
  return 0;
}

// The first NaN if there is one, else the first of the largest. Only the part that holds it is searched for its place.
template <class T>
void argmax_rows(const RowsArgs& a) {
  Scratch scratch;
  const int64_t parts = ceil_div(a.dim, kPart);
  Peak* peaks = scratch.take<Peak>(a.rows * parts);
  auto row_of = [&](int64_t row) { return (const T*)a.x + row * a.stride; };
  for_parts(a.rows, a.dim, [&](int64_t row, int64_t part, int64_t begin, int64_t end) {
    peaks[row * parts + part] = peak_of(row_of(row) + begin, end - begin);
  });
  for_parts(a.rows, smaller(a.dim, kPart), [&](int64_t row, int64_t, int64_t, int64_t) {
    const Peak* of = peaks + row * parts;
    int64_t best = 0;
    for (int64_t p = 1; p < parts; p++) {
      if (of[best].nan) break;
      if (of[p].nan || of[p].value > of[best].value) best = p;
    }
    int64_t begin = best * kPart;
    ((uint32_t*)a.out)[row] = begin + first_of(row_of(row) + begin, smaller(kPart, a.dim - begin), of[best]);
  });
}

}  // namespace

void argmax(const RowsArgs& a) { VIVACE_DISPATCH(a.type, T, argmax_rows<T>(a)); }

}  // namespace VIVACE_LEVEL
}  // namespace vivace
