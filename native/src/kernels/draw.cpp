#include "kernels/draw.h"

#include "kernels/logits.h"
#include "kernels/noise.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// How much of the weights lies above a limit: their number, or their sum.
enum class Measure { count, mass };

template <Measure kMeasure>
float measured_above(const float* weights, int64_t n, float limit) {
  Floats total{};
  for (int64_t i = 0; i < n; i += kLanes) {
    Floats v = load(weights + i, n - i);
    total += select(v > limit, kMeasure == Measure::count ? broadcast(1.0f) : v, Floats{});
  }
  return sum(total);
}

// Keeps the weights on one side of the limit, in order; how many.
int64_t keep(float* weights, int64_t n, float limit, bool above) {
  int64_t kept = 0;
  for (int64_t i = 0; i < n; i++) {
    float w = weights[i];
    weights[kept] = w;
    kept += (w > limit) == above;
  }
  return kept;
}

// The smallest weight t for which less than `target` lies above t: bisection over the bits of floats, which are in the
// order of the numbers, on ever fewer weights. Weights are in [0, 1]; they are overwritten.
template <Measure kMeasure>
float limit_of(float* weights, int64_t n, float target) {
  uint32_t low = 0, high = 0x3F800000, middle = 0x3C000000;  // 0 to 1; most weights lie below 1/128
  float above = 0;
  while (low < high) {
    float limit;
    __builtin_memcpy(&limit, &middle, 4);
    float more = measured_above<kMeasure>(weights, n, limit);
    bool fits = above + more < target;
    if (fits) {
      high = middle;
      above += more;
    } else {
      low = middle + 1;
    }
    n = keep(weights, n, limit, !fits);
    middle = low + (high - low) / 2;
  }
  float result;
  __builtin_memcpy(&result, &high, 4);
  return result;
}

// The smallest weight, relative to the largest, that a token may have.
float least_weight(const float* weights, int64_t dim, const DrawRow& row) {
  Scratch scratch;
  float least = row.min_p;
  float* rest = scratch.take<float>(dim);
  __builtin_memcpy(rest, weights, dim * sizeof(float));
  int64_t n = dim;
  if (row.top_k > 0 && row.top_k < dim) {
    float limit = limit_of<Measure::count>(rest, n, row.top_k);
    least = larger(least, limit);
    n = 0;
    for (int64_t i = 0; i < dim; i++) {
      rest[n] = weights[i];
      n += weights[i] >= limit;
    }
  }
  if (row.top_p < 1) {
    float whole = measured_above<Measure::mass>(rest, n, -1.0f);
    least = larger(least, limit_of<Measure::mass>(rest, n, row.top_p * whole));
  }
  return least;
}

struct Best {
  float value;
  int64_t index;
};

// The first of the largest of scaled logit + noise among the weights that are large enough; all of them without weights.
template <class T>
Best best_of(const T* x, const float* weights, float least, const DrawRow& row, Pair<uint32_t> key, int64_t begin,
             int64_t end, int64_t dim) {
  Floats best = broadcast(-kInfinity);
  Ints where = broadcast((int32_t)begin), lane;
  for (int i = 0; i < kLanes; i++) lane[i] = i;
  for (int64_t i = begin; i < end; i += kLanes) {
    Ints open = lane < (int32_t)(end - i);
    if (weights) open &= load(weights + i, end - i) >= least;
    if (weights && sum(open) == 0) continue;
    Floats v = load_filled(x + i, end - i, -kInfinity) / row.temperature + gumbel(key, i, dim);
    Ints better = open & (v > best);
    best = select(better, v, best);
    where = (better & (lane + (int32_t)i)) | (~better & where);
  }
  Best result{best[0], where[0]};
  for (int i = 1; i < kLanes; i++)
    if (best[i] > result.value || (best[i] == result.value && where[i] < result.index)) result = {best[i], where[i]};
  return result;
}

template <class T>
uint32_t draw_row(const T* x, int64_t dim, const DrawRow& row) {
  Scratch scratch;
  const int64_t parts = ceil_div(dim, kPart);
  float *weights = nullptr, least = 0;
  if ((row.top_k > 0 && row.top_k < dim) || row.top_p < 1 || row.min_p > 0) {
    weights = scratch.take<float>(dim);
    float* peaks = scratch.take<float>(parts);
    for_parts(1, dim, [&](int64_t, int64_t part, int64_t begin, int64_t end) {
      peaks[part] = peak_of(x + begin, end - begin).value;
    });
    float peak = -kInfinity;
    for (int64_t p = 0; p < parts; p++) peak = larger(peak, peaks[p]);
    for_parts(1, dim, [&](int64_t, int64_t, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; i += kLanes)
        store(weights + i, exp((load(x + i, end - i) - peak) / row.temperature), end - i);
    });
    least = least_weight(weights, dim, row);
  }
  Pair<uint32_t> key = {threefry<uint32_t>(row.seed, row.position, 0, 2).first,
                        threefry<uint32_t>(row.seed, row.position, 1, 3).first};
  Best* found = scratch.take<Best>(parts);
  for_parts(1, dim, [&](int64_t, int64_t part, int64_t begin, int64_t end) {
    found[part] = best_of(x, weights, least, row, key, begin, end, dim);
  });
  Best best = found[0];
  for (int64_t p = 1; p < parts; p++)
    if (found[p].value > best.value) best = found[p];
  return (uint32_t)best.index;
}

template <class T>
void draw_rows(const DrawArgs& a) {
  parallel_for(a.count, [&](int64_t i) { a.out[i] = draw_row((const T*)a.x + i * a.stride, a.dim, a.rows[i]); });
}

}  // namespace

void draw(const DrawArgs& a) { VIVACE_DISPATCH(a.type, T, draw_rows<T>(a)); }

}  // namespace VIVACE_LEVEL
}  // namespace vivace
