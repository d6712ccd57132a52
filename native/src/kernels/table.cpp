// The table of one instruction set. VIVACE_LEVEL is its name.
#include "kernels/kernels.h"

#define VIVACE_JOIN_(a, b) a##b
#define VIVACE_JOIN(a, b) VIVACE_JOIN_(a, b)

namespace vivace {
namespace VIVACE_LEVEL {
#define VIVACE_DECLARE(name, Args) void name(const Args&);
VIVACE_KERNELS(VIVACE_DECLARE)
#undef VIVACE_DECLARE
}  // namespace VIVACE_LEVEL

const Kernels& VIVACE_JOIN(VIVACE_LEVEL, _kernels)();

const Kernels& VIVACE_JOIN(VIVACE_LEVEL, _kernels)() {
#define VIVACE_ENTRY(name, Args) VIVACE_LEVEL::name,
  static const Kernels table = {VIVACE_KERNELS(VIVACE_ENTRY)};
#undef VIVACE_ENTRY
  return table;
}

}  // namespace vivace
