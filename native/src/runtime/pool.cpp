#include "runtime/pool.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <thread>

namespace vivace {
namespace {

constexpr int kMost = 256;
constexpr int64_t kMostItems = (1 << 20) - 1;
// Between two kernels of one forward lie some 10 µs; sleeping and waking costs more than that.
constexpr auto kSpin = std::chrono::microseconds(60);

inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A ticket is generation (24 bits), total (20) and next item (20) in one word: whoever advances `next` knows that the
// body it read belongs to that generation, since a generation ends only when all its items are done.
constexpr uint64_t ticket_of(uint64_t generation, uint64_t total) { return generation << 40 | total << 20; }
constexpr uint64_t generation_of(uint64_t ticket) { return ticket >> 40; }
constexpr uint64_t total_of(uint64_t ticket) { return ticket >> 20 & 0xFFFFF; }
constexpr uint64_t next_of(uint64_t ticket) { return ticket & 0xFFFFF; }

int default_threads() {
  if (const char* wish = std::getenv("VIVACE_THREADS")) {
    int count = std::atoi(wish);
    if (count > 0) return std::min(count, kMost);
  }
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::clamp(CPU_COUNT(&set), 1, kMost);
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMost);
}

thread_local bool inside = false;  // an item that itself calls parallel() must not wait for the pool

class Pool {
 public:
  Pool() { grow(default_threads()); }

  int size() const { return size_.load(std::memory_order_relaxed); }

  void resize(int count) {
    std::lock_guard<std::mutex> whole(running_);
    grow(std::clamp(count, 1, kMost));
  }

  void run(int64_t count, void (*body)(void*, int64_t), void* context) {
    if (count <= 0) return;
    if (count == 1 || inside || size() == 1 || !running_.try_lock()) {
      for (int64_t i = 0; i < count; i++) body(context, i);
      return;
    }
    std::lock_guard<std::mutex> whole(running_, std::adopt_lock);
    inside = true;
    for (int64_t begin = 0; begin < count; begin += kMostItems) {
      offset_ = begin;
      body_ = body;
      context_ = context;
      generation(std::min(kMostItems, count - begin));
    }
    inside = false;
  }

 private:
  void generation(int64_t total) {
    done_.store(0, std::memory_order_relaxed);
    uint64_t number = (generation_of(ticket_.load(std::memory_order_relaxed)) + 1) & 0xFFFFFF;
    ticket_.store(ticket_of(number, total));
    if (sleepers_.load() > 0) {
      std::lock_guard<std::mutex> lock(sleep_);
      wake_.notify_all();
    }
    work(number);
    for (int tries = 0; done_.load(std::memory_order_acquire) < total; tries++) {
      if (tries < 4096) pause();
      else sched_yield();  // the thread that has the last item was taken off its processor
    }
  }

  void work(uint64_t number) {
    uint64_t ticket = ticket_.load(std::memory_order_acquire);
    while (generation_of(ticket) == number && next_of(ticket) < total_of(ticket)) {
      if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
      body_(context_, offset_ + static_cast<int64_t>(next_of(ticket)));
      done_.fetch_add(1, std::memory_order_acq_rel);
      ticket = ticket_.load(std::memory_order_acquire);
    }
  }

  void loop(int index) {
    inside = true;
    uint64_t seen = 0;
    while (true) {
      await(seen, index);
      seen = generation_of(ticket_.load(std::memory_order_acquire));
      if (index < size()) work(seen);
    }
  }

  void await(uint64_t seen, int index) {
    auto news = [&] { return generation_of(ticket_.load()) != seen && index < size(); };
    auto until = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 64; i++) {
        if (news()) return;
        pause();
      }
    } while (std::chrono::steady_clock::now() < until);
    std::unique_lock<std::mutex> lock(sleep_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, news);
    sleepers_.fetch_sub(1);
  }

  void grow(int count) {
    size_.store(count);
    for (; started_ < count; started_++) std::thread([this, index = started_] { loop(index); }).detach();
  }

  std::mutex running_, sleep_;
  std::condition_variable wake_;
  std::atomic<uint64_t> ticket_{0};
  std::atomic<int64_t> done_{0};
  std::atomic<int> sleepers_{0}, size_{1};
  int started_ = 1;  // the caller is the first
  void (*body_)(void*, int64_t) = nullptr;
  void* context_ = nullptr;
  int64_t offset_ = 0;
};

// Never destroyed: its threads may outlive static destructors.
Pool& pool() {
  static Pool* instance = new Pool;
  return *instance;
}

}  // namespace

void parallel(int64_t count, void (*body)(void*, int64_t), void* context) { pool().run(count, body, context); }
int threads() { return pool().size(); }
void set_threads(int count) { pool().resize(count); }

}  // namespace vivace
