// Few rows: each row of weights is read once, in order, and meets all rows of x.
//
// A sum goes block by block through the same operations as in quantized_tile.cpp: what a row of x gives does not depend,
// to the last bit, on how many rows there are. The products inside a block are integers, whose order does not matter.
#include "kernels/quantized_rows.h"

#include "kernels/scales.h"
#include "kernels/transpose.h"
#include "kernels/unpack.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kAhead = 1024;  // bytes: what DRAM delivers while one row is worked on

// Products of one chunk, in lanes that have yet to be summed: one vector for each of its blocks.
template <class L>
VIVACE_INLINE void add_chunk(const Bytes* w, const int8_t* x, Ints* blocks) {
  constexpr int values = 4 * kLanes, together = larger(1, L::block / values);  // vectors of one block
  for (int v = 0; v < kChunkVectors; v += together) {
    Ints dots{};
    for (int i = v; i < v + together; i++) dots = dot_codes<L::code>(dots, w[i], load_as<SBytes>(x + i * values));
    if constexpr (values <= L::block) {
      blocks[v / together] = dots;
    } else {  // two blocks in one vector
      Ints high{};
      for (int i = kLanes / 2; i < kLanes; i++) high[i] = -1;
      blocks[2 * v] = dots & ~high;
      blocks[2 * v + 1] = dots & high;
    }
  }
}

// dots[m * pitch + b]: block b of one row of weights times row m of x.
template <class L, int M>
VIVACE_INLINE void dots_of(const Activations& x, const uint8_t* w, int64_t blocks, int32_t* dots, int64_t pitch) {
  constexpr int per_chunk = kChunk / L::block, chunk_bytes = 8 * L::bits;
  for (int64_t first = 0; first < blocks; first += kLanes) {
    Ints parts[M][kLanes] = {};
    int here = (int)smaller<int64_t>(kLanes, blocks - first);
    const int8_t* codes = x.codes + first * L::block;
    for (int b = 0; b < here; b += per_chunk, codes += kChunk, w += chunk_bytes) {
      Bytes unpacked[kChunkVectors];
      prefetch(w + kAhead);
      if (L::block == 32 && b + 1 == here) unpack_half<L::code>(w, unpacked);
      else unpack<L::code>(w, unpacked);
      for (int m = 0; m < M; m++) add_chunk<L>(unpacked, codes + m * x.width, parts[m] + b);
    }
    for (int m = 0; m < M; m++) store_as(dots + m * pitch + first, sums_of(parts[m]));
  }
}

#if defined(__AVX512F__)
// The sums of 4-bit blocks, two in each vector: lanes 0 to 7 of pairs[j] are block 2j's, the others block 2j + 1's. No sum
// of 16 products of 4 and 8 bits exceeds 16 bits, so that words halve their number twice.
VIVACE_INLINE Ints sums_of_pairs(const Ints (&pairs)[kLanes / 2]) {
  const __m512i ones = _mm512_set1_epi16(1);
  __m512i quads[2];
  for (int i = 0; i < 2; i++) {
    __m512i halves[2];
    for (int j = 0; j < 2; j++)
      halves[j] = _mm512_madd_epi16(
          _mm512_packs_epi32((__m512i)pairs[4 * i + 2 * j], (__m512i)pairs[4 * i + 2 * j + 1]), ones);
    quads[i] = _mm512_madd_epi16(_mm512_packs_epi32(halves[0], halves[1]), ones);
  }
  __m512i sums = _mm512_add_epi32(_mm512_shuffle_i32x4(quads[0], quads[1], 0x88),
                                  _mm512_shuffle_i32x4(quads[0], quads[1], 0xDD));
  const __m512i order = _mm512_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15);
  return (Ints)_mm512_permutexvar_epi32(order, sums);
}

// 4-bit weights of two blocks in a register: x has the even elements of both, then the odd ones.
VIVACE_INLINE void add_pair(const uint8_t* w, const int8_t* x, int64_t width, int M, Ints (*pairs)[kLanes / 2], int pair) {
  prefetch(w + kAhead);
  Ints packed = load_as<Ints>(w);
  Bytes even = (Bytes)(packed & 0x0F0F0F0F), odd = (Bytes)((packed >> 4) & 0x0F0F0F0F);
  for (int m = 0; m < M; m++) {
    Ints dot = dot4_small(Ints{}, even, load_as<SBytes>(x + m * width));
    pairs[m][pair] = dot4_small(dot, odd, load_as<SBytes>(x + m * width + 64));
  }
}

// The last block of a row that has an odd number of them.
VIVACE_INLINE Ints single_block(const uint8_t* w, const int8_t* x) {
  Bytes unpacked[1];
  unpack<Code::split4>(w, unpacked);
  __m512i dot = (__m512i)dot4_small(Ints{}, unpacked[0], load_as<SBytes>(x));
  return (Ints)_mm512_zextsi256_si512(_mm256_add_epi32(_mm512_castsi512_si256(dot), _mm512_extracti64x4_epi64(dot, 1)));
}

template <int M>
VIVACE_INLINE void dots_of_pairs(const Activations& x, const uint8_t* w, int64_t blocks, int32_t* dots, int64_t pitch) {
  for (int64_t first = 0; first < blocks; first += kLanes, w += 32 * kLanes) {
    Ints pairs[M][kLanes / 2];
    const int64_t here = blocks - first;
    const int8_t* codes = x.codes + first * 64;
    if (here >= kLanes) {
#pragma GCC unroll 8
      for (int j = 0; j < kLanes / 2; j++) add_pair(w + 64 * j, codes + 128 * j, x.width, M, pairs, j);
    } else {
      for (int m = 0; m < M; m++)
        for (int j = 0; j < kLanes / 2; j++) pairs[m][j] = Ints{};
      for (int j = 0; j < here / 2; j++) add_pair(w + 64 * j, codes + 128 * j, x.width, M, pairs, j);
      if (here % 2)
        for (int m = 0; m < M; m++)
          pairs[m][here / 2] = single_block(w + 32 * (here - 1), codes + 64 * (here - 1) + m * x.width);
    }
    for (int m = 0; m < M; m++) store_as(dots + m * pitch + first, sums_of_pairs(pairs[m]));
  }
}
#endif

// Vectors of kLanes rows of weights, turned so that vector b holds block b of all of them.
struct Turned {
  Ints block[kLanes];

  template <class Row>
  inline __attribute__((always_inline)) explicit Turned(const Row& row) {
#pragma GCC unroll 16
    for (int i = 0; i < kLanes; i++) block[i] = row(i);
    transpose(block);
  }
};

// Scales and biases of kLanes blocks of kLanes rows, or of as many as there are: rows beyond the last are the last again.
struct TurnedScales {
  Turned scale, bias;
};

template <class S>
VIVACE_INLINE TurnedScales turned_from(const Weight& w, int64_t n, int64_t first) {
  const int64_t groups = w.k / w.group;
  const S *scale = (const S*)w.scales + n * groups + first, *bias = (const S*)w.biases + n * groups + first;
  return {Turned([&](int i) { return (Ints)load(scale + i * groups); }),
          Turned([&](int i) { return (Ints)load(bias + i * groups); })};
}

VIVACE_INLINE TurnedScales turned_scales(const Weight& w, int64_t n, int rows, int64_t first, int64_t blocks) {
  bool plain = w.format == Format::affine && w.group != 128 && rows == kLanes && first + kLanes <= blocks;
  if (plain && w.type == Type::bf16) return turned_from<bfloat>(w, n, first);
  if (plain && w.type == Type::f16) return turned_from<half>(w, n, first);
  if (plain) return turned_from<float>(w, n, first);
  ScaleBias of[kLanes];
  for (int i = 0; i < kLanes; i++) of[i] = scales_of(w, n + smaller(i, rows - 1), first, blocks - first);
  return {Turned([&](int i) { return (Ints)of[i].scale; }), Turned([&](int i) { return (Ints)of[i].bias; })};
}

// The products of blocks, scaled and summed: columns n to n + rows of M rows.
template <int M>
VIVACE_INLINE void weigh(const Activations& x, const Weight& weight, int64_t n, int rows, int64_t blocks,
                         const int32_t* dots, int64_t pitch, float* out, int64_t out_pitch) {
  Floats total[M] = {};
  for (int64_t first = 0; first < blocks; first += kLanes) {
    TurnedScales of = turned_scales(weight, n, rows, first, blocks);
    int here = (int)smaller<int64_t>(kLanes, blocks - first);
    for (int m = 0; m < M; m++) {
      Turned dot([&](int i) { return load_as<Ints>(dots + (i * M + m) * pitch + first); });
      const float *by = x.scale + m * x.blocks + first, *sum = x.sum + m * x.blocks + first;
      for (int b = 0; b < here; b++) {
        total[m] = fma((Floats)of.bias.block[b], broadcast(sum[b]), total[m]);
        total[m] = fma(to_floats(dot.block[b]), (Floats)of.scale.block[b] * broadcast(by[b]), total[m]);
      }
    }
  }
  for (int m = 0; m < M; m++) store(out + m * out_pitch, total[m]);
}

template <class L, int M>
void multiply_rows(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  Scratch scratch;
  const int64_t blocks = weight.k / L::block, dot_pitch = round_up(blocks, kLanes), bytes = weight.k * L::bits / 8;
  int32_t* dots = scratch.take<int32_t>(kLanes * M * dot_pitch);
  std::memset(dots, 0, kLanes * M * dot_pitch * sizeof(int32_t));  // there may be fewer rows
  for (int64_t n = n0; n < n1; n += kLanes) {
    int rows = (int)smaller<int64_t>(kLanes, n1 - n);
    const uint8_t* w = (const uint8_t*)weight.data + n * bytes;
    prefetch_scales(weight, n + kLanes);
    for (int i = 0; i < rows; i++) {
      int32_t* of_row = dots + i * M * dot_pitch;
#if defined(__AVX512F__)
      if constexpr (L::code == Code::split4) {
        dots_of_pairs<M>(x, w + i * bytes, blocks, of_row, dot_pitch);
        continue;
      }
#endif
      dots_of<L, M>(x, w + i * bytes, blocks, of_row, dot_pitch);
    }
    weigh<M>(x, weight, n, rows, blocks, dots, dot_pitch, out + n - n0, pitch);
  }
}

template <class L>
void multiply_all(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  int64_t m = 0;
  for (; m + 2 <= x.m; m += 2) multiply_rows<L, 2>(part(x, m, m + 2), weight, n0, n1, out + m * pitch, pitch);
  if (m < x.m) multiply_rows<L, 1>(part(x, m, m + 1), weight, n0, n1, out + m * pitch, pitch);
}

}  // namespace

void multiply_few(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  with_layout(weight, x.kind.split, [&](auto layout) {
    multiply_all<decltype(layout)>(x, weight, n0, n1, out, pitch);
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
