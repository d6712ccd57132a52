// The threads that all kernels share.
#pragma once
#include <cstdint>

namespace vivace {

// Runs body(context, i) for i in [0, count), on the calling thread and the pool's; returns when all are done.
//
// Each thread begins with a share of its own, in order, so that what lies together is read by one; whoever is done takes
// items from the end of the others' shares, so that a thread that the system takes away delays one item and no share. Make
// an item worth at least a microsecond, and have several per thread. Called while another thread has the pool (two
// MLX streams), or from inside an item, the caller does all items itself; so it does in a child of fork().
//
// Throws what an item throws (the first, where several do), once no item runs; those that had not begun are left out.
void parallel(int64_t count, void (*body)(void*, int64_t), void* context);

// Threads that take part, the caller included.
int threads();

// Sets them, 1 to 256, or as many as the system grants; waits until no work is under way. Without a call: VIVACE_THREADS
// if it is a number above 0, else the processors that this process may run on.
void set_threads(int count);

}  // namespace vivace
