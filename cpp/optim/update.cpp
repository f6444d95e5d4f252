#include "optim/update.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <type_traits>

#include "autograd/node.h"
#include "launch/launch.h"
#include "ops/ops.h"

namespace bx {

using kernels::FaultInfo;

namespace {

template <class Rule>
void scalars_of(const double* settings, double* counters, bool first, void* result) {
  using Scalars = typename Rule::Scalars;
  static_assert(sizeof(Scalars) <= kScalarBytes);
  static_assert(sizeof(typename Rule::Settings) == Rule::settings.size() * sizeof(double));
  static_assert(Rule::slots.size() <= formulas::kMaxSlots);
  static_assert(Rule::counters.size() <= formulas::kMaxCounters);
  typename Rule::Settings h;
  std::memcpy(&h, settings, sizeof h);
  new (result) Scalars(Rule::scalars(h, counters, first));
}

template <class... Rule>
std::span<const UpdateRule> rules_of(std::tuple<Rule...>*) {
  static const UpdateRule rules[] = {
      {Rule::name, Rule::settings, Rule::counters, Rule::slots, &scalars_of<Rule>}...};
  return rules;
}

/// A tensor as contiguous real elements, for every rule treats the parts of complex numbers apart;
/// a copy of a strided one is written back.
class Straight {
 public:
  explicit Straight(const Tensor& t) : given_(t) {
    if (is_complex(t.dtype())) reals_ = in_reals(t);
    if (!original().is_contiguous()) copy_ = contiguous(original());
  }
  const Tensor& elements() const { return copy_.defined() ? copy_ : original(); }
  void written() const {
    if (copy_.defined())
      launch("step", kernel(kernels::Id::Copy, copy_.dtype()), original(), copy_);
    original()->storage->bump_version();
  }

 private:
  const Tensor& original() const { return reals_.defined() ? reals_ : given_; }
  const Tensor& given_;
  Tensor reals_, copy_;
};

kernels::View view_of(const Tensor& t) {
  return {t.raw(), t.shape().data(), t.strides().data(), t.dim(), t.dtype()};
}

/// A tensor that is written where it lies, without launch().
kernels::View written_view(const Tensor& t) {
  t->storage->fixed();
  return view_of(t);
}

void check_like(const UpdateRule& rule, const char* what, const Tensor& t, const Tensor& param) {
  if (!(t.shape() == param.shape() && t.dtype() == param.dtype()))
    fail_runtime(rule.name, what, " has shape ", t.shape(), " and type ", name_of(t.dtype()),
                 ", its parameter ", param.shape(), " and ", name_of(param.dtype()),
                 "; they must be equal");
}

double read_number(const Tensor& t) {
  if (is_narrow(t.dtype())) return read_number(to(t, DType::Float64));
  return t.dtype() == DType::Float64 ? *t.data<double>() : static_cast<double>(*t.data<float>());
}
void write_number(const Tensor& t, double value) {
  if (is_narrow(t.dtype())) {
    copy_(t, wrapped_number(value, DType::Float64));
    return;
  }
  t->storage->own();
  if (t.dtype() == DType::Float64) *t.data<double>() = value;
  else *t.data<float>() = static_cast<float>(value);
  t->storage->bump_version();
}

}  // namespace

std::span<const UpdateRule> update_rules() {
  return rules_of(static_cast<formulas::Updates*>(nullptr));
}

void* StepScalars::of(double* counters, bool first) {
  const size_t count = rule_.counters.size();
  if (!made_ || first != first_ || !std::equal(counters, counters + count, before_)) {
    std::copy_n(counters, count, before_);
    std::copy_n(counters, count, after_);
    rule_.scalars(settings_, after_, first, scalars_);
    first_ = first;
    made_ = true;
  }
  std::copy_n(after_, count, counters);
  return scalars_;
}

Tensor new_counter(const formulas::Counter& counter, const double* settings) {
  Tensor t = empty({}, wide_of(default_dtype()));
  write_number(t, counter.like < 0 ? counter.start : settings[counter.like]);
  return t;
}

Tensor new_slot(const formulas::Slot& slot, const double* settings, const Tensor& param) {
  const double value = slot.fill == formulas::kZero ? 0. : settings[slot.fill];
  if (!is_complex(param.dtype())) return full(param.shape(), value, param.dtype());
  GradMode off(false);
  return joined(full(in_reals(param).shape(), value, real_of(param.dtype())));
}

void check_gradient(const UpdateRule& rule, const UpdateItem& item) {
  check_like(rule, "a gradient", item.grad, item.param);
}

void check_state(const UpdateRule& rule, const UpdateItem& item) {
  for (size_t k = 0; k < rule.slots.size(); ++k)
    if (item.slots[k].defined()) check_like(rule, rule.slots[k].name, item.slots[k], item.param);
  for (size_t k = 0; k < rule.counters.size(); ++k)
    if (const Tensor& t = item.counters[k]; t.numel() != 1 || !is_floating(t.dtype()))
      fail_runtime(rule.name, rule.counters[k].name, " has shape ", t.shape(), " and type ",
                   name_of(t.dtype()), "; it must be one floating-point number");
}

namespace {

/// What the kernel is given of a rule and the slots that are kept, a bit for each.
Params params_of(const UpdateRule& rule, int64_t kept) {
  Params params;
  params.i[0] = &rule - update_rules().data();
  params.i[1] = kept;
  return params;
}

/// Reads an item's counters, moves them one step on, and runs the kernel on what they make.
template <class Run>
void count_and_run(const UpdateRule& rule, const UpdateItem& item, StepScalars& scalars,
                   Params& params, Run run) {
  double counters[formulas::kMaxCounters];
  for (size_t k = 0; k < rule.counters.size(); ++k) counters[k] = read_number(item.counters[k]);
  params.object = scalars.of(counters, item.first);
  run();
  for (size_t k = 0; k < rule.counters.size(); ++k) write_number(item.counters[k], counters[k]);
}

}  // namespace

void run_update(const UpdateRule& rule, const UpdateItem& item, StepScalars& scalars) {
  check_gradient(rule, item);
  check_state(rule, item);
  GradMode off(false);
  const Straight p(item.param), g(item.grad);
  Operands out(p.elements());
  std::optional<Straight> slots[formulas::kMaxSlots];
  int64_t kept = 0;
  for (size_t k = 0; k < rule.slots.size(); ++k) {
    if (!item.slots[k].defined()) continue;
    out.add(slots[k].emplace(item.slots[k]).elements());
    kept |= int64_t{1} << k;
  }
  Params params = params_of(rule, kept);
  count_and_run(rule, item, scalars, params, [&] {
    launch(rule.name, kernel(kernels::Id::Update, p.elements().dtype()), out, g.elements(), params);
  });
  p.written();
  for (const auto& slot : slots)
    if (slot) slot->written();
}

bool ReadyUpdate::possible(const UpdateItem& item) {
  if (item.first || is_narrow(item.param.dtype()) || !item.param.is_contiguous() ||
      !item.grad.is_contiguous() || is_complex(item.param.dtype()))
    return false;
  return std::all_of(std::begin(item.slots), std::end(item.slots),
                     [](const Tensor& t) { return !t.defined() || t.is_contiguous(); });
}

ReadyUpdate::ReadyUpdate(const UpdateRule& rule, UpdateItem item)
    : rule_(&rule),
      item_(std::move(item)),
      kernel_(&kernel(kernels::Id::Update, item_.param.dtype())),
      in_(view_of(item_.grad)),
      param_moves_(item_.param->moves),
      grad_moves_(item_.grad->moves) {
  out_[0] = written_view(item_.param);
  int64_t kept = 0;
  for (size_t k = 0, next = 1; k < rule.slots.size(); ++k) {
    if (!item_.slots[k].defined()) continue;
    out_[next++] = written_view(item_.slots[k]);
    kept |= int64_t{1} << k;
  }
  params_ = params_of(rule, kept);
}

bool ReadyUpdate::holds() const {
  if (item_.param->grad.get() != item_.grad.impl() || item_.grad.raw() != in_.data ||
      item_.param.raw() != out_[0].data || item_.param->moves != param_moves_ ||
      item_.grad->moves != grad_moves_)
    return false;
  for (size_t k = 0, next = 1; k < rule_->slots.size(); ++k)
    if (item_.slots[k].defined() && item_.slots[k].raw() != out_[next++].data) return false;
  return true;
}

void ReadyUpdate::run(StepScalars& scalars) {
  count_and_run(*rule_, item_, scalars, params_, [&] {
    FaultInfo fault;
    kernel_->general(out_, &in_, params_, &fault);
  });
  item_.param->storage->bump_version();
  for (size_t k = 0; k < rule_->slots.size(); ++k)
    if (item_.slots[k].defined()) item_.slots[k]->storage->bump_version();
}

}  // namespace bx
