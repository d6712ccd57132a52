#include "runtime/level.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace vivace {

// CMake says which levels were compiled, the best first: VIVACE_LEVELS is X(vnni) X(avx512) ….
#define X(name) const Kernels& name##_kernels();
VIVACE_LEVELS
#undef X

namespace {

struct Level {
  const char* name;
  const Kernels& (*kernels)();
  bool (*usable)();
};

#if defined(__x86_64__)
[[maybe_unused]] bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
         __builtin_cpu_supports("bmi2");
}
[[maybe_unused]] bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
[[maybe_unused]] bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#elif defined(__aarch64__)
[[maybe_unused]] bool has_dotprod() {
  unsigned long have = getauxval(AT_HWCAP);
  return (have & HWCAP_ASIMDDP) && (have & HWCAP_FPHP) && (have & HWCAP_ASIMDHP);
}
#endif
bool has_portable() { return true; }

const Level kLevels[] = {
#define X(name) {#name, name##_kernels, has_##name},
    VIVACE_LEVELS
#undef X
};

const Level& find(const std::string& name) {
  std::string known;
  for (const Level& level : kLevels) {
    if (!level.usable()) continue;
    if (name == level.name) return level;
    known += (known.empty() ? "" : ", ") + std::string(level.name);
  }
  throw std::invalid_argument("no instruction set \"" + name + "\" here; this processor can use: " + known);
}

const Level& choose() {
  if (const char* wish = std::getenv("VIVACE_CPU_LEVEL"); wish && *wish) return find(wish);
  for (const Level& level : kLevels)
    if (level.usable()) return level;
  return kLevels[0];  // not reached: the last is always usable
}

std::atomic<const Level*>& current() {
  static std::atomic<const Level*> level{&choose()};
  return level;
}

}  // namespace

const Kernels& kernels() { return current().load(std::memory_order_relaxed)->kernels(); }
std::string level() { return current().load()->name; }

std::vector<std::string> levels() {
  std::vector<std::string> names;
  for (const Level& level : kLevels)
    if (level.usable()) names.push_back(level.name);
  return names;
}

void set_level(const std::string& name) { current().store(&find(name)); }

}  // namespace vivace
