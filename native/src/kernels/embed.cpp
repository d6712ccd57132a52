// Rows of a table, dense or quantized.
#include "kernels/quantized.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

constexpr int64_t kItemElements = 16384;

template <class W, class O>
void write_row(const W* row, int64_t k, float scale, O* out) {
  for (int64_t i = 0; i < k; i += kLanes) store(out + i, load(row + i, k - i) * scale, k - i);
}

// A row that there is not is zeros; negative ones count from the end.
template <class O>
void embed_row(const EmbedArgs& a, int64_t i, float* wide) {
  const Weight& w = a.weight;
  O* out = (O*)a.out + i * w.k;
  int64_t row = a.index[i] < 0 ? a.index[i] + w.n : a.index[i];
  if (row < 0 || row >= w.n) {
    std::memset(out, 0, w.k * sizeof(O));
  } else if (w.format == Format::dense) {
    VIVACE_DISPATCH(w.type, W, write_row((const W*)w.data + row * w.k, w.k, a.scale, out));
  } else {
    dequantize_row(w, row, wide);
    write_row(wide, w.k, a.scale, out);
  }
}

template <class O>
void embed_rows(const EmbedArgs& a) {
  int64_t each = larger<int64_t>(1, kItemElements / larger<int64_t>(1, a.weight.k));
  parallel_for(ceil_div(a.count, each), [&](int64_t item) {
    Scratch scratch;
    float* wide = scratch.take<float>(a.weight.k);
    for (int64_t i = item * each; i < smaller(a.count, (item + 1) * each); i++) embed_row<O>(a, i, wide);
  });
}

}  // namespace

void embed(const EmbedArgs& a) { VIVACE_DISPATCH(a.out_type, O, embed_rows<O>(a)); }

}  // namespace VIVACE_LEVEL
}  // namespace vivace
