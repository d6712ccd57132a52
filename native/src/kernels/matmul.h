#pragma once
#include "kernels/types.h"

namespace vivace {

enum class Format : int32_t { dense, affine, mxfp4 };

// A matrix [n, k]: affine is scale * q + bias, mxfp4 (OCP MX) 2^exponent times a float of 4 bits.
struct Weight {
  const void* data;  // dense: elements of `type` in row-major order without gaps; else panels, see panels.h
  int64_t n, k;
  Format format;
  int32_t bits, group;  // elements of a row that share a scale
  Type type;            // of the elements, or of the scales and biases
};

// Makes panels of `count` matrices as MLX stores them, which follow each other without gaps.
struct PackArgs {
  const void* words;   // [n, k] codes, `bits` each, the first in the lowest bits
  const void* scales;  // affine: [n, k / group] of weight.type; mxfp4: bytes, each an exponent (E8M0)
  const void* biases;  // affine: as scales
  void* panels;        // count * packed_bytes(weight)
  int64_t count;
  Weight weight;  // without data
};

// One product with the rows of x: out = x w^T + bias + add.
struct Product {
  Weight weight;
  const void* bias;  // [n] of `bias_type`, or null
  const void* add;   // like out, or null; may be out itself
  void* out;         // rows of n elements, `out_stride` apart
  int64_t out_stride, add_stride;
  Type bias_type;
};

// Products of the same x [m, k] with `count` matrices of the same k: x is prepared once.
struct MatmulArgs {
  const void* x;
  int64_t m, stride;  // rows of x, `stride` elements apart
  const Product* products;
  int32_t count;
  bool exact;  // float32 activations throughout; else quantized weights meet activations rounded to int8 per 64 or 32
  Type type, out_type;  // of x; of out and add
};

// out[p] = x[x_row[p]] w[expert[p]]^T + bias[expert[p]]: products of a mixture of experts.
struct GatherMatmulArgs {
  const void* x;  // rows of k
  int64_t stride;
  const int32_t* x_row;   // [pairs]
  const int32_t* expert;  // [pairs]
  int64_t pairs, experts;
  Weight first;      // of expert 0; the others follow without gaps
  const void* bias;  // [experts, n] of bias_type, or null
  void* out;         // [pairs, n]
  bool exact;
  Type type, out_type, bias_type;
};

// out[i] = row index[i] of a matrix.
struct EmbedArgs {
  const int32_t* index;
  int64_t count;
  Weight weight;
  void* out;  // [count, k]
  float scale;
  Type out_type;
};

}  // namespace vivace
