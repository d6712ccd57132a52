#include "runtime/level.h"

#include <atomic>
#include <cstdlib>
#include <stdexcept>

#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
#endif

namespace vivace {

const Kernels& portable_kernels();
#if defined(__x86_64__)
const Kernels& vnni_kernels();
const Kernels& avx512_kernels();
const Kernels& avx2_kernels();
#elif defined(__aarch64__)
const Kernels& dotprod_kernels();
#endif

namespace {

struct Level {
  const char* name;
  const Kernels& (*kernels)();
  bool (*usable)();
};

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c") &&
         __builtin_cpu_supports("bmi2");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
#elif defined(__aarch64__)
bool has_dotprod() {
  unsigned long have = getauxval(AT_HWCAP);
  return (have & HWCAP_ASIMDDP) && (have & HWCAP_FPHP) && (have & HWCAP_ASIMDHP);
}
#endif
bool always() { return true; }

// The best first.
const Level kLevels[] = {
#if defined(__x86_64__)
    {"vnni", vnni_kernels, has_vnni},
    {"avx512", avx512_kernels, has_avx512},
    {"avx2", avx2_kernels, has_avx2},
#elif defined(__aarch64__)
    {"dotprod", dotprod_kernels, has_dotprod},
#endif
    {"portable", portable_kernels, always},
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
