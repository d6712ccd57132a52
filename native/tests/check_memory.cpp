#include <thread>

#include "check.h"
#include "runtime/memory.h"

namespace vivace {
namespace {

struct Piece {
  std::shared_ptr<void> memory;
  size_t bytes;
  uint8_t mark;

  Piece(size_t bytes, uint8_t mark) : memory(lasting_memory(bytes)), bytes(bytes), mark(mark) {
    expect(reinterpret_cast<uintptr_t>(memory.get()) % 64 == 0, "lasting memory is not aligned");
    std::memset(memory.get(), mark, bytes);
  }
  bool unchanged() const {
    auto* at = static_cast<const uint8_t*>(memory.get());
    return bytes == 0 || (at[0] == mark && at[bytes / 2] == mark && at[bytes - 1] == mark);
  }
};

// Some are let go of while others are taken: those that are kept must not change.
void take_and_leave(uint8_t mark) {
  std::vector<Piece> pieces;
  for (int round = 0; round < 60; round++) {
    size_t bytes = round % 20 == 19 ? (17 << 20) + 5 : round * 40009 % (3 << 20);
    pieces.emplace_back(bytes, static_cast<uint8_t>(mark + round));
    if (round % 3 == 2) pieces.erase(pieces.begin());
    if (round == 40) pieces.clear();
  }
  for (const Piece& piece : pieces) expect(piece.unchanged(), "lasting memory of two pieces overlaps");
}

}  // namespace

void check_memory() {
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; t++) threads.emplace_back([t] { take_and_leave(static_cast<uint8_t>(80 * t)); });
  for (std::thread& thread : threads) thread.join();
}

}  // namespace vivace
