// Panels from weights as MLX stores them.
#include "kernels/codes.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

// Eight codes of any width, in the low bits of a word of 64, each to a byte: halves apart, then quarters, then eighths.
template <int bits>
VIVACE_INLINE uint64_t spread(uint64_t v) {
  constexpr uint64_t one = (1ull << bits) - 1, two = (1ull << 2 * bits) - 1, four = (1ull << 4 * bits) - 1;
  constexpr uint64_t halves = 1, quarters = halves | halves << 32, eighths = quarters | quarters << 16;
  v = (v & four * halves) | (v << (32 - 4 * bits) & four << 32);
  v = (v & two * quarters) | (v << (16 - 2 * bits) & two * quarters << 16);
  return (v & one * eighths) | (v << (8 - bits) & one * eighths << 8);
}

template <int bits>
VIVACE_INLINE void spread_unit(const uint8_t* from, uint64_t (&codes)[kUnit / 8]) {
  for (int i = 0; i < kUnit / 8; i++) {
    uint64_t packed = 0;
    std::memcpy(&packed, from + i * bits, bits);
    if constexpr (bits == 8) codes[i] = packed;
    else codes[i] = spread<bits>(packed);
  }
}

// Bits [first, first + bits) of the codes of one column, as words a row apart.
template <int first, int bits>
VIVACE_INLINE void write_plane(const uint64_t (&codes)[kUnit / 8], uint8_t* to) {
  constexpr int each = 8 / bits;
  constexpr uint32_t mask = ((1 << bits) - 1) * 0x01010101u;
  uint32_t quads[kUnit / 4];
  std::memcpy(quads, codes, sizeof quads);
  for (int row = 0; row < bits; row++) {
    uint32_t word = 0;
    for (int i = 0; i < each; i++) word |= (quads[row * each + i] >> first & mask) << (bits * i);
    std::memcpy(to + row * kWordRow, &word, sizeof word);
  }
}

template <int bits>
void pack_units(const uint8_t* from, int64_t units, uint8_t* to) {
  constexpr int low = low_bits(bits);
  for (int64_t u = 0; u < units; u++, from += 4 * bits, to += bits * kWordRow) {
    uint64_t codes[kUnit / 8];
    spread_unit<bits>(from, codes);
    write_plane<0, low>(codes, to);
    if constexpr (low < bits) write_plane<low, bits - low>(codes, to + low * kWordRow);
  }
}

// Rows [row, row + rows) of all matrices become one panel.
template <int bits>
void pack_panel(const PackArgs& a, int64_t row, int64_t rows, uint8_t* panel) {
  const Weight& w = a.weight;
  const int64_t groups = w.k / w.group, units = w.group / kUnit, header = header_bytes(w), each = group_bytes(w);
  const int64_t size = w.format == Format::mxfp4 ? 1 : size_of(w.type);
  std::memset(panel, 0, panel_bytes(w));
  for (int64_t c = 0; c < rows; c++)
    for (int64_t g = 0; g < groups; g++) {
      uint8_t* group = panel + g * each;
      const int64_t at = (row + c) * groups + g;
      std::memcpy(group + c * size, (const uint8_t*)a.scales + at * size, size);
      if (a.biases) std::memcpy(group + (kColumns + c) * size, (const uint8_t*)a.biases + at * size, size);
      pack_units<bits>((const uint8_t*)a.words + at * w.group * bits / 8, units, group + header + 4 * c);
    }
}

}  // namespace

void pack(const PackArgs& a) {
  const Weight& w = a.weight;
  const int64_t panels = ceil_div(w.n, kColumns), bytes = panel_bytes(w);
  parallel_for(a.count * panels, [&](int64_t i) {
    int64_t first = i % panels * kColumns, row = i / panels * w.n + first;
    with_layout(w, [&](auto layout) {
      pack_panel<decltype(layout)::bits>(a, row, smaller<int64_t>(kColumns, w.n - first), (uint8_t*)a.panels + i * bytes);
    });
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
