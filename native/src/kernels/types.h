// Element types that kernels read and write; everything is computed in float32.
#pragma once
#include <cstdint>

namespace vivace {

enum class Type : int32_t { f32, f16, bf16 };

inline int64_t size_of(Type type) { return type == Type::f32 ? 4 : 2; }

}  // namespace vivace
