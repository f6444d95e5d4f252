// The memory behind tensors: owned by the pool, borrowed from another library, or an alias.
#pragma once

#include <functional>

#include "core/object.h"

namespace bx {

class Storage final : public Object {
 public:
  /// Owned, uninitialised.
  explicit Storage(int64_t bytes)
      : data_(memory::take(static_cast<size_t>(bytes))), bytes_(bytes) {}

  /// Borrowed: `owner_gone` runs once when the last tensor is freed.
  Storage(void* data, int64_t bytes, std::function<void()> owner_gone)
      : data_(data), bytes_(bytes), owner_gone_(std::move(owner_gone)), borrowed_(true) {}

  /// The same memory with a version counter of its own: what `.data` hands out.
  explicit Storage(const Ref<Storage>& original)
      : data_(original->data_),
        bytes_(original->bytes_),
        borrowed_(true),
        root_(original->root()) {}

  ~Storage() override {
    if (!borrowed_) memory::give(data_, static_cast<size_t>(bytes_));
    if (owner_gone_) owner_gone_();
  }

  void* data() const { return data_; }
  int64_t bytes() const { return bytes_; }
  /// Its memory is not the pool's: another library's, or an alias of a root's.
  bool is_borrowed() const { return borrowed_; }

  /// Two storages share memory exactly when their roots are the same.
  Ref<Storage> root() const { return root_ ? root_ : Ref<Storage>(const_cast<Storage*>(this)); }

  const Storage* root_address() const { return root_ ? root_.get() : this; }

  /// Counts in-place writes, so that a saved tensor can tell that it is stale.
  uint32_t version() const { return version_; }
  void bump_version() { ++version_; }

 private:
  void* data_;
  int64_t bytes_;
  uint32_t version_ = 0;
  std::function<void()> owner_gone_;
  bool borrowed_ = false;
  Ref<Storage> root_;
};

}  // namespace bx
