// Connectionist temporal classification. [Graves et al. 2006]
#include <cmath>
#include <limits>
#include <vector>

#include "launch/parallel.h"
#include "ops/loss_reduction.h"

namespace bx {

using kernels::View;

namespace {

constexpr const char* kOp = "ctc_loss";

/// What the sums over alignments run on: log probabilities [time, batch, classes], labels, either
/// [batch, longest] or one sample after the other, and the lengths of both.
struct Problem {
  /// RuntimeError for lengths and labels that do not fit.
  Problem(const View* in, int64_t blank);

  int64_t steps(int64_t n) const { return input_lengths[n]; }
  /// Labels and blanks of a sample, with blanks between.
  int64_t states(int64_t n) const { return 2 * target_lengths[n] + 1; }
  int64_t label(int64_t n, int64_t s) const {
    return s % 2 ? targets[first[static_cast<size_t>(n)] + s / 2] : blank;
  }
  /// Whether the blank between states s - 2 and s may be left out.
  bool skips(int64_t n, int64_t s) const { return s > 1 && label(n, s) != label(n, s - 2); }
  template <class T>
  const T* log_probs(int64_t n) const {
    return static_cast<const T*>(scores) + n * classes;
  }

  const void* scores;
  int64_t time, batch, classes, blank;
  const int64_t *targets, *input_lengths, *target_lengths;
  std::vector<int64_t> first;  // label of each sample
};

void check_lengths(const char* what, const int64_t* lengths, int64_t batch, int64_t most) {
  for (int64_t n = 0; n < batch; ++n)
    if (lengths[n] < 0 || lengths[n] > most)
      fail_runtime(kOp, what, " hold ", lengths[n], "; expected 0 to ", most);
}

Problem::Problem(const View* in, int64_t blank)
    : scores(in[0].data),
      time(in[0].shape[0]),
      batch(in[0].shape[1]),
      classes(in[0].shape[2]),
      blank(blank),
      targets(static_cast<const int64_t*>(in[1].data)),
      input_lengths(static_cast<const int64_t*>(in[2].data)),
      target_lengths(static_cast<const int64_t*>(in[3].data)) {
  const bool joined = in[1].ndim == 1;
  check_lengths("input_lengths", input_lengths, batch, time);
  check_lengths("target_lengths", target_lengths, batch, in[1].shape[joined ? 0 : 1]);
  int64_t next = 0;
  for (int64_t n = 0; n < batch; ++n) {
    first.push_back(joined ? next : n * in[1].shape[1]);
    next += target_lengths[n];
  }
  if (joined && next != in[1].shape[0])
    fail_runtime(kOp, "target_lengths add up to ", next, ", there are ", in[1].shape[0],
                 " targets; they must be equal");
  for (int64_t n = 0; n < batch; ++n)
    for (int64_t s = 1; s < states(n); s += 2)
      if (label(n, s) < 0 || label(n, s) >= classes)
        fail_runtime(kOp, "target ", label(n, s), " is out of range; expected 0 to ", classes - 1);
}

template <class T>
T log_add(T a, T b) {
  const T top = std::max(a, b);
  if (top == -std::numeric_limits<T>::infinity()) return top;
  return top + std::log1p(std::exp(-std::abs(a - b)));
}

/// log of the summed probability of all beginnings that end in each state, by step.
template <class T>
std::vector<T> beginnings(const Problem& p, int64_t n) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  const int64_t steps = p.steps(n), states = p.states(n);
  const int64_t row = p.batch * p.classes;
  const T* lp = p.log_probs<T>(n);
  std::vector<T> a(static_cast<size_t>(steps * states), none);
  for (int64_t s = 0; s < std::min<int64_t>(2, states) && steps; ++s)
    a[static_cast<size_t>(s)] = lp[p.label(n, s)];
  for (int64_t t = 1; t < steps; ++t) {
    const T* before = a.data() + (t - 1) * states;
    T* now = a.data() + t * states;
    for (int64_t s = 0; s < states; ++s) {
      T sum = before[s];
      if (s > 0) sum = log_add(sum, before[s - 1]);
      if (p.skips(n, s)) sum = log_add(sum, before[s - 2]);
      now[s] = sum + lp[t * row + p.label(n, s)];
    }
  }
  return a;
}

template <class T>
T cost(const Problem& p, int64_t n, const std::vector<T>& a) {
  const int64_t steps = p.steps(n), states = p.states(n);
  if (steps == 0) return states == 1 ? T(0) : std::numeric_limits<T>::infinity();
  const T* last = a.data() + (steps - 1) * states;
  return -(states == 1 ? last[0] : log_add(last[states - 1], last[states - 2]));
}

/// d loss / d log_probs of one sample, times g. The gradient is that of unnormalised scores: it
/// adds the probability itself, which a log_softmax before would add (and which vanishes through
/// it).
template <class T>
void gradient(const Problem& p, int64_t n, T g, bool zero_infinity, T* out) {
  constexpr T none = -std::numeric_limits<T>::infinity();
  const std::vector<T> a = beginnings<T>(p, n);
  const T total = cost(p, n, a);
  if (zero_infinity && total == std::numeric_limits<T>::infinity()) return;
  const int64_t steps = p.steps(n), states = p.states(n), classes = p.classes;
  const int64_t row = p.batch * classes;
  const T* lp = p.log_probs<T>(n);
  std::vector<T> after(static_cast<size_t>(states), none), now(after);
  std::vector<T> by_class(static_cast<size_t>(classes));
  for (int64_t t = steps - 1; t >= 0; --t) {
    std::fill(by_class.begin(), by_class.end(), none);
    for (int64_t s = 0; s < states; ++s) {
      T sum = t == steps - 1 && s >= states - 2 ? T(0) : none;
      if (t < steps - 1) {
        sum = after[static_cast<size_t>(s)];
        if (s + 1 < states) sum = log_add(sum, after[static_cast<size_t>(s) + 1]);
        if (s + 2 < states && p.skips(n, s + 2))
          sum = log_add(sum, after[static_cast<size_t>(s) + 2]);
      }
      const int64_t label = p.label(n, s);
      now[static_cast<size_t>(s)] = sum + lp[t * row + label];
      T& slot = by_class[static_cast<size_t>(label)];
      slot = log_add(slot, now[static_cast<size_t>(s)] + a[static_cast<size_t>(t * states + s)]);
    }
    for (int64_t c = 0; c < classes; ++c) {
      const T x = lp[t * row + c];
      out[t * row + c] = (std::exp(x) - std::exp(by_class[static_cast<size_t>(c)] + total - x)) * g;
    }
    after.swap(now);
  }
}

template <class F>
void for_samples(const Problem& p, F f) {
  auto body = [](void* context, int64_t begin, int64_t end) {
    for (int64_t n = begin; n < end; ++n) (*static_cast<F*>(context))(n);
  };
  const int64_t work = std::max<int64_t>(1, p.time * p.classes);
  parallel_for(p.batch, std::max<int64_t>(1, 4096 / work), body, &f);
}

template <class F>
void with_type(DType dtype, F f) {
  if (dtype == DType::Float32) f(float{});
  else f(double{});
}

/// A loss for each sample. `given` = log_probs, targets, input_lengths, target_lengths.
Tensor losses(const Tensors& given, int64_t blank) {
  const Tensor out = empty({given[0].size(1)}, given[0].dtype());
  launch_host(kOp, out, {&given[0], &given[1], &given[2], &given[3]},
              [=](const View* to, const View* from) {
                const Problem p(from, blank);
                with_type(to[0].dtype, [&](auto zero) {
                  using T = decltype(zero);
                  for_samples(p, [&](int64_t n) {
                    static_cast<T*>(to[0].data)[n] = cost(p, n, beginnings<T>(p, n));
                  });
                });
              });
  return out;
}

Tensor losses_backward(const Tensors& given, int64_t blank, const Tensor& grad,
                       bool zero_infinity) {
  const Tensor g = contiguous(grad), out = zeros(given[0].shape(), given[0].dtype());
  launch_host(kOp, out, {&given[0], &given[1], &given[2], &given[3], &g},
              [=](const View* to, const View* from) {
                const Problem p(from, blank);
                with_type(to[0].dtype, [&](auto zero) {
                  using T = decltype(zero);
                  for_samples(p, [&](int64_t n) {
                    gradient<T>(p, n, static_cast<const T*>(from[4].data)[n], zero_infinity,
                                static_cast<T*>(to[0].data) + n * p.classes);
                  });
                });
              });
  return out;
}

Tensor lengths(const char* what, const Tensor& given, int64_t batch) {
  if (!is_integral(given.dtype()) || given.numel() != batch)
    fail_runtime(kOp, what, " are ", name_of(given.dtype()), " of shape ", given.shape(),
                 "; expected one whole number for each of ", batch, " samples");
  return contiguous(to(given, DType::Int64));
}

Tensor ctc_loss(const Tensor& log_probs, const Tensor& targets, const Tensor& input_lengths,
                const Tensor& target_lengths, int64_t blank, const std::string& reduction_name,
                bool zero_infinity) {
  const char* op = kOp;
  const Reduction reduction = parse_reduction(op, reduction_name);
  if (log_probs.dim() != 3 && log_probs.dim() != 2)
    fail(log_probs.dim() ? ErrorKind::Runtime : ErrorKind::Index, op, "log_probs have shape ",
         log_probs.shape(), "; expected (time, batch, classes) or (time, classes)");
  require_wide_float(op, log_probs.dtype());
  const bool single = log_probs.dim() == 2;
  const Tensor scores = single ? unsqueeze(log_probs, 1) : log_probs;
  const int64_t batch = scores.size(1), classes = scores.size(2);
  if (blank < 0 || blank >= classes)
    fail_runtime(op, "blank is ", blank, "; expected 0 to ", classes - 1);
  if (targets.dim() != 1 && (targets.dim() != 2 || targets.size(0) != batch))
    fail_runtime(op, "targets have shape ", targets.shape(), "; expected (", batch,
                 ", longest target) or all targets in one dimension");
  const Tensors given{contiguous(detached(scores)), contiguous(to(targets, DType::Int64)),
                      lengths("input_lengths", input_lengths, batch),
                      lengths("target_lengths", target_lengths, batch)};
  const Tensor out = losses(given, blank);
  if (Recorder r{&scores}; r)
    r.save(scores).done("CtcLossBackward0", out, [=](const Backward& b) {
      b.saved(0);  // checks that it was not written to
      const Tensor g = losses_backward(given, blank, b.grad(), zero_infinity);
      if (Recorder again{&b.grad()}; again)
        again.done("CtcLossBackwardBackward0", g, [](const Backward&) {
          fail_runtime(kOp,
                       "its gradient has no derivative of its own; leave out "
                       "create_graph=True");
        });
      b.give(0, g);
    });
  constexpr double infinity = std::numeric_limits<double>::infinity();
  Tensor each = zero_infinity ? select(out == infinity, 0., out) : out;
  if (reduction == Reduction::Sum) return sum(each);
  if (reduction == Reduction::None) return single ? reshape(each, {}) : each;
  const Tensor sizes = maximum(reshape(to(target_lengths, each.dtype()), {batch}), 1.);
  return mean(each / sizes, std::nullopt, false, std::nullopt);
}

Tensor as_tensor(const Ints& values) {
  Tensor t = empty({static_cast<int64_t>(values.size())}, DType::Int64);
  std::copy(values.begin(), values.end(), t.data<int64_t>());
  return t;
}

}  // namespace

void register_ctc(Registry& r) {
  const char* signature =
      "log_probs, targets, input_lengths, target_lengths, blank=0, ?reduction='mean', "
      "zero_infinity=False";
  r.nn(
      "ctc_loss", signature, ctc_loss,
      "-log of the probability of all alignments of targets with log_probs (time, batch, classes); "
      "the mean divides by the targets' lengths first.");
  r.nn(
      "ctc_loss", signature,
      [](const Tensor& x, const Tensor& t, const Ints& inputs, const Ints& targets, int64_t blank,
         const std::string& reduction, bool zero_infinity) {
        return ctc_loss(x, t, as_tensor(inputs), as_tensor(targets), blank, reduction,
                        zero_infinity);
      },
      "");
}

}  // namespace bx
