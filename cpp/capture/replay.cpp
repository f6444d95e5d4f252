// Reading order: the constructor says what becomes of a record (build.cpp); run() is a replay.
#include "capture/replay.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <unordered_set>

#include "capture/instructions.h"

namespace bx::capture {

Program::Program(Record record, const Tensors& results) : record_(std::move(record)) {
  for (const Tensor& t : results) {
    // Made by the step, or of an argument's memory; all else lives on and is handed out as it is.
    int buffer = -1;
    bool copied = false;
    for (size_t k = 0; k < record_.buffers.size(); ++k) {
      const Buffer& b = record_.buffers[k];
      if ((b.origin == Origin::Result || b.origin == Origin::Argument) &&
          b.start == t->storage->root()->data())
        buffer = static_cast<int>(k);
      copied = copied || (b.renewed && b.start == t->storage->root()->data());
    }
    results_.push_back({buffer, copied, 0, false, t->offset * size_of(t.dtype()), t.shape(),
                        t.strides(), t.dtype(), buffer < 0 ? t : Tensor()});
  }
  for (size_t k = 0; k < record_.buffers.size(); ++k) {
    const int number = static_cast<int>(k);
    if (record_.buffers[k].origin == Origin::Argument) argument_buffers_.push_back(number);
    if (record_.buffers[k].origin != Origin::Result) continue;
    ResultView* last = nullptr;
    for (ResultView& r : results_)
      if (r.buffer == number) {
        r.fresh = static_cast<int>(result_buffers_.size());
        last = &r;
      }
    if (last) last->last = true;
    result_buffers_.push_back(number);
  }
  watch(record_.outside);
  fold_constants();
  drop_repeated();
  drop_dead();
  build();
  find_stretches();
}

Program::~Program() = default;

namespace {

/// The same tensor on a copy of its memory.
Tensor copy_of(const Tensor& t) {
  const Ref<Storage> root = t->storage->root();
  auto memory = make<Storage>(root->bytes());
  std::memcpy(memory->data(), root->data(), static_cast<size_t>(root->bytes()));
  return Tensor(make<TensorImpl>(std::move(memory), t->offset, t.shape(), t.strides(), t.dtype()));
}

}  // namespace

void Program::find_stretches() {
  work_.resize(instructions_.size());
  for (size_t k = 0; k < instructions_.size(); ++k) {
    const bool on_host = instructions_[k]->on_host();
    if (k == 0 || on_host != instructions_[k - 1]->on_host()) stretches_.push_back({k, k, false});
    Stretch& now = stretches_.back();
    now.end = k + 1;
    now.is_long = now.is_long || (!on_host && work_[k] >= kLongKernel);
  }
}

namespace {

int64_t hook_changes(const Tensor& t) { return t->extras ? t->extras->hook_changes : 0; }

}  // namespace

void Program::watch(const Tensors& tensors) {
  std::unordered_set<const TensorImpl*> known;
  for (const Watched& w : watched_) known.insert(w.tensor.impl());
  for (const Tensor& t : tensors)
    if (known.insert(t.impl()).second)
      watched_.push_back({t, t->storage->root(), t->moves, t->leaf_requires_grad, hook_changes(t)});
}

bool Program::applies() const {
  for (const Watched& w : watched_)
    if (w.tensor->leaf_requires_grad != w.requires_grad || w.tensor->moves != w.moves ||
        w.tensor->storage->root_address() != w.root.get() ||
        hook_changes(w.tensor) != w.hook_changes)
      return false;
  for (const GradBefore& b : record_.before) {
    const Ref<TensorImpl>& now = b.leaf->grad;
    if (!b.grad != !now) return false;
    if (now && !(now->storage->root_address() == b.grad->storage->root_address() &&
                 now->offset == b.grad->offset))
      return false;
  }
  return true;
}

namespace {

/// An argument that the step writes was no other one's memory when it was recorded.
void check_alone(const Tensor& written, std::span<const Tensor* const> arguments) {
  for (const Tensor* t : arguments)
    if (!t->same_as(written) && (*t)->storage->root_address() == written->storage->root_address())
      fail_runtime("capture", "the step writes an argument of shape ", written.shape(),
                   ", which shares its memory with another one; pass a clone() of one of them");
}

}  // namespace

void Program::run(std::span<const Tensor* const> arguments, Few& results,
                  std::vector<double>* seconds) {
  if (running_)
    fail_runtime("capture", "the captured function was called while it runs; one call at a time");
  struct Running {
    bool& flag;
    explicit Running(bool& f) : flag(f) { flag = true; }
    ~Running() { flag = false; }
  } running(running_);
  const Reading reading(true);
  for (int k : argument_buffers_) {
    const Buffer& b = record_.buffers[static_cast<size_t>(k)];
    const Tensor& t = *arguments[static_cast<size_t>(b.position)];
    if (b.written) {
      check_alone(t, arguments);
      t->storage->own();
    }
    place(k, static_cast<char*>(t.raw()) - b.argument_offset);
  }
  InlineVector<Ref<Storage>, 8> memory;
  for (int k : result_buffers_) {
    memory.push_back(make<Storage>(record_.buffers[static_cast<size_t>(k)].bytes));
    place(k, memory[memory.size() - 1]->data());
  }
  if (seconds) {
    run_timed(*seconds);
  } else {
    for (const Stretch& stretch : stretches_) {
      LongKernel region(stretch.is_long);
      for (size_t k = stretch.begin; k < stretch.end; ++k) instructions_[k]->run();
    }
  }
  for (const Ref<Storage>& s : written_) s->bump_version();
  for (const ResultView& r : results_) {
    if (r.buffer < 0) {
      // The next replay writes the same memory; who keeps results has to keep these.
      results.push_back(r.copied ? copy_of(r.same) : r.same);
      continue;
    }
    const Buffer& b = record_.buffers[static_cast<size_t>(r.buffer)];
    int64_t offset = r.offset;
    Ref<Storage> storage;
    if (b.origin == Origin::Result) {
      storage = r.last ? std::move(memory[r.fresh]) : memory[r.fresh];
    } else {
      const Tensor& t = *arguments[static_cast<size_t>(b.position)];
      storage = t->storage;
      offset += t->offset * size_of(t.dtype()) - b.argument_offset;
    }
    results.push_back(Tensor(make<TensorImpl>(std::move(storage), offset / size_of(r.dtype),
                                              r.shape, r.strides, r.dtype)));
  }
}

void Program::run_timed(std::vector<double>& seconds) {
  using Clock = std::chrono::steady_clock;
  seconds.assign(instructions_.size(), 0);
  for (size_t k = 0; k < instructions_.size(); ++k) {
    const auto start = Clock::now();
    instructions_[k]->run();
    seconds[k] = std::chrono::duration<double>(Clock::now() - start).count();
  }
}

std::vector<std::string> Program::texts() const {
  std::vector<std::string> lines;
  for (const auto& instruction : instructions_) lines.push_back(instruction->text());
  return lines;
}

std::vector<Program::Placed> Program::placed() const {
  std::vector<Placed> all;
  const int end = instructions() - 1;
  for (const Buffer& b : record_.buffers)
    if (b.arena_offset >= 0)
      all.push_back({b.arena_offset, b.bytes, std::min(b.first + restores_, end),
                     std::min(b.last + restores_, end)});
  return all;
}

std::string Program::explain() const {
  std::string text = str(launches_, " launches in ", instructions_.size(), " instructions; arena ",
                         arena_bytes_, " bytes, live at most ", live_bytes_, "\n");
  for (const std::string& line : texts()) text += "  " + line + "\n";
  return text;
}

}  // namespace bx::capture
