#include "capture/recorder.h"

#include <algorithm>
#include <cstring>
#include <mutex>

namespace bx::capture {

namespace {

constexpr int64_t kMostFolded = 1 << 14;  // bytes

thread_local Recorder* current BX_FAST_TLS = nullptr;

std::mutex recordings_mutex;
uint32_t recordings_begun = 0;
int recordings_going = 0;

void begin_recording() {
  const std::lock_guard lock(recordings_mutex);
  if (++recordings_begun == 0) ++recordings_begun;
  ++recordings_going;
  latest_recording = own_recording = recordings_begun;
}
void end_recording() {
  const std::lock_guard lock(recordings_mutex);
  own_recording = 0;
  if (--recordings_going == 0) latest_recording = 0;
}

const char* start_of(const TensorImpl& t) {
  return static_cast<const char*>(t.storage->root()->data());
}

/// The bytes, from the start of its storage, in which a tensor lies.
std::pair<int64_t, int64_t> extent_of(const TensorImpl& t) {
  int64_t first = t.offset, last = t.offset;
  for (int d = 0; d < t.shape.size(); ++d) {
    if (t.shape[d] == 0) return {0, 0};
    (t.strides[d] < 0 ? first : last) += (t.shape[d] - 1) * t.strides[d];
  }
  return {first * size_of(t.dtype), (last + 1) * size_of(t.dtype)};
}

/// What the host made, or what was computed of that.
bool is_constant(const Buffer& buffer) {
  return !buffer.folded.empty() ||
         (!buffer.initial.empty() && !buffer.written && buffer.origin == Origin::Outside);
}

/// The same tensor on memory of its own, laid out alike.
Tensor apart(const TensorImpl& t) {
  const auto [first, last] = extent_of(t);
  auto memory = make<Storage>(last - first);
  const Reading reading(false);
  std::memcpy(memory->data(), start_of(t) + first, static_cast<size_t>(last - first));
  return Tensor(make<TensorImpl>(std::move(memory), t.offset - first / size_of(t.dtype), t.shape,
                                 t.strides, t.dtype));
}

}  // namespace

Recorder* active() { return current; }

void host_call(const char* name, const std::function<void()>& run) {
  if (current) current->host_call(name, run);
  else run();
}

Recorder::Recorder(Tensors arguments) : arguments_(std::move(arguments)) {
  if (current)
    fail_runtime("capture",
                 "a captured function called another one while it was recorded; capture "
                 "the outer one alone");
  part_arguments();
  for (size_t k = 0; k < arguments_.size(); ++k) {
    const TensorImpl& t = *arguments_[k].impl();
    const auto known = static_cast<size_t>(buffer_of(t));
    if (known + 1 < record_.buffers.size() || k != known)
      fail_runtime("capture",
                   "two arguments that need a gradient share their memory, the second of "
                   "shape ",
                   t.shape, "; pass a clone() of it");
    Buffer& buffer = record_.buffers[known];
    buffer.origin = Origin::Argument;
    buffer.argument_offset = t.offset * size_of(t.dtype);
    buffer.extent = extent_of(t);
    buffer.storage = nullptr;
    buffer.position = static_cast<int>(k);
  }
  begin_recording();
  current = this;
  observer = this;
  launch_listener = this;
  listening_ = true;
}

void Recorder::part_arguments() {
  std::unordered_map<const void*, int> users;
  for (const Tensor& t : arguments_) ++users[start_of(*t.impl())];
  for (size_t k = 0; k < arguments_.size(); ++k) {
    Tensor& t = arguments_[k];
    if (users[start_of(*t.impl())] == 1) continue;
    shared_.insert(static_cast<int>(k));
    if (!requires_grad(t)) t = apart(*t.impl());
  }
}

void Recorder::stop() {
  if (!listening_) return;
  listening_ = false;
  current = nullptr;
  observer = nullptr;
  launch_listener = nullptr;
  end_recording();
}

Recorder::~Recorder() { stop(); }

int Recorder::buffer_of(const TensorImpl& t) {
  t.storage->fixed();
  const char* start = start_of(t);
  const auto [found, is_new] =
      numbers_.try_emplace(start, static_cast<int>(record_.buffers.size()));
  if (!is_new) return found->second;
  if (own_recording && t.storage->root()->made_beside() >= own_recording)
    fail_runtime("capture", "the step uses a tensor of shape ", t.shape,
                 " that another thread made while it was recorded, and no replay would make again; "
                 "pass it as an argument");
  Buffer buffer;
  buffer.bytes = t.storage->root()->bytes();
  buffer.start = start;
  // Memory that was there before the recording is held; memory made during it shows at the end
  // whether anybody else holds it.
  if (!blocks_.count(start)) buffer.storage = t.storage->root();
  else storages_[found->second] = t.storage->root().get();
  record_.buffers.push_back(std::move(buffer));
  return found->second;
}

const Ref<const Geometry>& Recorder::geometry_of(const TensorImpl& t) {
  size_t hash = static_cast<size_t>(t.shape.size());
  for (int d = 0; d < t.shape.size(); ++d)
    hash = (hash * 31 + static_cast<size_t>(t.shape[d])) * 31 + static_cast<size_t>(t.strides[d]);
  const auto [begin, end] = geometries_.equal_range(hash);
  for (auto it = begin; it != end; ++it)
    if (it->second->shape == t.shape && it->second->strides == t.strides) return it->second;
  return geometries_.emplace(hash, make<Geometry>(t.shape, t.strides))->second;
}

void Recorder::touch(int number, bool written) {
  Buffer& buffer = record_.buffers[static_cast<size_t>(number)];
  const int now = static_cast<int>(record_.events.size());
  if (buffer.first < 0) buffer.first = now;
  buffer.last = now;
  buffer.written = buffer.written || written;
}

Operand Recorder::operand(const TensorImpl& t) {
  const int number = buffer_of(t);
  const Buffer& buffer = record_.buffers[static_cast<size_t>(number)];
  if (buffer.origin == Origin::Argument) {
    const auto [first, last] = extent_of(t);
    if (first < buffer.extent.first || last > buffer.extent.second)
      fail_runtime("capture", "the step uses memory beside its argument ", buffer.position,
                   ", of the tensor that the argument is a part of; pass a clone()");
  }
  // Whose memory may be another one at the next call.
  if (buffer.storage && !t.grad_fn && watched_.insert(&t).second)
    record_.outside.push_back(Tensor(Ref<TensorImpl>(const_cast<TensorImpl*>(&t))));
  return {number, t.dtype, t.offset * size_of(t.dtype), geometry_of(t)};
}

/// A replay calls the host again, on the tensors of the first call.
void Recorder::check_read_by_host(const char* op, const TensorImpl& t) {
  const char* start = start_of(t);
  const auto shares = [&](const Tensor& other) { return start_of(*other.impl()) == start; };
  const auto block = blocks_.find(start);
  bool stale = std::any_of(arguments_.begin(), arguments_.end(), shares);
  if (block != blocks_.end() && !block->second.by_host) stale = !grads_.count(start);
  if (stale)
    fail_runtime("capture", op,
                 " reads an argument, or a tensor that the step made, inside Python "
                 "code that every replay calls again; keep that code out of the captured function");
}

bool Recorder::host_touched(const TensorImpl& t) const {
  const char* start = start_of(t);
  const auto found = read_.lower_bound(start);
  return found != read_.end() && *found < start + t.storage->root()->bytes();
}

void Recorder::check_not_read_before(const TensorImpl& t) {
  // What the host made inside is a constant, and put back before every replay.
  if (host_touched(t) && !blocks_.count(start_of(t)))
    fail_runtime("capture",
                 "the step writes a tensor whose value was read before, and would be the same in "
                 "every replay; read it outside");
}

void Recorder::check_writable(const Buffer& buffer) const {
  if (buffer.origin == Origin::Argument && shared_.count(buffer.position))
    fail_runtime("capture", "the step writes its argument ", buffer.position,
                 ", which shares its memory with another one; pass a clone() of one of them");
}

void Recorder::launching(const char* op, const kernels::Kernel& kernel, const Operands& outputs,
                         const Operands& inputs, const Params& params, const Owner& owner) {
  if (host_runs_) {
    for (int k = 0; k < inputs.size(); ++k) check_read_by_host(op, inputs[k]);
    return;
  }
  if (params.object && !owner)
    fail_runtime("capture", op, " cannot be recorded; keep it out of the captured function");
  auto launch = std::make_unique<Launch>(op, kernel, params, owner);
  launch->in.reserve(static_cast<size_t>(inputs.size()));
  launch->out.reserve(static_cast<size_t>(outputs.size()));
  for (int k = 0; k < inputs.size(); ++k) {
    launch->in.push_back(operand(inputs[k]));
    Buffer& buffer = record_.buffers[static_cast<size_t>(launch->in.back().buffer)];
    // Made during the recording and read before any kernel wrote it: the host put something there.
    keep_initial(buffer, inputs[k]);
    touch(launch->in.back().buffer, false);
  }
  bool folds = !has_effects(*launch);
  for (const Operand& o : launch->in)
    folds = folds && is_constant(record_.buffers[static_cast<size_t>(o.buffer)]);
  for (int k = 0; k < outputs.size(); ++k) {
    check_not_read_before(outputs[k]);
    launch->out.push_back(operand(outputs[k]));
    Buffer& buffer = record_.buffers[static_cast<size_t>(launch->out.back().buffer)];
    check_writable(buffer);
    // It may write a part of what the host made.
    if (host_touched(outputs[k])) keep_initial(buffer, outputs[k]);
    const bool is_first = !buffer.written && !buffer.storage && buffer.initial.empty();
    buffer.folded.clear();
    if (folds && is_first && buffer.bytes <= kMostFolded)
      buffer.folded.resize(static_cast<size_t>(buffer.bytes));
    touch(launch->out.back().buffer, true);
  }
  record_.events.emplace_back(std::move(launch));
}

void Recorder::keep_initial(Buffer& buffer, const TensorImpl& t) {
  if (buffer.written || buffer.storage || !buffer.initial.empty() || buffer.bytes == 0 ||
      buffer.origin == Origin::Argument)
    return;
  buffer.initial.assign(start_of(t), start_of(t) + buffer.bytes);
}

void Recorder::taken(void* block, size_t bytes) {
  given(block);  // where another thread gave it back
  blocks_[block] = {bytes, host_runs_};
}

/// From here on the address means another buffer.
void Recorder::given(void* block) noexcept {
  const auto found = blocks_.find(block);
  if (found == blocks_.end()) return;
  const auto* start = static_cast<const char*>(block);
  read_.erase(read_.lower_bound(start), read_.lower_bound(start + found->second.bytes));
  blocks_.erase(found);
  const auto number = numbers_.find(start);
  if (number == numbers_.end()) return;
  Buffer& buffer = record_.buffers[static_cast<size_t>(number->second)];
  std::copy_n(start, buffer.folded.size(), buffer.folded.begin());
  buffer.origin = Origin::Internal;
  buffer.start = nullptr;
  storages_.erase(number->second);
  numbers_.erase(number);
}

void Recorder::reading(const void* data) {
  if (host_runs_) return;
  const auto* at = static_cast<const char*>(data);
  read_.insert(at);
  auto found = numbers_.upper_bound(at);
  if (found == numbers_.begin()) return;
  --found;
  const Buffer& buffer = record_.buffers[static_cast<size_t>(found->second)];
  if (at >= found->first + buffer.bytes || !(buffer.written || buffer.origin == Origin::Argument))
    return;
  fail_runtime("capture",
               "a value is read while the step is recorded, and would be the same in every replay; "
               "return the tensor and read it outside");
}

void Recorder::grad_changes(TensorImpl& leaf, bool adds) {
  if (host_runs_) return;
  for (size_t k = 0; k < arguments_.size(); ++k)
    if (arguments_[k].impl() == &leaf)
      fail_runtime("capture", "the step sets .grad of its argument ", k,
                   ", which is another tensor at every call; return autograd.grad(...) instead");
  for (const Tensor& known : leaves_)
    if (known.impl() == &leaf) return;
  leaves_.push_back(Tensor(Ref<TensorImpl>(&leaf)));
  if (adds) record_.before.push_back({leaves_.back(), leaf.grad});
}

void Recorder::write_down_grads() {
  for (const Tensor& leaf : leaves_) {
    std::optional<Operand> grad;
    if (leaf->grad) {
      grad = operand(*leaf->grad);
      touch(grad->buffer, false);
    }
    record_.events.emplace_back(GradSet{leaf, std::move(grad)});
  }
}

void Recorder::host_call(std::string name, std::function<void()> run) {
  if (host_runs_) return run();  // the outer call is called again, and calls this one
  forget_inner_leaves();
  write_down_grads();
  record_.events.emplace_back(HostCall{std::move(name), run});
  for (const Tensor& leaf : leaves_)
    if (leaf->grad) {
      touch(buffer_of(*leaf->grad), false);
      grads_.insert(start_of(*leaf->grad));
    }
  host_runs_ = true;
  struct Done {
    Recorder& recorder;
    ~Done() {
      recorder.host_runs_ = false;
      recorder.grads_.clear();
    }
  } done{*this};
  run();
}

/// A leaf that only the recording holds was made inside: nobody sees its gradient.
void Recorder::forget_inner_leaves() {
  const auto ours = [&](const Tensor& leaf) {
    uint32_t count = 1;
    for (const GradBefore& b : record_.before) count += b.leaf.same_as(leaf);
    for (const Tensor& t : record_.outside) count += t.same_as(leaf);
    for (const Event& event : record_.events)
      if (const auto* set = std::get_if<GradSet>(&event)) count += set->leaf.same_as(leaf);
    return count;
  };
  for (size_t k = leaves_.size(); k-- > 0;) {
    const Tensor leaf = leaves_[k];
    if (leaf->python_object || leaf->ref_count() > ours(leaf) + 1) continue;
    std::erase_if(record_.before, [&](const GradBefore& b) { return b.leaf.same_as(leaf); });
    std::erase_if(record_.events, [&](const Event& event) {
      const auto* set = std::get_if<GradSet>(&event);
      return set && set->leaf.same_as(leaf);
    });
    watched_.erase(leaf.impl());
    std::erase_if(record_.outside, [&](const Tensor& t) { return t.same_as(leaf); });
    leaves_.erase(leaves_.begin() + static_cast<ptrdiff_t>(k));
  }
}

Record Recorder::finish(const Tensors& results) {
  forget_inner_leaves();
  write_down_grads();
  stop();
  for (const Tensor& leaf : leaves_)
    if (leaf->grad) {
      Buffer& buffer = record_.buffers[static_cast<size_t>(buffer_of(*leaf->grad))];
      if (buffer.origin == Origin::Outside) {
        buffer.renewed = !buffer.storage;
        buffer.storage = leaf->grad->storage->root();
      }
    }
  for (size_t k = 0; k < results.size(); ++k) {
    const auto found = numbers_.find(start_of(*results[k].impl()));
    if (found == numbers_.end()) continue;
    Buffer& buffer = record_.buffers[static_cast<size_t>(found->second)];
    if (buffer.origin != Origin::Outside || buffer.storage) continue;
    buffer.origin = Origin::Result;
    buffer.position = static_cast<int>(k);
  }
  const int end = static_cast<int>(record_.events.size());
  for (const auto& [start, number] : numbers_) {
    Buffer& buffer = record_.buffers[static_cast<size_t>(number)];
    const auto block = blocks_.find(start);
    if (block == blocks_.end()) continue;
    buffer.last = end;
    if (buffer.origin != Origin::Outside || buffer.storage) continue;
    // Somebody keeps what the step made: what a host call made is its own, a constant is harmless.
    if (buffer.written && !block->second.by_host)
      fail_runtime("capture", "a tensor of ", buffer.bytes,
                   " bytes that the step made is kept outside of it; a replay would not renew it: "
                   "return it, or copy_ it into a tensor that exists before");
    buffer.storage = Ref<Storage>(storages_.at(number));
  }
  return std::move(record_);
}

}  // namespace bx::capture
