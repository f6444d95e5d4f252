// Working memory of kernels: one block per thread and use, kept from call to call.
#pragma once

#include <cstdint>
#include <new>

#include "core/thread_local.h"

namespace bx::kernels {

/// Uses that may be alive at once in one thread.
enum class ScratchUse { Panels, Strip, Product, Windows, Images, Leaves, Count };

namespace detail {

struct ScratchBlock {
  static constexpr std::align_val_t kAlign{64};
  void* data = nullptr;
  int64_t bytes = 0;

  void free() {
    ::operator delete(data, kAlign);
    *this = {};
  }
};

/// Without a destructor, so that nothing has to be asked before it is used.
inline constinit BX_FAST_TLS thread_local ScratchBlock
    scratch_blocks[static_cast<int>(ScratchUse::Count)];

[[gnu::noinline]] inline void grow(ScratchBlock& block, int64_t bytes) {
  static thread_local struct Freed {
    ~Freed() {
      for (ScratchBlock& b : scratch_blocks) b.free();
    }
  } at_exit;
  (void)&at_exit;
  block.free();
  block = {::operator new(static_cast<size_t>(bytes), ScratchBlock::kAlign), bytes};
}

}  // namespace detail

/// Room for n elements, until the thread asks again for the same use.
template <class T>
T* scratch(ScratchUse use, int64_t n) {
  detail::ScratchBlock& block = detail::scratch_blocks[static_cast<int>(use)];
  const int64_t bytes = n * static_cast<int64_t>(sizeof(T));
  if (bytes > block.bytes) detail::grow(block, bytes);
  return static_cast<T*>(block.data);
}

}  // namespace bx::kernels
