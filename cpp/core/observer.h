// What a recording listens to below the ops: memory taken and given back, values read by the host.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "core/thread_local.h"

namespace bx {

class TensorImpl;

class Observer {
 public:
  virtual ~Observer() = default;
  /// A block for tensor data was taken.
  virtual void taken(void* block, size_t bytes) = 0;
  /// A block is about to be given back.
  virtual void given(void* block) noexcept = 0;
  /// Elements at `data` are about to be read outside of kernels. May throw.
  virtual void reading(const void* data) = 0;
  /// `.grad` of a leaf is about to change; `adds`: what it holds is added to.
  virtual void grad_changes(TensorImpl& leaf, bool adds) = 0;
};

/// This thread's observer, or null.
inline thread_local Observer* observer BX_FAST_TLS = nullptr;

/// The number of the latest recording while one runs in any thread, and of this thread's, observed
/// or not; else 0.
inline std::atomic<uint32_t> latest_recording{0};
inline thread_local uint32_t own_recording BX_FAST_TLS = 0;

/// Of memory made now: the recording that another thread has going, whose replays will not make it.
inline uint32_t made_beside() {
  const uint32_t recording = latest_recording.load(std::memory_order_relaxed);
  return recording && !own_recording ? recording : 0;
}

/// While it lives, what the host reads is not told: for checks, which can only fail.
class Unobserved {
 public:
  Unobserved() : observer_(std::exchange(observer, nullptr)) {}
  ~Unobserved() { observer = observer_; }
  Unobserved(const Unobserved&) = delete;
  Unobserved& operator=(const Unobserved&) = delete;

 private:
  Observer* observer_;
};

/// Called before a leaf's `.grad` changes.
inline void note_grad(TensorImpl& leaf, bool adds) {
  if (observer) [[unlikely]]
    observer->grad_changes(leaf, adds);
}

}  // namespace bx
