#include "runtime/memory.h"

#include <sys/mman.h>

#include <mutex>
#include <new>

namespace vivace {
namespace {

constexpr size_t kLine = 64, kHugePage = 2 << 20, kRegion = 16 * kHugePage;

size_t round_up(size_t bytes, size_t to) { return (bytes + to - 1) / to * to; }

// Whole pages, given back when nothing points into them any more. A huge page can begin at the first byte.
std::shared_ptr<char> pages(size_t bytes) {
  const size_t all = bytes + kHugePage;
  void* at = mmap(nullptr, all, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  std::shared_ptr<char> owner(static_cast<char*>(at), [all](char* p) { munmap(p, all); });
  char* first = reinterpret_cast<char*>(round_up(reinterpret_cast<size_t>(at), kHugePage));
  madvise(first, bytes / kHugePage * kHugePage, MADV_HUGEPAGE);  // a wish: without, everything works a little slower
  return {std::move(owner), first};
}

}  // namespace

std::shared_ptr<void> lasting_memory(size_t bytes) {
  static std::mutex mutex;
  static std::weak_ptr<char> open;  // the region that is being filled, as long as something of it is in use
  static size_t used;
  bytes = round_up(bytes ? bytes : 1, kLine);
  if (bytes > kRegion / 2) return pages(bytes);
  std::lock_guard<std::mutex> lock(mutex);
  std::shared_ptr<char> region = open.lock();
  if (!region || used + bytes > kRegion) {
    region = pages(kRegion);
    open = region, used = 0;
  }
  std::shared_ptr<void> result(region, region.get() + used);
  used += bytes;
  return result;
}

}  // namespace vivace
