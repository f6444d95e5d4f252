// Working memory of kernels: one block per thread and use, kept from call to call.
#pragma once

#include <cstdint>
#include <new>

namespace bx::kernels {

/// Uses that may be alive at once in one thread.
enum class ScratchUse { Panels, Strip, Product, Windows, Leaves, Count };

namespace detail {

struct ScratchBlocks {
  static constexpr std::align_val_t kAlign{64};
  void* data[static_cast<int>(ScratchUse::Count)] = {};
  int64_t bytes[static_cast<int>(ScratchUse::Count)] = {};
  ~ScratchBlocks() {
    for (void* block : data) ::operator delete(block, kAlign);
  }
  void* take(ScratchUse use, int64_t size) {
    void*& block = data[static_cast<int>(use)];
    int64_t& room = bytes[static_cast<int>(use)];
    if (size > room) {
      ::operator delete(block, kAlign);
      block = nullptr;
      room = 0;
      block = ::operator new(static_cast<size_t>(size), kAlign);
      room = size;
    }
    return block;
  }
};

inline thread_local ScratchBlocks scratch_blocks;

}  // namespace detail

/// Room for n elements, until the thread asks again for the same use.
template <class T>
T* scratch(ScratchUse use, int64_t n) {
  return static_cast<T*>(detail::scratch_blocks.take(use, n * static_cast<int64_t>(sizeof(T))));
}

}  // namespace bx::kernels
