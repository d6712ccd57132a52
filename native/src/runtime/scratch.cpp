#include "runtime/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <new>
#include <vector>

namespace vivace {
namespace {

constexpr size_t kAlign = 64, kLeast = size_t{1} << 20;

struct Block {
  char* data;
  size_t size;
};

// Blocks never move while a scope holds memory of them; when the last scope ends, several become one.
struct Stack {
  std::vector<Block> blocks;
  size_t block = 0, used = 0;

  ~Stack() { clear(); }

  void clear() {
    for (Block& b : blocks) std::free(b.data);
    blocks.clear();
  }

  void add(size_t size) {
    blocks.reserve(blocks.size() + 1);
    size = (std::max(size, kLeast) + 4095) & ~size_t{4095};
    auto* data = static_cast<char*>(std::aligned_alloc(4096, size));
    if (data == nullptr) throw std::bad_alloc();
    blocks.push_back({data, size});
  }

  void* take(size_t count) {
    count = (count + kAlign - 1) & ~(kAlign - 1);
    while (block < blocks.size() && used + count > blocks[block].size) {
      block++;
      used = 0;
    }
    if (block == blocks.size()) add(count);
    void* result = blocks[block].data + used;
    used += count;
    return result;
  }

  void merge() noexcept {
    if (blocks.size() < 2) return;
    size_t whole = 0;
    for (Block& b : blocks) whole += b.size;
    clear();
    try {
      add(whole);
    } catch (const std::bad_alloc&) {  // then the next call makes its own
    }
  }
};

thread_local Stack stack;

}  // namespace

Scratch::Scratch() : mark_block_(stack.block), mark_used_(stack.used) {}

Scratch::~Scratch() {
  stack.block = mark_block_;
  stack.used = mark_used_;
  if (mark_block_ == 0 && mark_used_ == 0) stack.merge();
}

void* Scratch::bytes(size_t count) { return stack.take(count); }

}  // namespace vivace
