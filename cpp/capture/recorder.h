// Listens while a step runs eagerly once, and writes down every launch with the memory it touched.
#pragma once

#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>

#include "capture/program.h"
#include "core/observer.h"

namespace bx::capture {

class Recorder final : public LaunchListener, public Observer {
 public:
  /// Starts to listen on this thread; the step is to be called with arguments().
  explicit Recorder(Tensors arguments);
  /// Stops, and gives back the memory that it kept.
  ~Recorder() override;
  Recorder(const Recorder&) = delete;
  Recorder& operator=(const Recorder&) = delete;

  /// Those given; what shares its memory with another one is a copy, so that an address means one
  /// of them.
  const Tensors& arguments() const { return arguments_; }

  /// The record of a step that returned `results`, which nothing else refers to: stops listening.
  /// RuntimeError where a tensor that the step made is kept elsewhere.
  Record finish(const Tensors& results);

  void launching(const char* op, const kernels::Kernel& kernel, const Operands& outputs,
                 const Operands& inputs, const Params& params, const Owner& owner) override;
  void taken(void* block, size_t bytes) override;
  void given(void* block) noexcept override;
  void reading(const void* data) override;

  void grad_changes(TensorImpl& leaf, bool adds) override;
  void host_call(std::string name, std::function<void()> run);

 private:
  struct Block {
    size_t bytes;
    bool by_host = false;
  };

  void part_arguments();
  int buffer_of(const TensorImpl& t);
  void check_read_by_host(const char* op, const TensorImpl& t);
  void check_not_read_before(const TensorImpl& t);
  void check_writable(const Buffer& buffer) const;
  Operand operand(const TensorImpl& t);
  const Ref<const Geometry>& geometry_of(const TensorImpl& t);
  void touch(int buffer, bool written);
  void forget_inner_leaves();
  bool host_touched(const TensorImpl& t) const;
  void keep_initial(Buffer& buffer, const TensorImpl& t);
  void write_down_grads();
  void stop();

  Record record_;
  std::map<const char*, int> numbers_;             // a storage's first byte -> buffer
  std::unordered_map<const void*, Block> blocks_;  // taken since the recording began, still there
  std::unordered_map<int, Storage*> storages_;     // of buffers made since
  std::unordered_multimap<size_t, Ref<const Geometry>> geometries_;  // by a hash of their numbers
  std::vector<Tensor> leaves_;                                       // whose .grad the step changed
  Tensors arguments_;
  std::set<int> shared_;        // arguments that share their memory
  std::set<const char*> read_;  // what the host looked at
  std::unordered_set<const TensorImpl*> watched_;
  std::unordered_set<const void*> grads_;  // of the leaves, while the host runs: it may read them
  bool listening_ = false;
  bool host_runs_ = false;  // what happens now is done again by the host
};

/// The recorder of this thread, or null.
Recorder* active();

/// Runs an optimizer's step now, and at every replay: its options are read anew each time.
void host_call(const char* name, const std::function<void()>& run);

}  // namespace bx::capture
