// Fused update steps: one pass over a parameter, its gradient and its state, a loop per rule.
#include "formulas/update.h"
#include "kernels/families.h"
#include "kernels/lanes_math.h"
#include "kernels/lanes_partial.h"

namespace bx::kernels {

namespace {

namespace f = bx::formulas;

constexpr int64_t kGrain = 1 << 14;  // elements

/// One loop over contiguous elements. `Mask` says which slots are there: out = p, those slots.
template <class T, class Rule, unsigned Mask>
void update(const View* out, const View* in, const Params& params) {
  using L = Lanes<T>;
  constexpr int slots = static_cast<int>(Rule::slots.size());
  const auto& given = *static_cast<const typename Rule::Scalars*>(params.object);
  T* const p = static_cast<T*>(out[0].data);
  const T* const g = static_cast<const T*>(in[0].data);
  T* s[slots] = {};
  for (int k = 0, next = 1; k < slots; ++k)
    if (Mask >> k & 1) s[k] = static_cast<T*>(out[next++].data);

  int64_t n = 1;
  for (int d = 0; d < out[0].ndim; ++d) n *= out[0].shape[d];
  // By value: what no store can change stays in registers.
  parallel_for(n, kGrain, [=, scalars = given](int64_t i, int64_t end) {
    L state[slots];
    for (; i < end; i += L::width) {
      const int64_t rest = end - i;  // the last few go through the same code, padded
      L value = load_padded(p + i, rest, T(0));
      for (int k = 0; k < slots; ++k)
        if (Mask >> k & 1) state[k] = load_padded(s[k] + i, rest, T(0));
      Rule::step(value, load_padded(g + i, rest, T(0)), state, scalars);
      store_part(value, p + i, rest);
      for (int k = 0; k < slots; ++k)
        if (Mask >> k & 1) store_part(state[k], s[k] + i, rest);
    }
  });
}

/// The loop for the slots that are there. Slots without a condition always are.
template <class T, class Rule, unsigned Mask = 0, int K = 0>
void choose(unsigned mask, const View* out, const View* in, const Params& params) {
  if constexpr (K == static_cast<int>(Rule::slots.size())) {
    update<T, Rule, Mask>(out, in, params);
  } else {
    constexpr unsigned with = Mask | 1u << K;
    if constexpr (Rule::slots[K].when == f::kAlways)
      return choose<T, Rule, with, K + 1>(mask, out, in, params);
    else if (mask >> K & 1) choose<T, Rule, with, K + 1>(mask, out, in, params);
    else choose<T, Rule, Mask, K + 1>(mask, out, in, params);
  }
}

/// i = the rule's number, the slots that are there (a bit each); object = the rule's Scalars;
/// out = parameter, slots; in = gradient; all contiguous and of one shape.
template <class T>
void step(const View* out, const View* in, const Params& params, FaultInfo*) {
  [&]<class... Rule>(std::tuple<Rule...>*) {
    using Fn = void (*)(unsigned, const View*, const View*, const Params&);
    static constexpr Fn rules[] = {&choose<T, Rule>...};
    rules[params.i[0]](static_cast<unsigned>(params.i[1]), out, in, params);
  }(static_cast<f::Updates*>(nullptr));
}

}  // namespace

void fill_optimizer(Entries entries) {
  enter<float>(entries, Id::Update, "update", &step<float>);
  enter<double>(entries, Id::Update, "update", &step<double>);
}

}  // namespace bx::kernels
