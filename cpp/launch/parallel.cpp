#include "launch/parallel.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#if defined(__linux__)
#include <sched.h>
#endif

// Eigen's pool, and nothing else of Eigen.
#include <unsupported/Eigen/CXX11/ThreadPool>

#include "core/error.h"

namespace bx {

namespace {

/// The processors that this process may use: affinity, then the cgroup's quota.
int granted_processors() {
  int n = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
#if defined(__linux__)
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0) n = std::max(1, CPU_COUNT(&set));
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (file >> quota >> period && quota != "max" && period > 0)
    n = std::clamp(static_cast<int>(std::atof(quota.c_str()) / period + 0.5), 1, n);
#endif
  return n;
}

int initial_threads() {
  if (const char* text = std::getenv("OMP_NUM_THREADS"))
    if (const int n = std::atoi(text); n > 0) return n;
  return granted_processors();
}

std::atomic<int>& thread_count() {
  static std::atomic<int> count{initial_threads()};
  return count;
}

std::mutex pool_mutex;
Eigen::ThreadPool* pool = nullptr;
int pool_size = 0;
thread_local bool inside_task = false;

/// The child of a fork has no worker threads: it forgets the pool (and leaks it) and makes its own.
void forget_pool() {
  new (&pool_mutex) std::mutex;
  pool = nullptr;
  pool_size = 0;
}

/// The pool with `size` workers; made anew when the size changes. Call with pool_mutex held.
Eigen::ThreadPool& pool_of(int size) {
  static const int registered = pthread_atfork(nullptr, nullptr, &forget_pool);
  (void)registered;
  if (!pool || pool_size != size) {
    delete pool;
    pool = new Eigen::ThreadPool(size, /*allow_spinning=*/true);
    pool_size = size;
  }
  return *pool;
}

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

void set_num_threads(int n) {
  if (n < 1) fail_runtime("set_num_threads", "expected a positive number of threads, got ", n);
  thread_count().store(n);
}

void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  const int64_t pieces =
      std::min<int64_t>(num_threads(), (n + grain - 1) / std::max<int64_t>(1, grain));
  if (pieces <= 1 || inside_task) return body(context, 0, n);
  // One parallel region at a time; a second thread that comes meanwhile works alone.
  std::unique_lock lock(pool_mutex, std::try_to_lock);
  if (!lock) return body(context, 0, n);
  Eigen::ThreadPool& workers = pool_of(num_threads() - 1);
  Eigen::Barrier done(static_cast<unsigned>(pieces - 1));
  auto run = [&](int64_t piece) {
    inside_task = true;
    body(context, n * piece / pieces, n * (piece + 1) / pieces);
    inside_task = false;
  };
  for (int64_t piece = 1; piece < pieces; ++piece)
    workers.Schedule([&run, &done, piece] {
      run(piece);
      done.Notify();
    });
  run(0);
  done.Wait();
}

}  // namespace bx
