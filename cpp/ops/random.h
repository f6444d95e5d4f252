// How random tensors are drawn: element after element from one generator, in the order of memory.
#pragma once

#include "ops/target.h"

namespace bx {

/// The generator that rides in params.object, this thread's alone while a kernel draws.
class Draws {
 public:
  explicit Draws(const Params& params)
      : generator(*static_cast<Generator*>(const_cast<void*>(params.object))),
        held_(generator.alone()) {}
  Generator& generator;

 private:
  std::unique_lock<std::mutex> held_;
};

/// A kernel that writes next(generator, T{}) into every element of a contiguous tensor; the
/// generator rides in params.object.
template <class Draw>
void draw(const kernels::View* out, const Params& params, Draw next) {
  const Draws draws(params);
  int64_t n = 1;
  for (int d = 0; d < out[0].ndim; ++d) n *= out[0].shape[d];
  visit(out[0].dtype, [&](auto zero) {
    using T = decltype(zero);
    auto* data = static_cast<T*>(out[0].data);
    for (int64_t i = 0; i < n; ++i) data[i] = convert<T>(next(draws.generator, T{}));
  });
}

/// out[i] = body(in0[i]) for contiguous out and in0 of any types.
template <class Body>
void map_kernel(const kernels::View* out, const kernels::View* in, Body body) {
  int64_t n = 1;
  for (int d = 0; d < out[0].ndim; ++d) n *= out[0].shape[d];
  visit(in[0].dtype, [&](auto from) {
    visit(out[0].dtype, [&](auto to) {
      const auto* x = static_cast<const decltype(from)*>(in[0].data);
      auto* y = static_cast<decltype(to)*>(out[0].data);
      for (int64_t i = 0; i < n; ++i) y[i] = convert<decltype(to)>(body(x[i]));
    });
  });
}

/// Starts a random kernel through the one door. `inputs` are contiguous.
void launch_random(const char* op, kernels::GeneralFn fn, const Tensor& out, Params params,
                   Generator* generator, const Operands& inputs = {});

/// Fills t in the order of memory where it is dense; other layouts are filled by a copy. What t
/// was gets no gradient.
template <class Fill>
Tensor fill_inplace(const char* op, const char* node, const Tensor& t, Fill fill) {
  const Target target(op, t, true);
  {
    GradMode off(false);
    const Tensor out = target.out();
    const Tensor straight = permute(out, memory_order(out));
    if (straight.is_contiguous()) {
      fill(straight);
    } else {
      const Tensor values = empty(t.shape(), t.dtype());
      fill(values);
      launch(op, kernel(kernels::Id::Copy, t.dtype()), out, values);
    }
  }
  Recorder r{&target.before()};
  return target.done(
      r, node, [](const Backward& b) { b.give(0, zeros(b.grad().shape(), b.grad().dtype())); });
}

/// A result that no input's derivative reaches, recorded so that it says so.
Tensor without_slope(const char* node, const Tensor& out, const Tensors& inputs);

// Called by register_random and register_sampling.
void register_random_integers(Registry& r);

Tensor uniform_(const Tensor& t, double from, double to, Generator* g);
Tensor normal_(const Tensor& t, double mean, double std, Generator* g);
Tensor exponential_(const Tensor& t, double lambda, Generator* g);
Tensor bernoulli_(const Tensor& t, double p, Generator* g);

}  // namespace bx
