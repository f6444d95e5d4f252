// Intrusive reference counting, and a destructor that never recurses over a graph.
#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

#include "core/memory.h"

namespace bx {

/// Base of tensors, storages and graph nodes. Starts with no owner; Ref counts owners.
class Object {
 public:
  Object() = default;
  Object(const Object&) = delete;
  Object& operator=(const Object&) = delete;
  virtual ~Object() = default;

  static void* operator new(size_t bytes) { return memory::take_small(bytes); }
  static void operator delete(void* p, size_t bytes) { memory::give_small(p, bytes); }

  void retain() const { refs_.fetch_add(1, std::memory_order_relaxed); }
  void release() const {
    // The sole owner needs no locked instruction: nobody else can change the count.
    if (refs_.load(std::memory_order_acquire) == 1 ||
        refs_.fetch_sub(1, std::memory_order_acq_rel) == 1)
      const_cast<Object*>(this)->last_release();
  }
  /// retain() of an object that no other thread has seen yet.
  void retain_new() const {
    refs_.store(refs_.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
  }
  uint32_t ref_count() const { return refs_.load(std::memory_order_relaxed); }

 protected:
  /// Called when the last owner goes. Objects that own others use destroy_flat.
  virtual void last_release() { delete this; }

  /// Deletes now, or, when called from inside another deletion, queues: a chain of a million
  /// nodes is freed by a loop.
  static void destroy_flat(Object* object) noexcept;

 private:
  mutable std::atomic<uint32_t> refs_{0};
  Object* next_dead_ = nullptr;
};

/// Owning pointer to an Object.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* p) : p_(p) {
    if (p_) p_->retain();
  }
  Ref(const Ref& other) : Ref(other.p_) {}
  Ref(Ref&& other) noexcept : p_(std::exchange(other.p_, nullptr)) {}
  template <class U>
  Ref(const Ref<U>& other) : Ref(static_cast<T*>(other.get())) {}
  template <class U>
  Ref(Ref<U>&& other) noexcept : p_(other.detach()) {}
  ~Ref() {
    if (p_) p_->release();
  }
  Ref& operator=(Ref other) noexcept {
    std::swap(p_, other.p_);
    return *this;
  }

  T* get() const { return p_; }
  T* operator->() const { return p_; }
  T& operator*() const { return *p_; }
  explicit operator bool() const { return p_ != nullptr; }
  bool operator==(const Ref& other) const { return p_ == other.p_; }

  /// Gives up ownership without releasing.
  T* detach() { return std::exchange(p_, nullptr); }
  /// The first owner of a new object.
  static Ref of_new(T* p) {
    p->retain_new();
    Ref ref;
    ref.p_ = p;
    return ref;
  }

 private:
  T* p_ = nullptr;
};

template <class T, class... Args>
Ref<T> make(Args&&... args) {
  return Ref<T>::of_new(new T(std::forward<Args>(args)...));
}

}  // namespace bx
