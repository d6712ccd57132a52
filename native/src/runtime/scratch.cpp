#include "runtime/scratch.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <new>
#include <vector>

namespace vivace {
namespace {

constexpr size_t kAlign = 64, kLeast = size_t{1} << 20;

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kWatched = true;  // each piece is an allocation of its own, of just its size, full of NaN
#else
constexpr bool kWatched = false;
#endif

struct Block {
  char* data;
  size_t size;
};

// Blocks never move while a scope holds memory of them; when the last scope ends, several become one.
struct Stack {
  std::vector<Block> blocks;
  size_t block = 0, used = 0;

  ~Stack() { clear(0); }

  void clear(size_t keep) {
    for (; blocks.size() > keep; blocks.pop_back()) std::free(blocks.back().data);
  }

  void add(size_t size) {
    blocks.reserve(blocks.size() + 1);
    void* data = nullptr;
    if (posix_memalign(&data, kAlign, size) != 0) throw std::bad_alloc();
    blocks.push_back({static_cast<char*>(data), size});
  }

  void* take(size_t count) {
    if (kWatched) return take_watched(count);
    count = (count + kAlign - 1) & ~(kAlign - 1);
    while (block < blocks.size() && used + count > blocks[block].size) {
      block++;
      used = 0;
    }
    if (block == blocks.size()) add(std::max(count, kLeast));
    void* result = blocks[block].data + used;
    used += count;
    return result;
  }

  void* take_watched(size_t count) {
    add(count);
    std::memset(blocks.back().data, 0xFF, count);
    block = blocks.size();
    return blocks.back().data;
  }

  void give_back(size_t to_block, size_t to_used) noexcept {
    block = to_block;
    used = to_used;
    if (kWatched) clear(to_block);
    else if (block == 0 && used == 0 && blocks.size() > 1) merge();
  }

  void merge() noexcept {
    size_t whole = 0;
    for (Block& b : blocks) whole += b.size;
    clear(0);
    try {
      add(whole);
    } catch (const std::bad_alloc&) {  // then the next call makes its own
    }
  }
};

thread_local Stack stack;

}  // namespace

Scratch::Scratch() : mark_block_(stack.block), mark_used_(stack.used) {}

Scratch::~Scratch() { stack.give_back(mark_block_, mark_used_); }

void* Scratch::bytes(size_t count) { return stack.take(count); }

}  // namespace vivace
