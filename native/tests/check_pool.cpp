#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <new>
#include <stdexcept>
#include <thread>

#include "check.h"
#include "runtime/pool.h"
#include "runtime/scratch.h"

namespace vivace {
namespace {

template <class Body>
void each(int64_t count, Body body) {
  parallel(count, [](void* context, int64_t i) { (*static_cast<Body*>(context))(i); }, &body);
}

// Every item once, whoever does it.
void check_items(int64_t count) {
  std::vector<std::atomic<uint8_t>> times(count);
  each(count, [&](int64_t i) { times[i]++; });
  bool once = true;
  for (auto& time : times) once = once && time == 1;
  expect(once, "parallel(" + std::to_string(count) + ") did not do each item once");
}

void check_callers_at_once() {
  std::vector<std::thread> callers;
  for (int c = 0; c < 4; c++)
    callers.emplace_back([c] {
      for (int round = 0; round < 300; round++) {
        Scratch scratch;
        int64_t count = 1 + (round * 7 + c) % 40;
        auto* sums = scratch.take<int64_t>(count);
        each(count, [&](int64_t i) {
          Scratch inner;
          auto* own = inner.take<int64_t>(100 + i);
          own[99 + i] = i * i;
          sums[i] = own[99 + i];
        });
        for (int64_t i = 0; i < count; i++) expect(sums[i] == i * i, "a caller among several got wrong sums");
      }
    });
  for (int round = 0; round < 30; round++) set_threads(1 + round % 5);
  for (std::thread& caller : callers) caller.join();
}

void check_nesting() {
  std::atomic<int64_t> total{0};
  each(20, [&](int64_t) { each(10, [&](int64_t i) { total += i; }); });
  expect(total == 20 * 45, "nested items were lost");
}

void check_exceptions() {
  for (int64_t thrower : {0, 7, 99}) {
    std::string caught;
    try {
      each(100, [&](int64_t i) {
        if (i >= thrower) throw std::runtime_error("item");
      });
    } catch (const std::runtime_error& error) {
      caught = error.what();
    }
    expect(caught == "item", "an item's exception was lost");
  }
  check_items(50);
}

// A child of fork() has the caller's thread only.
void check_fork() {
  check_items(50);
  pid_t child = fork();
  if (child == 0) {
    alarm(20);
    bool alone = threads() == 1;
    check_items(50);
    _exit(alone && failures() == 0 ? 0 : 1);
  }
  int status = 0;
  waitpid(child, &status, 0);
  expect(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the pool does not work in a child of fork()");
}

void check_scratch() {
  Scratch outer;
  auto* first = outer.take<char>(100);
  first[0] = first[99] = 1;
  {
    Scratch inner;
    auto* large = inner.take<char>(3 << 20);
    large[(3 << 20) - 1] = 1;
    expect(reinterpret_cast<uintptr_t>(large) % 64 == 0, "scratch memory is not aligned");
  }
  expect(first[0] == 1 && first[99] == 1, "scratch memory of an outer scope changed");
}

}  // namespace

void check_pool() {
  for (int count : {1, 2, 5, 3, 1, 4}) {
    set_threads(count);
    expect(threads() == count, "set_threads(" + std::to_string(count) + ") was not heard");
    for (int64_t items : {0, 1, 2, 3, 17, 1000}) check_items(items);
    check_nesting();
    check_exceptions();
  }
  check_items((int64_t{1} << 20) + 5);  // more than one generation can have
  check_callers_at_once();
  check_scratch();
  set_threads(3);
  check_fork();
}

}  // namespace vivace
