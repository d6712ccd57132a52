// What the kernels offer: one function per line of VIVACE_KERNELS, and for each instruction set a table of them.
//
// Arguments are plain structs, each in the header of its family. Pointers point to the first element; strides count
// elements. Callers have checked shapes and types: a kernel throws nothing but std::bad_alloc of Scratch, and allocates
// nowhere else.
#pragma once
#include "kernels/activate.h"
#include "kernels/attention.h"
#include "kernels/conv.h"
#include "kernels/draw.h"
#include "kernels/gated_delta.h"
#include "kernels/gated_norm.h"
#include "kernels/matmul.h"
#include "kernels/norm.h"
#include "kernels/rope.h"
#include "kernels/sample.h"

#define VIVACE_KERNELS(K)            \
  K(norm, NormArgs)                  \
  K(pack, PackArgs)                  \
  K(matmul, MatmulArgs)              \
  K(gather_matmul, GatherMatmulArgs) \
  K(embed, EmbedArgs)                \
  K(argmax, RowsArgs)                \
  K(logsumexp, RowsArgs)             \
  K(softmax, RowsArgs)               \
  K(topk, TopKArgs)                  \
  K(draw, DrawArgs)                  \
  K(attention, AttentionArgs)        \
  K(activate, ActivateArgs)          \
  K(add, AddArgs)                    \
  K(rope, RopeArgs)                  \
  K(conv, ConvArgs)                  \
  K(gated_delta, GatedDeltaArgs)     \
  K(gated_norm, GatedNormArgs)

namespace vivace {

struct Kernels {
#define VIVACE_MEMBER(name, Args) void (*name)(const Args&);
  VIVACE_KERNELS(VIVACE_MEMBER)
#undef VIVACE_MEMBER
};

}  // namespace vivace
