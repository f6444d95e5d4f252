// What the probe reads off a derivative decides what is kept for the backward pass.
#include <cstddef>
#include <set>

#include "autograd/engine.h"
#include "kernels/pointwise_rules.h"
#include "tools.h"

using namespace bx;
using namespace bx::formulas;

namespace {

template <class Row, int I>
constexpr unsigned reads = decltype(kernels::dependence<Row, I>())::mask;
template <class Row, int I>
constexpr bool passes = decltype(kernels::dependence<Row, I>())::plain;

// Bits of a unary row: g, input, output; of a binary one: g, input, other, output.
constexpr unsigned kGrad = 1, kFirst = 2, kSecond = 4, kOutputOfOne = 4;

// Checked by the compiler: each line fails the build.
static_assert(passes<Add, 0> && passes<Add, 1>);
static_assert(passes<Sub, 0> && !passes<Sub, 1> && reads<Sub, 1> == kGrad);
static_assert(reads<Mul, 0> == (kGrad | kSecond) && reads<Mul, 1> == (kGrad | kFirst));
static_assert(reads<Div, 0> == (kGrad | kSecond));
static_assert(reads<Div, 1> == (kGrad | kFirst | kSecond));
static_assert(reads<Neg, 0> == kGrad && !passes<Neg, 0>);
static_assert(reads<Exp, 0> == (kGrad | kOutputOfOne));
static_assert(reads<Tanh, 0> == (kGrad | kOutputOfOne));
static_assert(reads<Sigmoid, 0> == (kGrad | kOutputOfOne));
static_assert(reads<Sqrt, 0> == (kGrad | kOutputOfOne));
static_assert(reads<Sin, 0> == (kGrad | kFirst));
static_assert(reads<Log, 0> == (kGrad | kFirst));
static_assert(passes<Frac, 0>);
static_assert(!kernels::has_partial<Eq, 0> && !kernels::has_partial<FloorDivide, 0>);
static_assert(!kernels::has_partial<Where, 0> && kernels::has_partial<Where, 1>);
static_assert(!kernels::has_partial<Exp, 1>);

int kept(const Tensor& y) {
  int count = 0;
  for (const SavedTensor& s : grad_fn(y)->saved) count += s.defined();
  return count;
}

}  // namespace

TEST_SUITE_BEGIN("formulas");

TEST_CASE("the table of rows says what the probe says") {
  const PointwiseOp& mul = pointwise_op(row_index<Mul>);
  CHECK(std::string(mul.name) == "mul");
  CHECK(mul.node_name == "MulBackward0");
  CHECK(mul.partials[0].reads == reads<Mul, 0>);
  CHECK(mul.partials[1].reads == reads<Mul, 1>);
  CHECK_FALSE(mul.partials[2].exists);
  CHECK(pointwise_op(row_index<Add>).partials[0].passes_gradient);
}

TEST_CASE("every row has a name of its own, a document and a forward kernel") {
  std::set<std::string> names;
  for (int row = 0; row < kRowCount; ++row) {
    const PointwiseOp& op = pointwise_op(row);
    CHECK(names.insert(op.name).second);
    CHECK(std::string(op.doc).size() > 5);
    const DType dtype =
        op.domain == Domain::Bits || op.domain == Domain::Whole ? DType::Int64 : DType::Float64;
    CHECK(static_cast<bool>(row_kernel(row, 0, dtype).pointwise));
    for (int i = 0; i < op.inputs; ++i)
      if (op.partials[i].exists && !op.partials[i].passes_gradient)
        CHECK(static_cast<bool>(row_kernel(row, 1 + i, DType::Float32).pointwise));
  }
}

TEST_CASE("a node keeps what its derivative reads, and only for inputs that need it") {
  using testing::leaf;
  const Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const Tensor constant = testing::from({5, 6}, {2});
  CHECK(kept(x + w) == 0);
  CHECK(kept(-x) == 0);
  CHECK(kept(x * w) == 2);
  CHECK(kept(x * constant) == 1);
  CHECK(kept(constant / x) == 2);
  CHECK(kept(x / constant) == 1);
  CHECK(kept(exp(x)) == 1);
  CHECK(kept(sum(x)) == 0);
}

TEST_CASE("a kept output is kept without its graph") {
  const Tensor x = testing::leaf({1, 2});
  const Tensor y = exp(x);
  const Ref<Node> node = grad_fn(y);
  REQUIRE(node->saved.size() > 0);
  for (const SavedTensor& s : node->saved)
    if (s.defined()) CHECK_FALSE(static_cast<bool>(s.peek()->grad_fn));
  CHECK(node->ref_count() == 2);  // y's and this one: no cycle
}

TEST_CASE("the same derivative in kernels and in recorded operations") {
  for (double value : {-1.5, 0.25, 2.0}) {
    const Tensor x = testing::leaf({value});
    const Tensor y = tanh(exp(x) * x) / (x * x + 1.);
    const BackwardOptions plain{.retain_graph = true, .accumulate = false};
    const BackwardOptions recorded{.retain_graph = true, .create_graph = true, .accumulate = false};
    const Tensors inputs{x};
    const Tensors a = run_backward({y}, {Tensor()}, inputs, plain);
    const Tensors b = run_backward({y}, {Tensor()}, inputs, recorded);
    CHECK(testing::elements(a[0])[0] == doctest::Approx(testing::elements(b[0])[0]).epsilon(1e-14));
    CHECK(requires_grad(b[0]));
    CHECK_FALSE(requires_grad(a[0]));
  }
}

TEST_SUITE_END();
