// A vector whose first N elements live inside it; more go to the heap.
#pragma once

#include <memory>
#include <utility>

namespace bx {

template <class T, int N>
class InlineVector {
 public:
  InlineVector() = default;
  InlineVector(const InlineVector&) = delete;
  InlineVector& operator=(const InlineVector&) = delete;
  ~InlineVector() { clear(); }

  void push_back(T value) {
    if (size_ == capacity_) grow();
    new (data_ + size_) T(std::move(value));
    ++size_;
  }
  void clear() {
    for (int i = 0; i < size_; ++i) data_[i].~T();
    size_ = 0;
    if (data_ != inline_data()) {
      ::operator delete(data_);
      data_ = inline_data();
      capacity_ = N;
    }
  }

  int size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](int i) { return data_[i]; }
  const T& operator[](int i) const { return data_[i]; }
  T* begin() { return data_; }
  T* end() { return data_ + size_; }
  const T* begin() const { return data_; }
  const T* end() const { return data_ + size_; }

 private:
  T* inline_data() { return reinterpret_cast<T*>(buffer_); }
  void grow() {
    T* larger = static_cast<T*>(::operator new(sizeof(T) * static_cast<size_t>(capacity_) * 2));
    for (int i = 0; i < size_; ++i) {
      new (larger + i) T(std::move(data_[i]));
      data_[i].~T();
    }
    if (data_ != inline_data()) ::operator delete(data_);
    data_ = larger;
    capacity_ *= 2;
  }

  int size_ = 0;
  int capacity_ = N;
  alignas(T) char buffer_[sizeof(T) * N];
  T* data_ = inline_data();
};

}  // namespace bx
