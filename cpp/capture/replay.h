// A recorded step made ready to run again: fused, its memory planned, its pointers in place.
#pragma once

#include <memory>
#include <span>

#include "capture/program.h"
#include "core/inline_vector.h"

namespace bx::capture {

/// Something a replay does. Its pointers into memory are patched when memory changes place.
class Instruction {
 public:
  virtual ~Instruction() = default;
  virtual void run() = 0;
  /// Whether it touches what belongs to the host: tensors, Python's objects.
  virtual bool on_host() const { return false; }
  /// One line for people.
  virtual std::string text() const = 0;
};

/// An instruction that can run some of its rows.
class Stage : public Instruction {
 public:
  /// Makes ready for runs of some of so many rows.
  virtual void cut(int64_t rows) = 0;
  /// `local` holds these rows of what lives inside the walk, as far from a multiple of the
  /// alignment as they would be in memory of their own: sums of some kernels begin at a multiple.
  virtual void run_rows(int64_t begin, int64_t end, char* local,
                        kernels::FaultInfo* fault) const = 0;
  /// After the last row.
  virtual void end(kernels::FaultInfo*) {}
  /// The op of its first launch, for errors.
  virtual const char* op() const = 0;
};

/// A pointer inside an instruction, and where in its buffer it points.
struct Pointer {
  void** place;
  int64_t offset;
};

/// Where the events end that run together.
struct Schedule {
  std::vector<size_t>
      groups;                 // pointwise launches of one index space, block by block; or one event
  std::vector<size_t> walks;  // groups over the same rows, rows by rows; or one group
};

class Program {
 public:
  explicit Program(Record record, const Tensors& results);
  ~Program();

  /// Tensors whose memory, shape and need of a gradient a replay relies on.
  void watch(const Tensors& tensors);
  /// Whether these and the leaves' gradients are as the recording found them.
  bool applies() const;

  /// Tensors of a call, of which there are few.
  using Few = InlineVector<Tensor, 8>;
  /// Runs the step on arguments laid out as the recorded ones; the results are fresh tensors.
  /// `seconds`, where given, is what each instruction took.
  void run(std::span<const Tensor* const> arguments, Few& results,
           std::vector<double>* seconds = nullptr);

  /// What was recorded, fused and planned.
  std::string explain() const;
  /// A line for each instruction.
  std::vector<std::string> texts() const;
  /// A buffer of the arena: its place, and the instructions that touch it first and last.
  struct Placed {
    int64_t offset, bytes;
    int first, last;
  };
  std::vector<Placed> placed() const;
  int64_t arena_bytes() const { return arena_bytes_; }
  int64_t live_bytes() const { return live_bytes_; }
  int launches() const { return launches_; }
  int instructions() const { return static_cast<int>(instructions_.size()); }

 private:
  struct Watched {
    Tensor tensor;
    Ref<Storage> root;
    uint32_t moves;
    bool requires_grad;
    int64_t hook_changes;
  };
  struct ResultView {
    int buffer;  // -1: a tensor that lives on, handed out as it is, or as a copy
    bool copied;
    int fresh;  // which of the fresh buffers
    bool last;  // that is made of it
    int64_t offset;
    Dims shape, strides;
    DType dtype;
    Tensor same;
  };

  /// Instructions [begin, end), all on the host or none, and long enough to let other threads run.
  struct Stretch {
    size_t begin, end;
    bool is_long;
  };
  void find_stretches();
  void run_timed(std::vector<double>& seconds);
  void fold_constants();
  void drop_repeated();
  void drop_dead();
  void drop(const std::vector<bool>& events);
  void find_lifetimes();
  void build();
  void find_homes(const Schedule& schedule);
  void plan_memory(const Schedule& schedule);
  Ref<Storage> storage_of(int number);
  std::unique_ptr<Instruction> instruction(size_t begin, size_t end);
  std::unique_ptr<Instruction> walk(std::span<const size_t> ends, size_t begin);
  std::unique_ptr<Instruction> restore(int number);
  std::unique_ptr<Instruction> set_grad(const GradSet& set);
  std::unique_ptr<Stage> general(std::unique_ptr<Launch> launch);
  std::unique_ptr<Stage> row_reduction(std::unique_ptr<Launch> launch);
  std::unique_ptr<Instruction> straight(std::unique_ptr<Launch> launch);
  std::unique_ptr<Stage> fused(size_t begin, size_t end);
  const Buffer& buffer_of(const Operand& o) const {
    return record_.buffers[static_cast<size_t>(o.buffer)];
  }
  void point(int buffer, void** place, int64_t offset);
  void place(int buffer, void* start);

  Record record_;
  std::vector<std::unique_ptr<Instruction>> instructions_;
  std::vector<Stretch> stretches_;
  std::vector<int64_t> work_;                   // per instruction, in elements
  std::vector<std::vector<Pointer>> pointers_;  // per buffer
  std::vector<ResultView> results_;
  std::vector<Watched> watched_;
  std::vector<int> argument_buffers_, result_buffers_;
  std::vector<Ref<Storage>> written_;  // their version grows with every replay
  std::vector<Ref<Storage>> held_;
  Ref<Storage> arena_;
  int64_t arena_bytes_ = 0, live_bytes_ = 0;
  int launches_ = 0;
  int restores_ = 0;  // instructions before the first recorded one
  bool running_ = false;
};

/// Puts the internal buffers into one arena, reusing what is dead; returns its bytes. [Best fit]
int64_t plan_arena(std::vector<Buffer>& buffers, int64_t* live_peak);

/// Orders the events anew, so that what runs together stands together, where inputs and outputs
/// allow. What a group writes is not read in another layout within it, and what a walk writes not
/// by other rows.
Schedule schedule(std::vector<Event>& events);

}  // namespace bx::capture
