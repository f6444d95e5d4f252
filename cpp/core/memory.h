// Pooled memory: small objects from per-thread lists, tensor data from cached aligned blocks.
#pragma once

#include <cstddef>
#include <cstdint>

#include "core/thread_local.h"

namespace bx::memory {

inline constexpr size_t kAlignment = 64;

/// Memory for an object of `bytes`; give it back with the same size.
void* take_small(size_t bytes);
void give_small(void* p, size_t bytes) noexcept;

/// A 64-byte aligned block for tensor data; throws Error(Runtime) naming the size on failure.
void* take(size_t bytes);
void give(void* p, size_t bytes) noexcept;

/// While it is set, large blocks take memory only where they are touched: of who computes no
/// values.
inline thread_local bool pretends BX_FAST_TLS = false;

/// Bytes held by tensors now, the highest such count, and bytes cached for reuse.
struct Stats {
  int64_t in_use, peak, cached;
};
Stats stats();
void reset_peak();

/// Returns every cached block of this thread and of the shared cache to the system.
void empty_cache();

}  // namespace bx::memory
