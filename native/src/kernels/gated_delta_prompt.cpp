// The gated delta rule over a prompt, kChunk tokens at a time.
//
// The state is kept with kLanes of its rows side by side (value channels in lanes), so that no sum crosses lanes. In
// the WY form of a chunk (arXiv:2406.06484, section 3) every token reads the state before the chunk, with its own decay,
// and what earlier tokens of the chunk write enters through small triangular matrices. Writing a chunk and reading for the
// next one share a pass over the state: 3 + 1 / kChunk operations an element and token. Longer chunks would save little
// of that and add work in the triangle.
#include <cstring>

#include "kernels/gated_delta_inputs.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int kChunk = 4;
constexpr int64_t kChunks = 4;  // prepared together, then used by all columns: what fits in the first cache beside them
constexpr int64_t kSpan = kChunk * kChunks;

// Vectors of lanes that pass together, sharing the loads of keys: as the number of registers allows.
#if defined(__AVX512F__) || defined(__ARM_NEON)
constexpr int kVectors = 2;
#else
constexpr int kVectors = 1;
#endif
constexpr int64_t kColumns = kVectors * kLanes;

// One row of kRow floats a key channel: the decay over the chunk; what each token writes, decayed to the chunk's end;
// each token's key and query, decayed from the chunk's start.
constexpr int kDecay = 0, kWrite = 4, kKey = 8, kQuery = 12, kRow = 16;
static_assert(kChunk == 4 && kRow % kLanes == 0);

struct Chunk {
  float* rows;  // [keys, kRow]
  float recalled[kChunk][kChunk];  // [t][s], s < t: of what token s writes, what the key of token t recalls
  float read[kChunk][kChunk];      // [t][s], s <= t: and what its query reads
  float beta[kChunk];
};

// The kChunk tokens from t of the span.
void prepare(const Tokens& tokens, int64_t t, Chunk& chunk) {
  Floats recalled[kChunk][kChunk] = {}, read[kChunk][kChunk] = {};
  for (int64_t i = 0; i < tokens.keys; i += kLanes) {
    Floats squares[kRow / kLanes][kLanes] = {}, *row = squares[0], since_start = broadcast(1.0f);
#pragma GCC unroll 4
    for (int to = 0; to < kChunk; to++) {
      Floats decay = load(tokens.decay(t + to) + i), k = load(tokens.k(t + to) + i), q = load(tokens.q(t + to) + i);
      since_start *= decay;
      row[kKey + to] = since_start * k;
      row[kQuery + to] = since_start * q;
#pragma GCC unroll 4
      for (int from = 0; from < to; from++) {
        row[kWrite + from] *= decay;
        recalled[to][from] = fma(row[kWrite + from], k, recalled[to][from]);
        read[to][from] = fma(row[kWrite + from], q, read[to][from]);
      }
      row[kWrite + to] = k;
      read[to][to] = fma(k, q, read[to][to]);
    }
    row[kDecay] = since_start;
    for (int part = 0; part < kRow / kLanes; part++) {
      transpose(squares[part]);
      for (int lane = 0; lane < kLanes; lane++)
        store(chunk.rows + (i + lane) * kRow + part * kLanes, squares[part][lane]);
    }
  }
  for (int to = 0; to < kChunk; to++) {
    chunk.beta[to] = tokens.beta(t + to);
    for (int from = 0; from <= to; from++) {
      chunk.recalled[to][from] = sum(recalled[to][from]);
      chunk.read[to][from] = sum(read[to][from]);
    }
  }
}

// What the tokens of a chunk write along each of kColumns value channels.
struct Writes {
  Floats of[kChunk][kVectors];
};

// Writes the chunk `before` into the state [key_dim, kColumns] of some columns and reads it for the chunk `now`, the
// tokens from t of the span: `writes`, those of `before`, become those of `now`.
VIVACE_INLINE void advance(const Chunk& before, const Chunk& now, Tokens& tokens, int64_t t, int64_t key_dim,
                           float* state, int64_t column, Writes& writes) {
  Floats delta[kChunk][kVectors], recalled[kChunk][kVectors] = {}, read[kChunk][kVectors] = {};
  std::memcpy(delta, writes.of, sizeof delta);
  const float *old = before.rows, *next = now.rows;
  for (int64_t i = 0; i < key_dim; i++, old += kRow, next += kRow, state += kColumns) {
#pragma GCC unroll 2
    for (int c = 0; c < kVectors; c++) {
      Floats s = load(state + c * kLanes) * old[kDecay];
#pragma GCC unroll 4
      for (int from = 0; from < kChunk; from++) s = fma(delta[from][c], broadcast(old[kWrite + from]), s);
      store(state + c * kLanes, s);
#pragma GCC unroll 4
      for (int to = 0; to < kChunk; to++) {
        recalled[to][c] = fma(s, broadcast(next[kKey + to]), recalled[to][c]);
        read[to][c] = fma(s, broadcast(next[kQuery + to]), read[to][c]);
      }
    }
  }
  for (int c = 0; c < kVectors; c++) {
    for (int to = 0; to < kChunk; to++) {
      int64_t place = column + c * kLanes;
      Floats known = recalled[to][c], result = read[to][c];
      for (int from = 0; from < to; from++) known = fma(writes.of[from][c], broadcast(now.recalled[to][from]), known);
      writes.of[to][c] = (load(tokens.v(t + to) + place) - known) * now.beta[to];
      for (int from = 0; from <= to; from++) result = fma(writes.of[from][c], broadcast(now.read[to][from]), result);
      store(tokens.y(t + to) + place, result);
    }
  }
}

// Square by square between rows of the state [dim, key_dim] and columns [keys, kColumns].
void read_state(const GatedDeltaArgs& a, const float* state, int64_t column, int64_t keys, float* to) {
  for (int64_t c = 0; c < kColumns; c += kLanes) {
    for (int64_t i = 0; i < keys; i += kLanes) {
      Floats square[kLanes];
      for (int lane = 0; lane < kLanes; lane++) {
        int64_t value = column + c + lane;
        square[lane] = state && value < a.dim ? load(state + value * a.key_dim + i, a.key_dim - i) : Floats{};
      }
      transpose(square);
      for (int lane = 0; lane < kLanes; lane++) store(to + (i + lane) * kColumns + c, square[lane]);
    }
  }
}

void write_state(const GatedDeltaArgs& a, const float* columns, int64_t column, int64_t keys, float* to) {
  for (int64_t c = 0; c < kColumns; c += kLanes) {
    for (int64_t i = 0; i < keys; i += kLanes) {
      Floats square[kLanes];
      for (int lane = 0; lane < kLanes; lane++) square[lane] = load(columns + (i + lane) * kColumns + c);
      transpose(square);
      for (int lane = 0; lane < kLanes && column + c + lane < a.dim; lane++)
        store(to + (column + c + lane) * a.key_dim + i, square[lane], a.key_dim - i);
    }
  }
}

// What the last chunk writes.
void finish(const Chunk& last, int64_t key_dim, float* state, const Writes& writes) {
  const float* old = last.rows;
  for (int64_t i = 0; i < key_dim; i++, old += kRow, state += kColumns) {
    for (int c = 0; c < kVectors; c++) {
      Floats s = load(state + c * kLanes) * old[kDecay];
      for (int from = 0; from < kChunk; from++) s = fma(writes.of[from][c], broadcast(old[kWrite + from]), s);
      store(state + c * kLanes, s);
    }
  }
}

// Blocks [first, last) of kColumns value channels of one head, through all tokens.
void advance_blocks(const GatedDeltaArgs& a, int64_t row, int64_t head, int64_t first, int64_t last) {
  Scratch scratch;
  Tokens tokens(a, scratch, kSpan);
  int64_t keys = tokens.keys, block = keys * kColumns, matrix = (row * a.heads + head) * a.dim * a.key_dim;
  Chunk chunks[kChunks + 1];  // the first is the last of the span before
  for (Chunk& chunk : chunks) chunk.rows = scratch.take<float>(keys * kRow);
  float* states = scratch.take<float>((last - first) * block);
  Writes* writes = scratch.take<Writes>(last - first);
  for (int64_t b = first; b < last; b++)
    read_state(a, a.state ? a.state + matrix : nullptr, b * kColumns, keys, states + (b - first) * block);

  // Before the first chunk, one that changes nothing.
  std::memset(chunks[0].rows, 0, keys * kRow * sizeof(float));
  for (int64_t i = 0; i < keys; i++) chunks[0].rows[i * kRow + kDecay] = 1;
  std::memset((void*)writes, 0, (last - first) * sizeof(Writes));

  for (int64_t begin = 0; begin < a.tokens; begin += kSpan) {
    int64_t count = smaller(kSpan, round_up(a.tokens - begin, kChunk)), n = count / kChunk;
    tokens.read(row, head, begin, count);
    for (int64_t c = 0; c < n; c++) prepare(tokens, c * kChunk, chunks[c + 1]);
    for (int64_t b = first; b < last; b++) {
      float* state = states + (b - first) * block;
      for (int64_t c = 0; c < n; c++)
        advance(chunks[c], chunks[c + 1], tokens, c * kChunk, a.key_dim, state, b * kColumns, writes[b - first]);
    }
    tokens.write_y(row, head, begin, count, first * kColumns, smaller(a.dim, last * kColumns));
    Chunk done = chunks[n];
    chunks[n] = chunks[0];
    chunks[0] = done;
  }
  for (int64_t b = first; b < last; b++) {
    float* state = states + (b - first) * block;
    finish(chunks[0], a.key_dim, state, writes[b - first]);
    write_state(a, state, b * kColumns, keys, a.new_state + matrix);
  }
}

}  // namespace

void gated_delta_prompt(const GatedDeltaArgs& a);

void gated_delta_prompt(const GatedDeltaArgs& a) {
  int64_t heads = a.batch * a.heads, blocks = ceil_div(a.dim, kColumns);
  // Heads are cut only where there are too few for the threads: every part prepares the keys for itself.
  int64_t parts = smaller(blocks, ceil_div(2 * threads(), larger<int64_t>(1, heads)));
  if (parts == 0) return;
  parallel_for(heads * parts, [&](int64_t item) {
    int64_t head = item / parts, part = item % parts;
    advance_blocks(a, head / a.heads, head % a.heads, blocks * part / parts, blocks * (part + 1) / parts);
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
