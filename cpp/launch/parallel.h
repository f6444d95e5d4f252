// The pool of threads behind large kernels.
#pragma once

#include <cstdint>

namespace bx {

/// Threads that kernels may use, this one included. At the start: OMP_NUM_THREADS where it is set,
/// else the processors that the scheduler and the cgroup grant.
int num_threads();
void set_num_threads(int n);

/// Threads that a loop begun by this thread would have: one inside of another loop.
int free_threads();

/// Elements of a simple kernel that are worth a second thread.
inline constexpr int64_t kThreadGrain = 1 << 15;

/// Runs body(context, begin, end) over [0, n) in contiguous pieces of at least `grain`; returns
/// when all are done. Nested calls and small n run in place. Safe after fork.
void parallel_for(int64_t n, int64_t grain, void (*body)(void*, int64_t, int64_t), void* context);

}  // namespace bx
