#include "runtime/pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <exception>
#include <mutex>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

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

// What is left of a thread's share is generation (24 bits), first item (20) and end (20) in one word: whoever takes an
// item from it may read the body afterwards, since a generation ends only when all its items are done.
constexpr uint64_t share_of(uint64_t generation, uint64_t first, uint64_t end) { return generation << 40 | first << 20 | end; }
constexpr uint64_t generation_of(uint64_t share) { return share >> 40; }
constexpr uint64_t first_of(uint64_t share) { return share >> 20 & 0xFFFFF; }
constexpr uint64_t end_of(uint64_t share) { return share & 0xFFFFF; }

// In a cache line of its own: threads that take items do not disturb each other before there is nothing else to take.
struct alignas(64) Share {
  std::atomic<uint64_t> left{0};

  // The first item, for the owner, or the last, for others; -1 when nothing is left of this generation.
  int64_t take(uint64_t generation, bool last) {
    uint64_t share = left.load(std::memory_order_acquire);
    while (generation_of(share) == generation && first_of(share) < end_of(share)) {
      uint64_t rest = last ? share - 1 : share + (1 << 20);
      if (left.compare_exchange_weak(share, rest, std::memory_order_acq_rel))
        return static_cast<int64_t>(last ? end_of(rest) : first_of(share));
    }
    return -1;
  }
};

int default_threads() {
  if (const char* wish = std::getenv("VIVACE_THREADS")) {
    long count = std::strtol(wish, nullptr, 10);  // 0 for what is no number
    if (count > 0) return static_cast<int>(std::min<long>(count, kMost));
  }
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) == 0) return std::clamp(CPU_COUNT(&set), 1, kMost);
  return std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMost);
}

thread_local bool inside = false;  // an item that itself calls parallel() must not wait for the pool

// Starts a thread that no signal interrupts: Python's handlers belong on the main thread.
template <class Body>
std::thread start(int index, Body body) {
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  struct Restore {
    sigset_t& mask;
    ~Restore() { pthread_sigmask(SIG_SETMASK, &mask, nullptr); }
  } restore{before};
  std::thread thread(body);
  pthread_setname_np(thread.native_handle(), ("vivace-" + std::to_string(index)).c_str());
  return thread;
}

class Pool {
 public:
  explicit Pool(int count) { start_threads(count); }

  int size() const { return size_.load(std::memory_order_relaxed); }

  void resize(int count) {
    std::lock_guard<std::mutex> whole(running_);
    count = std::clamp(count, 1, kMost);
    stop_threads(count);
    start_threads(count);
  }

  void run(int64_t count, void (*body)(void*, int64_t), void* context) {
    if (count <= 0) return;
    if (count == 1 || inside || size() == 1 || !running_.try_lock()) {
      for (int64_t i = 0; i < count; i++) body(context, i);
      return;
    }
    std::lock_guard<std::mutex> whole(running_, std::adopt_lock);
    inside = true;
    body_ = body;
    context_ = context;
    for (offset_ = 0; offset_ < count; offset_ += kMostItems) generation(std::min(kMostItems, count - offset_));
    inside = false;
    if (failed_.load()) {
      failed_.store(false);
      std::rethrow_exception(std::exchange(error_, nullptr));
    }
  }

 private:
  void generation(int64_t total) {
    done_.store(0, std::memory_order_relaxed);
    const uint64_t number = (number_.load(std::memory_order_relaxed) + 1) & 0xFFFFFF;
    const int parts = size();
    for (int i = 0; i < parts; i++)
      shares_[i].left.store(share_of(number, total * i / parts, total * (i + 1) / parts), std::memory_order_release);
    number_.store(number);
    if (sleepers_.load() > 0) wake_all();
    work(number, 0);
    for (int tries = 0; done_.load(std::memory_order_acquire) < total; tries++) {
      if (tries < 4096) pause();
      else sched_yield();  // the thread that has the last item was taken off its processor
    }
  }

  // A thread's own share in order, as memory likes it; then what others have not come to, from its end.
  void work(uint64_t number, int index) {
    const int parts = size();
    for (int step = 0; step < parts; step++)
      for (int64_t i; (i = shares_[(index + step) % parts].take(number, step > 0)) >= 0;) {
        item(offset_ + i);
        done_.fetch_add(1, std::memory_order_acq_rel);
      }
  }

  // The first exception is kept for the caller; items that have not begun are then skipped.
  void item(int64_t i) {
    if (failed_.load(std::memory_order_relaxed)) return;
    try {
      body_(context_, i);
    } catch (...) {
      std::lock_guard<std::mutex> lock(sleep_);
      if (!failed_.exchange(true)) error_ = std::current_exception();
    }
  }

  void loop(int index) {
    inside = true;
    for (uint64_t seen = 0; await(seen, index);) {
      seen = number_.load(std::memory_order_acquire);
      work(seen, index);
    }
  }

  // Waits for another generation than `seen`; false when the thread is no longer needed.
  bool await(uint64_t seen, int index) {
    auto news = [&] { return number_.load() != seen || index >= size(); };
    auto until = std::chrono::steady_clock::now() + kSpin;
    do {
      for (int i = 0; i < 64; i++) {
        if (news()) return index < size();
        pause();
      }
    } while (std::chrono::steady_clock::now() < until);
    std::unique_lock<std::mutex> lock(sleep_);
    sleepers_.fetch_add(1);
    wake_.wait(lock, news);
    sleepers_.fetch_sub(1);
    return index < size();
  }

  void wake_all() {
    std::lock_guard<std::mutex> lock(sleep_);
    wake_.notify_all();
  }

  void start_threads(int count) {
    size_.store(count);
    try {
      for (int index = static_cast<int>(threads_.size()) + 1; index < count; index++)
        threads_.push_back(start(index, [this, index] { loop(index); }));
    } catch (const std::system_error&) {  // the system grants no more threads: fewer take part
      size_.store(static_cast<int>(threads_.size()) + 1);
    }
  }

  void stop_threads(int count) {
    if (count >= size()) return;
    size_.store(count);
    wake_all();
    for (; static_cast<int>(threads_.size()) >= count; threads_.pop_back()) threads_.back().join();
  }

  std::mutex running_, sleep_;
  std::condition_variable wake_;
  Share shares_[kMost];
  alignas(64) std::atomic<uint64_t> number_{0};  // of the generation
  alignas(64) std::atomic<int64_t> done_{0};
  alignas(64) std::atomic<int> sleepers_{0};
  std::atomic<int> size_{1};
  std::vector<std::thread> threads_;  // the caller is one more
  alignas(64) void (*body_)(void*, int64_t) = nullptr;  // apart from what threads look at while they wait
  void* context_ = nullptr;
  int64_t offset_ = 0;
  std::atomic<bool> failed_{false};
  std::exception_ptr error_;
};

// Never destroyed: its threads may outlive static destructors. A child of fork() has none of them, and maybe locks that
// nobody will open again; there the caller does all work, until somebody sets the threads.
std::atomic<Pool*>& instance() {
  static std::atomic<Pool*> pool = [] {
    pthread_atfork(nullptr, nullptr, [] { instance().store(new Pool(1)); });
    return new Pool(default_threads());
  }();
  return pool;
}

Pool& pool() { return *instance().load(std::memory_order_acquire); }

}  // namespace

void parallel(int64_t count, void (*body)(void*, int64_t), void* context) { pool().run(count, body, context); }
int threads() { return pool().size(); }
void set_threads(int count) { pool().resize(count); }

}  // namespace vivace
