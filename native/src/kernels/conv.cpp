#include "kernels/conv.h"

#include <cstring>

#include "kernels/pairs.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int kWidest = 8;
// One item: so many tokens of so many channels, whose inputs stay in the first cache while the channels take turns.
constexpr int64_t kTokens = 32, kChannels = 256;

// The row of z's input t (negative: of the state); null stands for zeros.
template <class T>
VIVACE_INLINE const T* input(const ConvArgs& a, int64_t row, int64_t t) {
  if (t < 0) return a.state ? (const T*)a.state + (row * (a.width - 1) + a.width - 1 + t) * a.channels : nullptr;
  if (a.mask && !a.mask[row * a.tokens + t]) return nullptr;
  return (const T*)a.x + row * a.row_stride + t * a.token_stride;
}

template <class T>
VIVACE_INLINE Floats channels_of(const T* row, int64_t channel, int64_t n) {
  return row ? load(row + channel, n) : Floats{};
}

// taps[j] = weight[channel .. channel + n][j].
template <class W>
VIVACE_INLINE void read_taps(const W* weight, int width, int64_t n, Floats* taps) {
  Floats rows[kWidest];
  for (int i = 0; i < width; i++) rows[i] = load(weight + i * kLanes, larger<int64_t>(0, n * width - i * kLanes));
  if (width == 4) {
    Floats even[2], odd[2];
    split_pairs(rows[0], rows[1], even[0], odd[0]);
    split_pairs(rows[2], rows[3], even[1], odd[1]);
    split_pairs(even[0], even[1], taps[0], taps[2]);
    split_pairs(odd[0], odd[1], taps[1], taps[3]);
    return;
  }
  float flat[kWidest * kLanes], lanes[kWidest][kLanes];
  std::memcpy(flat, rows, width * sizeof(Floats));
  for (int lane = 0; lane < kLanes; lane++)
    for (int j = 0; j < width; j++) lanes[j][lane] = flat[lane * width + j];
  for (int j = 0; j < width; j++) taps[j] = load(lanes[j]);
}

// kLanes channels through the tokens [begin, end); the last inputs stay in registers. `fixed` is the width where the
// compiler may know it, else 0.
template <int fixed, class T, class O>
void convolve(const ConvArgs& a, int64_t row, int64_t begin, int64_t end, int64_t channel) {
  const int width = fixed ? fixed : a.width;
  int64_t n = smaller<int64_t>(kLanes, a.channels - channel);
  Floats taps[kWidest], past[kWidest], bias{};
  VIVACE_DISPATCH(a.weight_type, W, {
    read_taps((const W*)a.weight + channel * width, width, n, taps);
    if (a.bias) bias = load((const W*)a.bias + channel, n);
  });
  for (int j = 0; j + 1 < width; j++) past[j] = channels_of(input<T>(a, row, begin - width + 1 + j), channel, n);
  O* out = (O*)a.out + row * a.out_row_stride + channel;
  for (int64_t t = begin; t < end; t++) {
    past[width - 1] = channels_of(input<T>(a, row, t), channel, n);
    Floats total = bias;
    for (int j = 0; j < width; j++) total = fma(taps[j], past[j], total);
    store(out + t * a.out_token_stride, a.silu ? silu(total) : total, n);
    for (int j = 0; j + 1 < width; j++) past[j] = past[j + 1];
  }
}

template <int fixed, class T, class O>
void convolve_all(const ConvArgs& a) {
  int64_t token_parts = ceil_div(a.tokens, kTokens), channel_parts = ceil_div(a.channels, kChannels);
  // A single token of a few channels each would be too little for an item.
  int64_t together = smaller(channel_parts, larger<int64_t>(1, kTokens / larger<int64_t>(1, a.tokens)));
  int64_t items = ceil_div(channel_parts, together);
  parallel_for(a.batch * token_parts * items, [&](int64_t item) {
    int64_t row = item / (token_parts * items), begin = item / items % token_parts * kTokens;
    int64_t channel = item % items * together * kChannels;
    int64_t last = smaller(a.channels, channel + together * kChannels), end = smaller(a.tokens, begin + kTokens);
    for (; channel < last; channel += kLanes) convolve<fixed, T, O>(a, row, begin, end, channel);
  });
}

// Rows go to earlier places in order, so that the state may be replaced where it is.
template <class T>
void renew_state(const ConvArgs& a) {
  for (int64_t row = 0; row < a.batch; row++) {
    int64_t length = a.lengths ? larger<int64_t>(0, smaller<int64_t>(a.tokens, a.lengths[row])) : a.tokens;
    T* to = (T*)a.new_state + row * (a.width - 1) * a.channels;
    for (int64_t i = 0; i < a.width - 1; i++, to += a.channels) {
      const T* from = input<T>(a, row, length - a.width + 1 + i);
      if (from == to) continue;
      if (from) std::memcpy(to, from, a.channels * sizeof(T));
      else std::memset(to, 0, a.channels * sizeof(T));
    }
  }
}

template <class T, class O>
void convolve_width(const ConvArgs& a) {
  a.width == 4 ? convolve_all<4, T, O>(a) : convolve_all<0, T, O>(a);
}

}  // namespace

void conv(const ConvArgs& a) {
  VIVACE_DISPATCH(a.type, T, VIVACE_DISPATCH(a.out_type, O, convolve_width<T, O>(a)));
  if (a.new_state && a.channels > 0) VIVACE_DISPATCH(a.type, T, renew_state<T>(a));
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
