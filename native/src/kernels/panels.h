// How quantized weights lie in memory for the kernels: what meets one number of x lies together, and all in one run.
//
// A weight [n, k] is cut into panels of 32 rows, the columns of a product; zeros fill up the last. A panel is its groups
// of k, one after another, and a group is
//   scales  [32] of the weight's type; mxfp4: exponents, bytes
//   biases  [32] likewise; mxfp4: none
//   units   of 32 elements of k, as many as the group has, each [bits, 32] words of 32 bits.
// A word holds elements of one column: byte i those of elements 4 j + i of the unit, for several j, the first j in the
// lowest bits. The words of 3, 5 and 6 bits are two planes, each such a code of its own: first the low 2 or 4 bits of all
// elements, then the rest.
#pragma once
#include "kernels/matmul.h"

namespace vivace {
namespace {

constexpr int kColumns = 32, kUnit = 32, kWordRow = 4 * kColumns;  // a row of words: bytes

constexpr int low_bits(int bits) { return bits == 3 ? 2 : bits == 5 || bits == 6 ? 4 : bits; }

inline __attribute__((always_inline)) int64_t header_bytes(const Weight& w) {
  return w.format == Format::mxfp4 ? kColumns : 2 * kColumns * size_of(w.type);
}
inline __attribute__((always_inline)) int64_t group_bytes(const Weight& w) {
  return header_bytes(w) + w.group / kUnit * w.bits * kWordRow;
}
inline __attribute__((always_inline)) int64_t panel_bytes(const Weight& w) { return w.k / w.group * group_bytes(w); }
inline __attribute__((always_inline)) int64_t packed_bytes(const Weight& w) {
  return (w.n + kColumns - 1) / kColumns * panel_bytes(w);
}

}  // namespace
}  // namespace vivace
