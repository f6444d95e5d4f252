#include "core/storage.h"

#include <pthread.h>

#include <atomic>
#include <cstring>
#include <vector>

#include "core/observer.h"

namespace bx {

namespace {

std::atomic<int> readers = 0;
/// The child of a fork has no other threads.
[[maybe_unused]] const int readers_at_fork = pthread_atfork(nullptr, nullptr, [] { readers = 0; });
/// Changed under the interpreter's lock, as who shares what.
std::vector<Ref<Storage>>& left_behind() {
  static auto* blocks = new std::vector<Ref<Storage>>;
  return *blocks;
}

}  // namespace

Ref<Storage> Storage::lazy_copy(int64_t first, int64_t bytes) {
  if (borrowed_ || fixed_) return nullptr;
  if (!block_) block_ = Ref<Storage>(new Storage(data_, bytes_, Ref<Storage>()));
  return Ref<Storage>(new Storage(static_cast<char*>(data_) + first, bytes, block_));
}

void Storage::leave() {
  const bool is_whole = data_ == block_->data_ && bytes_ == block_->bytes_;
  if (is_whole && block_->ref_count() == 1) {  // nobody shares it any more
    block_->borrowed_ = true;
    block_ = nullptr;
    return;
  }
  const Unobserved own_affair;
  void* own = memory::take(static_cast<size_t>(bytes_));
  std::memcpy(own, data_, static_cast<size_t>(bytes_));
  data_ = own;
  fixed_ = true;  // who writes between batches pays for it once
  if (readers) left_behind().push_back(std::move(block_));
  block_ = nullptr;
}

Reading::Reading(bool others_run) : counts_(others_run) {
  if (counts_) ++readers;
}
void Reading::done() {
  if (--readers == 0) left_behind().clear();
}

}  // namespace bx
