// Calls every kernel at every level that this processor has, on random odd shapes, and compares with plain loops; then
// several threads at once. Made for sanitizers, and for processors where there is no Python (under an emulator).
//
//   kernel_check [rounds [seed]]
#include <cstdio>
#include <cstdlib>
#include <thread>

#include "check.h"
#include "runtime/level.h"
#include "runtime/pool.h"

namespace vivace {
namespace {

struct Family {
  const char* name;
  void (*check)(const Kernels&, Random&);
};

const Family kFamilies[] = {
    {"norm", check_norm},
    {"matmul", check_matmul},
    {"gather", check_gather},
    {"embed", check_embed},
    {"sample", check_sample},
    {"topk", check_topk},
    {"draw", check_draw},
    {"attention", check_attention},
    {"activate", check_activate},
    {"add", check_add},
    {"rope", check_rope},
    {"conv", check_conv},
    {"gated_norm", check_gated_norm},
    {"gated_delta", check_gated_delta},
};

void check_families(int rounds, uint64_t seed) {
  for (const Family& family : kFamilies) {
    int before = failures();
    Random random(seed);
    for (int round = 0; round < rounds && failures() == before; round++) family.check(kernels(), random);
    expect(failures() == before, std::string("^ ") + family.name + " at " + level() + ", seed " + std::to_string(seed));
  }
}

}  // namespace
}  // namespace vivace

int main(int count, char** words) {
  using namespace vivace;
  int rounds = count > 1 ? std::atoi(words[1]) : 30;
  uint64_t seed = count > 2 ? std::strtoull(words[2], nullptr, 10) : 1;
  check_pool();
  check_memory();
  for (const std::string& name : levels()) {
    set_level(name);
    check_families(rounds, seed);
    std::vector<std::thread> callers;
    for (uint64_t c = 1; c <= 3; c++) callers.emplace_back([=] { check_families(rounds / 5 + 1, seed + c); });
    for (std::thread& caller : callers) caller.join();
    std::printf("%s: %d failures so far\n", name.c_str(), failures());
  }
  return failures() == 0 ? 0 : 1;
}
