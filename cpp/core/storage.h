// The memory behind tensors: owned by the pool, borrowed from another library, an alias, or shared
// until it is written.
#pragma once

#include <functional>

#include "core/object.h"
#include "core/observer.h"

namespace bx {

/// Whether this thread is in inference_mode: what it makes meanwhile stays outside of graphs.
inline thread_local bool inference BX_FAST_TLS = false;

class Storage final : public Object {
 public:
  /// Owned, uninitialised.
  explicit Storage(int64_t bytes)
      : data_(memory::take(static_cast<size_t>(bytes))), bytes_(bytes) {}

  /// Borrowed: `owner_gone` runs once when the last tensor is freed.
  Storage(void* data, int64_t bytes, std::function<void()> owner_gone)
      : data_(data), bytes_(bytes), borrowed_(true), owner_gone_(std::move(owner_gone)) {}

  /// The same memory with a version counter of its own, which may be written: what `.data` hands
  /// out.
  explicit Storage(const Ref<Storage>& original)
      : data_(original->fixed()),
        bytes_(original->bytes_),
        borrowed_(true),
        inference_(false),
        root_(original->root()) {}

  ~Storage() override {
    if (!borrowed_ && !block_) memory::give(data_, static_cast<size_t>(bytes_));
    if (owner_gone_) owner_gone_();
  }

  /// To read from; who writes calls own() first.
  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  /// Its memory is not the pool's: another library's, or an alias of a root's.
  bool is_borrowed() const { return borrowed_; }

  /// A copy of the bytes from `first` on that takes memory of its own when either side is written.
  /// Null where the address is known elsewhere, so that writes would not be seen.
  Ref<Storage> lazy_copy(int64_t first, int64_t bytes);
  /// Before a write: from here on, what the memory is shared with does not see it.
  void own() {
    if (block_) [[unlikely]]
      leave();
  }
  /// The address, for who keeps it: it never changes again, and the memory is never shared.
  void* fixed() {
    own();
    fixed_ = true;
    return data_;
  }

  /// Two storages share memory exactly when their roots are the same.
  Ref<Storage> root() const { return root_ ? root_ : Ref<Storage>(const_cast<Storage*>(this)); }

  const Storage* root_address() const { return root_ ? root_.get() : this; }

  /// A recording that was going on in another thread when this was made, or 0.
  uint32_t made_beside() const { return made_beside_; }

  /// Made in inference_mode.
  bool is_inference() const { return inference_; }

  /// Counts in-place writes, so that a saved tensor can tell that it is stale.
  uint32_t version() const { return version_; }
  void bump_version() { ++version_; }
  /// Filled as it was made: nobody has seen it before.
  void begin_versions() { version_ = 0; }

 private:
  Storage(void* data, int64_t bytes, Ref<Storage> block)
      : data_(data), bytes_(bytes), block_(std::move(block)) {}
  void leave();

  void* data_;
  int64_t bytes_;
  /// Owns the memory while lazy copies share it: none of them writes there, so that a kernel which
  /// reads one in another thread goes on undisturbed.
  Ref<Storage> block_;
  uint32_t version_ = 0;
  const uint32_t made_beside_ = bx::made_beside();
  bool borrowed_ = false;
  bool fixed_ = false;
  const bool inference_ = bx::inference;
  std::function<void()> owner_gone_;
  Ref<Storage> root_;
};

/// While kernels run beside other threads, memory that these leave is not given back.
class Reading {
 public:
  explicit Reading(bool others_run);
  ~Reading() {
    if (counts_) done();
  }
  Reading(const Reading&) = delete;
  Reading& operator=(const Reading&) = delete;

 private:
  static void done();
  bool counts_;
};

}  // namespace bx
