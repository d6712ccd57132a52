// The k largest of long rows.
//
// For k small beside the row: the row is cut into blocks, and at least k of its numbers are no smaller than the k-th
// largest of the blocks' peaks. Only blocks whose peak reaches that bound are looked into, and only numbers that reach
// it are sorted. For a larger k all are sorted.
#include "kernels/logits.h"
#include "kernels/sample.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kBlock = 64;
static_assert(kPart % kBlock == 0);

// Sorted by key, ascending: keys descend where numbers ascend.
struct Entry {
  uint32_t key, index;
};

VIVACE_INLINE uint32_t key_of(float x) {
  if (x != x) return 0;
  x += 0.0f;  // -0 is equal to 0
  uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return ~(bits ^ ((bits >> 31) ? 0xFFFFFFFFu : 0x80000000u));
}

// Stable radix sort in three rounds of 11 bits; rounds in which all digits are equal (two bytes of every bfloat16) are
// left out. Returns the one of the two arrays that holds the result.
Entry* sorted(Entry* entries, Entry* other, int64_t count) {
  constexpr int kBits = 11, kRounds = 3;
  Scratch scratch;
  auto* places = scratch.take<uint32_t[1 << kBits]>(kRounds);
  std::memset(places, 0, sizeof(uint32_t) * kRounds << kBits);
  auto digit = [](uint32_t key, int round) { return key >> (round * kBits) & ((1 << kBits) - 1); };
  for (int64_t i = 0; i < count; i++)
    for (int round = 0; round < kRounds; round++) places[round][digit(entries[i].key, round)]++;
  for (int round = 0; round < kRounds; round++) {
    uint32_t* place = places[round];
    if (count == 0 || place[digit(entries[0].key, round)] == count) continue;
    uint32_t before = 0;
    for (int d = 0; d < 1 << kBits; d++) {
      uint32_t here = place[d];
      place[d] = before;
      before += here;
    }
    for (int64_t i = 0; i < count; i++) other[place[digit(entries[i].key, round)]++] = entries[i];
    Entry* swap = entries;
    entries = other;
    other = swap;
  }
  return entries;
}

template <class T>
void block_peaks(const T* x, int64_t count, float* peaks) {
  for (int64_t begin = 0; begin < count; begin += kBlock) {
    int64_t length = smaller(kBlock, count - begin);
    Floats best = broadcast(-kInfinity);
    for (int64_t i = 0; i < length; i += kLanes) {
      Floats v = load_filled(x + begin + i, length - i, -kInfinity);
      best = max(select(v != v, broadcast(kInfinity), v), best);
    }
    *peaks++ = largest(best);
  }
}

template <class T>
void take_best(const TopKArgs& a, int64_t row, const Entry* best) {
  const T* x = (const T*)a.x + row * a.stride;
  for (int64_t i = 0; i < a.k; i++) {
    a.values[row * a.k + i] = scalar(x[best[i].index]);
    a.indices[row * a.k + i] = best[i].index;
  }
}

template <class T>
int64_t add_entries(const T* x, int64_t begin, int64_t end, float bound, Entry* entries) {
  int64_t count = 0;
  for (int64_t i = begin; i < end; i += kLanes) {
    float values[kLanes];
    store(values, load(x + i, end - i));
    for (int lane = 0; lane < smaller<int64_t>(kLanes, end - i); lane++)
      if (!(values[lane] < bound)) entries[count++] = {key_of(values[lane]), (uint32_t)(i + lane)};
  }
  return count;
}

template <class T>
void sort_row(const TopKArgs& a, int64_t row) {
  Scratch scratch;
  Entry *entries = scratch.take<Entry>(a.dim), *other = scratch.take<Entry>(a.dim);
  int64_t count = add_entries((const T*)a.x + row * a.stride, 0, a.dim, -kInfinity, entries);
  take_best<T>(a, row, sorted(entries, other, count));
}

template <class T>
void select_row(const TopKArgs& a, int64_t row, const float* peaks, int64_t blocks) {
  Scratch scratch;
  Entry *entries = scratch.take<Entry>(a.dim), *other = scratch.take<Entry>(a.dim);
  for (int64_t b = 0; b < blocks; b++) entries[b] = {key_of(peaks[b]), (uint32_t)b};
  const float bound = peaks[sorted(entries, other, blocks)[a.k - 1].index];
  int64_t count = 0;
  for (int64_t b = 0; b < blocks; b++) {
    if (peaks[b] < bound) continue;
    const T* x = (const T*)a.x + row * a.stride;
    count += add_entries(x, b * kBlock, smaller(a.dim, (b + 1) * kBlock), bound, entries + count);
  }
  take_best<T>(a, row, sorted(entries, other, count));
}

template <class T>
void topk_rows(const TopKArgs& a) {
  const int64_t blocks = ceil_div(a.dim, kBlock);
  if (a.k == 0) return;
  if (a.k * 4 > blocks) return parallel_for(a.rows, [&](int64_t row) { sort_row<T>(a, row); });
  Scratch scratch;
  float* peaks = scratch.take<float>(a.rows * blocks);
  for_parts(a.rows, a.dim, [&](int64_t row, int64_t, int64_t begin, int64_t end) {
    block_peaks((const T*)a.x + row * a.stride + begin, end - begin, peaks + row * blocks + begin / kBlock);
  });
  parallel_for(a.rows, [&](int64_t row) { select_row<T>(a, row, peaks + row * blocks, blocks); });
}

}  // namespace

void topk(const TopKArgs& a) { VIVACE_DISPATCH(a.type, T, topk_rows<T>(a)); }

}  // namespace VIVACE_LEVEL
}  // namespace vivace
