// Many rows: the weights of kPanel columns are unpacked once and all strips of x swept over them.
#include "kernels/quantized_tile.h"

#include "kernels/quantized_rows.h"

namespace vivace {
namespace VIVACE_LEVEL {
namespace {

VIVACE_INLINE SBytes broadcast_four(const int8_t* p) {
  int32_t four;
  std::memcpy(&four, p, 4);
  return (SBytes)broadcast(four);
}

// out [height, kPanel] += a strip of x times the tile.
template <class L, int height>
void sweep(const Tile& tile, const int8_t* x, const float* x_scale, const float* x_sum, float* out, int64_t pitch) {
  constexpr int quads = L::block / 4;
  const uint8_t* w = tile.codes;
  const int64_t first = tile.k / L::block;
  for (int64_t block = 0; block < tile.depth / L::block; block++) {
    Ints dots[height][2] = {};
    for (int quad = 0; quad < quads; quad++, w += 4 * kPanel, x += 4 * height) {
      Bytes left = load_as<Bytes>(w), right = load_as<Bytes>(w + 4 * kLanes);
#pragma GCC unroll 16
      for (int i = 0; i < height; i++) {
        SBytes four = broadcast_four(x + 4 * i);
        dots[i][0] = dot_codes<L::code>(dots[i][0], left, four);
        dots[i][1] = dot_codes<L::code>(dots[i][1], right, four);
      }
    }
    const float *scale = tile.scale + (first + block) * kPanel, *bias = tile.bias + (first + block) * kPanel;
    Floats scales[2] = {load(scale), load(scale + kLanes)}, biases[2] = {load(bias), load(bias + kLanes)};
#pragma GCC unroll 16
    for (int i = 0; i < height; i++) {
      Floats by = broadcast(x_scale[block * height + i]), sum = broadcast(x_sum[block * height + i]);
#pragma GCC unroll 2
      for (int side = 0; side < 2; side++) {
        float* to = out + i * pitch + side * kLanes;
        Floats total = fma(biases[side], sum, load(to));
        store(to, fma(to_floats(dots[i][side]), scales[side] * by, total));
      }
    }
  }
}

template <class L, int height = kTallest>
VIVACE_INLINE void sweep_rows(int64_t rows, const Tile& tile, const Activations& x, int64_t first, float* out, int64_t pitch) {
  if (rows == height) {
    int64_t block = first * x.blocks + tile.k / L::block * height;
    return sweep<L, height>(tile, x.codes + first * x.width + tile.k * height, x.scale + block, x.sum + block, out, pitch);
  }
  if constexpr (height > 1) sweep_rows<L, height - 1>(rows, tile, x, first, out, pitch);
}

template <class L>
void multiply_tiles(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  Scratch scratch;
  Tile tile = take_tile(scratch, weight);
  for (int64_t n = n0; n < n1; n += kPanel) {
    for (int64_t i = 0; i < x.m; i++) std::memset(out + i * pitch + n - n0, 0, kPanel * sizeof(float));
    for (int64_t k = 0; k < x.k; k += kTileDepth) {
      pack_tile<L>(weight, n, k, tile);
      for (int64_t first = 0; first < x.m; first += x.height)
        sweep_rows<L>(smaller(x.height, x.m - first), tile, x, first, out + first * pitch + n - n0, pitch);
    }
  }
}

}  // namespace

void multiply_strips(const Activations& x, const Weight& weight, int64_t n0, int64_t n1, float* out, int64_t pitch) {
  with_layout(weight, x.kind.split, [&](auto layout) {
    multiply_tiles<decltype(layout)>(x, weight, n0, n1, out, pitch);
  });
}

}  // namespace VIVACE_LEVEL
}  // namespace vivace
