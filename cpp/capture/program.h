// A recorded step: what was launched, on which memory. Reading order: Record (what the recorder
// writes down), then plan.h (what is made of it) and replay.h (how that runs).
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "launch/launch.h"

namespace bx::capture {

/// Where the memory of a recorded step comes from at a replay.
enum class Origin : uint8_t {
  Internal,  // nothing outside sees it: it lies in the arena, or nowhere after fusion
  Outside,   // a tensor that lives on: parameter, gradient, state, constant of the caller
  Argument,  // of this call
  Result,    // handed out: fresh at every replay
};

/// Where a buffer lies at a replay.
enum class Home : uint8_t {
  Memory,  // whole
  Group,   // nowhere: it lives inside one group, block by block
  Walk,    // inside one walk: the rows at hand, in memory of the thread
};

struct Buffer {
  Origin origin = Origin::Outside;
  Home home = Home::Memory;
  int64_t bytes = 0;
  int first = -1, last = -1;    // events that touch it
  bool written = false;         // by a kernel
  bool renewed = false;         // Outside: a gradient that the step makes, in its own memory
  Ref<Storage> storage;         // Outside: kept alive; a constant's own
  std::vector<char> initial;    // what the host had put there before the first kernel read it
  std::vector<char> folded;     // what a kernel computed of such values alone, if it is small
  int64_t arena_offset = -1;    // Internal, after planning
  int64_t row_offset = -1;      // Home::Walk: where its rows begin in the thread's memory
  int position = -1;            // Argument, Result: which
  int64_t argument_offset = 0;  // Argument: of the tensor in its storage, bytes
  std::pair<int64_t, int64_t> extent;  // Argument: the bytes in which the tensor lies
  const void* start = nullptr;         // while it was recorded, if it is still there

  bool is_constant() const { return origin == Origin::Internal && !written && !initial.empty(); }
};

/// How tensors lie in their memory: one object for all that lie alike.
struct Geometry final : Object {
  Geometry(const Dims& shape_, const Dims& strides_) : shape(shape_), strides(strides_) {}
  bool operator==(const Geometry& o) const { return shape == o.shape && strides == o.strides; }

  const Dims shape, strides;
};

/// A tensor as a kernel saw it.
struct Operand {
  int buffer;
  DType dtype;
  int64_t offset;  // bytes
  Ref<const Geometry> geometry;

  const Dims& shape() const { return geometry->shape; }
  const Dims& strides() const { return geometry->strides; }
  int64_t numel() const { return shape().product(); }
  bool is_contiguous() const { return bx::is_contiguous(shape(), strides()); }
  bool same_place(const Operand& o) const {
    return buffer == o.buffer && offset == o.offset && dtype == o.dtype &&
           (geometry == o.geometry || *geometry == *o.geometry);
  }
};

/// A row-major operand as one of another shape.
inline Operand spread(Operand o, const Dims& shape) {
  o.geometry = make<Geometry>(shape, contiguous_strides(shape));
  return o;
}

struct Launch {
  Launch(const char* op_, const kernels::Kernel& kernel_, const Params& params_, Owner owner_)
      : op(op_), kernel(kernel_), params(params_), owner(std::move(owner_)) {}

  const char* op;
  kernels::Kernel kernel;
  Params params;
  std::vector<Operand> out, in;
  Owner owner;  // of what params.object points to
};

/// A launch that changes more than the memory it writes: it draws from a generator.
inline bool has_effects(const Launch& launch) { return launch.params.object != nullptr; }

/// `.grad` of a leaf was set to a tensor on a buffer, or to None.
struct GradSet {
  Tensor leaf;
  std::optional<Operand> grad;
};

/// Work of the host that is done again as it is: an optimizer's step.
struct HostCall {
  std::string name;
  std::function<void()> run;
};

using Event = std::variant<std::unique_ptr<Launch>, GradSet, HostCall>;

/// The launch that an event is, or null.
inline Launch* launch_of(const Event& event) {
  const auto* launch = std::get_if<std::unique_ptr<Launch>>(&event);
  return launch ? launch->get() : nullptr;
}
/// The launch that an event is, taken out of it.
inline std::unique_ptr<Launch> take_launch(Event& event) {
  return std::move(std::get<std::unique_ptr<Launch>>(event));
}

/// What must hold of a leaf's `.grad` before a replay: the step added to it as it was.
struct GradBefore {
  Tensor leaf;
  Ref<TensorImpl> grad;  // null: None
};

/// All that a recording wrote down.
struct Record {
  std::vector<Event> events;
  std::vector<Buffer> buffers;
  std::vector<GradBefore> before;
  std::vector<Tensor> outside;  // tensors of the caller that the step used
};

}  // namespace bx::capture
