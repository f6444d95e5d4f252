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
[[maybe_unused]] const int pool_at_fork = pthread_atfork(nullptr, nullptr, &forget_pool);

/// The pool with `size` workers; made anew when the size changes. Call with pool_mutex held.
Eigen::ThreadPool& pool_of(int size) {
  if (!pool || pool_size != size) {
    delete pool;
    pool = new Eigen::ThreadPool(size, /*allow_spinning=*/true);
    pool_size = size;
  }
  return *pool;
}

/// A loop that several threads work off, piece by piece. Each begins with a share of its own, the
/// same from loop to loop so that it finds in its cache what it wrote before, and then helps the
/// others: who comes late finds less to do, or nothing, and nobody waits for a thread that has not
/// begun.
class Region {
 public:
  Region(int64_t n, int pieces, int threads, void (*body)(void*, int64_t, int64_t), void* context)
      : n_(n),
        pieces_(pieces),
        threads_(threads),
        body_(body),
        context_(context),
        shares_(new Share[static_cast<size_t>(threads)]),
        left_(pieces) {
    for (int k = 0; k < threads; ++k) shares_[k].next = pieces * k / threads;
  }
  void work(int thread) {
    inside_task = true;
    for (int k = 0; k < threads_; ++k) {
      const int owner = (thread + k) % threads_, end = pieces_ * (owner + 1) / threads_;
      std::atomic<int>& next = shares_[owner].next;
      for (int piece = next++; piece < end; piece = next++) {
        body_(context_, n_ * piece / pieces_, n_ * (piece + 1) / pieces_);
        if (--left_ == 0) left_.notify_all();
      }
    }
    inside_task = false;
  }
  void wait() {
    for (int spin = 0; spin < kSpins && left_ != 0; ++spin) pause();
    for (int left = left_; left != 0; left = left_) left_.wait(left);
  }

 private:
  static constexpr int kSpins = 2000;  // some 50 us: sleeping and waking takes as long
  static void pause() {
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
  }
  struct alignas(64) Share {
    std::atomic<int> next;
  };
  int64_t n_;
  int pieces_, threads_;
  void (*body_)(void*, int64_t, int64_t);
  void* context_;
  std::unique_ptr<Share[]> shares_;
  std::atomic<int> left_;
};

constexpr int kPiecesPerThread = 4;  // threads are seldom equally fast

}  // namespace

int num_threads() { return thread_count().load(std::memory_order_relaxed); }

int free_threads() { return inside_task ? 1 : num_threads(); }

void set_num_threads(int n) {
  if (n < 1) fail_runtime("set_num_threads", n, " threads; pass 1 or more");
  thread_count().store(n);
}

void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context) {
  const int threads = num_threads();
  const int64_t most = (n + grain - 1) / std::max<int64_t>(1, grain);
  if (threads <= 1 || most <= 1 || inside_task) return body(context, 0, n);
  // One parallel region at a time; a second thread that comes meanwhile works alone.
  std::unique_lock lock(pool_mutex, std::try_to_lock);
  if (!lock) return body(context, 0, n);
  Eigen::ThreadPool& workers = pool_of(threads - 1);
  const int pieces = static_cast<int>(std::min<int64_t>(most, kPiecesPerThread * threads));
  const int used = std::min(threads, pieces);
  const auto region = std::make_shared<Region>(n, pieces, used, body, context);
  for (int k = 1; k < used; ++k) workers.Schedule([region, k] { region->work(k); });
  region->work(0);
  region->wait();
}

}  // namespace bx
