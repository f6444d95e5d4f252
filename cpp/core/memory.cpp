#include "core/memory.h"

#include <pthread.h>

#include <algorithm>
#include <atomic>
#include <bit>
#include <cstdlib>
#include <cstring>
#include <mutex>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include "core/error.h"
#include "core/observer.h"
#include "core/thread_local.h"

#if defined(__SANITIZE_ADDRESS__)
#define BX_POOLS_OFF 1  // the sanitizer must see every allocation
#else
#define BX_POOLS_OFF 0
#endif

namespace bx::memory {

namespace {

constexpr size_t kSmallStep = 64;
constexpr size_t kSmallLimit = 4096;
constexpr int kSmallLists = kSmallLimit / kSmallStep;
constexpr size_t kKeepBytesPerList = size_t{1} << 20;
constexpr size_t kHugePage = size_t{2} << 20;
constexpr int64_t kAlwaysCached = int64_t{64} << 20;

struct FreeBlock {
  FreeBlock* next;
};

struct SmallPool {
  FreeBlock* lists[kSmallLists] = {};
  size_t counts[kSmallLists] = {};
  ~SmallPool() { clear(); }
  void clear() {
    for (int i = 0; i < kSmallLists; ++i) {
      while (FreeBlock* block = lists[i]) {
        lists[i] = block->next;
        std::free(block);
      }
      counts[i] = 0;
    }
  }
};

std::atomic<int64_t> in_use{0}, peak{0}, cached{0};

void count_use(int64_t bytes, int64_t most) {
  const int64_t before = in_use.fetch_add(bytes, std::memory_order_relaxed);
  const int64_t now = before + most;
  int64_t seen = peak.load(std::memory_order_relaxed);
  while (now > seen && !peak.compare_exchange_weak(seen, now, std::memory_order_relaxed)) {
  }
}

/// Bytes that this thread has taken and given, in small blocks, since they were counted last: to
/// count each with the other threads would take longer than to take it.
struct Uncounted {
  int64_t bytes = 0, most = 0;
  void add(int64_t more) {
    constexpr int64_t kEnough = 64 << 10;
    bytes += more;
    most = std::max(most, bytes);
    if (bytes > kEnough || bytes < -kEnough) count();
  }
  void count() {
    count_use(bytes, most);
    bytes = most = 0;
  }
};
thread_local constinit Uncounted uncounted BX_FAST_TLS;

/// This thread's lists; null before the first use and after the thread's end, when frees go to the
/// system.
thread_local SmallPool* small_pool BX_FAST_TLS = nullptr;
thread_local bool small_pool_gone BX_FAST_TLS = false;

struct SmallPoolOwner {
  SmallPool pool;
  SmallPoolOwner() { small_pool = &pool; }
  ~SmallPoolOwner() {
    uncounted.count();
    small_pool = nullptr;
    small_pool_gone = true;
  }
};

SmallPool* start_small_pool() {
  if (BX_POOLS_OFF || small_pool_gone) return nullptr;
  static thread_local SmallPoolOwner owner;
  return small_pool;
}

/// While `pretends`, blocks from the first size on are addresses that take no memory until they are
/// touched, and those up to the second are zeros, which the host may read.
constexpr size_t kPretended = size_t{1} << 28, kZeros = size_t{1} << 20;
constexpr size_t kMostPretended = size_t{1} << 40;  // more than can be touched

/// Counts what is taken, or given (less than 0).
void count(int64_t bytes) {
  if (small_pool && std::abs(bytes) <= static_cast<int64_t>(kSmallLimit))
    return uncounted.add(bytes);
  uncounted.count();
  count_use(bytes, std::max<int64_t>(bytes, 0));
}

/// Blocks of one size, and when one was last wanted or given back.
struct SizeClass {
  std::vector<void*> blocks;
  uint64_t used = 0;
};

struct LargeCache {
  std::mutex mutex;
  std::unordered_map<size_t, SizeClass> classes;
  std::unordered_set<void*> pretended;
  uint64_t now = 0;

  void* take(size_t size) {
    const auto found = classes.find(size);
    if (found == classes.end()) return nullptr;
    found->second.used = ++now;
    return pop(*found);
  }
  void give(void* p, size_t size) {
    SizeClass& c = classes[size];
    c.used = ++now;
    c.blocks.push_back(p);
    cached.fetch_add(static_cast<int64_t>(size), std::memory_order_relaxed);
  }
  /// Frees what has been of no use for longest, so that `size` more are at most `limit`.
  void make_room(size_t size, int64_t limit) {
    while (cached.load(std::memory_order_relaxed) + static_cast<int64_t>(size) > limit) {
      std::pair<const size_t, SizeClass>* oldest = nullptr;
      for (auto& c : classes)
        if (!c.second.blocks.empty() && (!oldest || c.second.used < oldest->second.used))
          oldest = &c;
      if (!oldest) return;
      std::free(pop(*oldest));
    }
  }

 private:
  static void* pop(std::pair<const size_t, SizeClass>& c) {
    if (c.second.blocks.empty()) return nullptr;
    void* p = c.second.blocks.back();
    c.second.blocks.pop_back();
    cached.fetch_sub(static_cast<int64_t>(c.first), std::memory_order_relaxed);
    return p;
  }
};
LargeCache& large_cache() {
  static auto* cache = new LargeCache;  // never destroyed: tensors may outlive static objects
  return *cache;
}
/// The child of a fork finds it whole and open, whatever other threads were doing.
[[maybe_unused]] const int cache_at_fork =
    pthread_atfork([] { large_cache().mutex.lock(); }, [] { large_cache().mutex.unlock(); },
                   [] { large_cache().mutex.unlock(); });

/// Rounds up to one of eight sizes per power of two, so that blocks are found again.
size_t size_class(size_t bytes) {
  const size_t step = std::max(kSmallLimit, std::bit_floor(bytes) / 8);
  return (bytes + step - 1) / step * step;
}

void* system_alloc(size_t bytes) {
  const size_t alignment = bytes >= kHugePage ? kHugePage : kAlignment;
  void* p = nullptr;
  if (posix_memalign(&p, alignment, bytes) != 0) return nullptr;
#if defined(__linux__)
  if (bytes >= kHugePage) madvise(p, bytes, MADV_HUGEPAGE);
#endif
  return p;
}

}  // namespace

namespace {

#if defined(__linux__)
void* pretend(size_t bytes) {
  void* p = mmap(nullptr, std::min(bytes, kMostPretended), PROT_READ | PROT_WRITE,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED)
    fail_runtime("memory", "no address for ", bytes, " bytes; use smaller tensors");
  LargeCache& cache = large_cache();
  std::lock_guard lock(cache.mutex);
  cache.pretended.insert(p);
  return p;
}

/// Gives an address back that pretend() gave out.
bool was_pretended(void* p, size_t bytes) {
  LargeCache& cache = large_cache();
  std::lock_guard lock(cache.mutex);
  return cache.pretended.erase(p) && munmap(p, std::min(bytes, kMostPretended)) == 0;
}
#else
void* pretend(size_t bytes) {
  if (void* p = system_alloc(bytes)) return p;
  fail_runtime("memory", "no address for ", bytes, " bytes; use smaller tensors");
}
bool was_pretended(void*, size_t) { return false; }
#endif

}  // namespace

void* take_small(size_t bytes) {
  const size_t list = (bytes + kSmallStep - 1) / kSmallStep - (bytes > 0);
  if (list < kSmallLists) {
    SmallPool* pool = small_pool ? small_pool : start_small_pool();
    if (pool && pool->lists[list]) {
      FreeBlock* block = pool->lists[list];
      pool->lists[list] = block->next;
      --pool->counts[list];
      return block;
    }
  }
  const size_t rounded = list < kSmallLists ? (list + 1) * kSmallStep : bytes;
  void* p = nullptr;
  if (posix_memalign(&p, kAlignment, rounded) != 0)
    fail_runtime("memory", "cannot allocate ", bytes, " bytes; free some tensors");
  return p;
}

void give_small(void* p, size_t bytes) noexcept {
  if (!p) return;
  const size_t list = (bytes + kSmallStep - 1) / kSmallStep - (bytes > 0);
  if (list < kSmallLists) {
    SmallPool* pool = small_pool ? small_pool : start_small_pool();
    if (pool && pool->counts[list] * (list + 1) * kSmallStep < kKeepBytesPerList) {
      auto* block = static_cast<FreeBlock*>(p);
      block->next = pool->lists[list];
      pool->lists[list] = block;
      ++pool->counts[list];
      return;
    }
  }
  std::free(p);
}

void* take(size_t bytes) {
  void* p = nullptr;
  if (bytes <= kSmallLimit) {
    p = take_small(bytes);
  } else if (pretends && bytes >= kPretended) {
    return pretend(bytes);
  } else {
    const size_t size = size_class(bytes);
    if (!BX_POOLS_OFF) {
      LargeCache& cache = large_cache();
      std::lock_guard lock(cache.mutex);
      p = cache.take(size);
    }
    if (!p) p = system_alloc(size);
    if (!p && cached.load() > 0) {
      empty_cache();
      p = system_alloc(size);
    }
    if (!p)
      fail_runtime("memory", "cannot allocate ", bytes, " bytes (", stats().in_use,
                   " in use); use smaller tensors or batches");
  }
  if (pretends) [[unlikely]]
    std::memset(p, 0, std::min(bytes, kZeros));
  count(static_cast<int64_t>(bytes));
  if (observer) observer->taken(p, bytes);
  return p;
}

void give(void* p, size_t bytes) noexcept {
  if (!p || (bytes >= kPretended && was_pretended(p, bytes))) return;
  if (observer) observer->given(p);
  count(-static_cast<int64_t>(bytes));
  if (bytes <= kSmallLimit) return give_small(p, bytes);
  const size_t size = size_class(bytes);
  // What is cached never exceeds what the program itself needed at its peak.
  const int64_t limit = std::max(kAlwaysCached, peak.load(std::memory_order_relaxed)) -
                        in_use.load(std::memory_order_relaxed);
  if (!BX_POOLS_OFF && static_cast<int64_t>(size) <= limit) {
    LargeCache& cache = large_cache();
    std::lock_guard lock(cache.mutex);
    cache.make_room(size, limit);
    return cache.give(p, size);
  }
  std::free(p);
}

Stats stats() {
  uncounted.count();
  return {in_use.load(), peak.load(), cached.load()};
}

void reset_peak() {
  uncounted.count();
  peak.store(in_use.load());
}

void empty_cache() {
  if (small_pool) small_pool->clear();
  LargeCache& cache = large_cache();
  std::lock_guard lock(cache.mutex);
  cache.make_room(0, 0);
  cache.classes.clear();
}

}  // namespace bx::memory
