// The one door to the kernels: every layout against a loop over single elements.
#include <atomic>
#include <thread>

#include "launch/isa.h"
#include "launch/parallel.h"
#include "launch/pointwise_driver.h"
#include "tools.h"

using namespace bx;
using testing::counting;
using testing::elements;
using testing::Values;

namespace {

/// f of the elements of two tensors, broadcast, one by one.
template <class F>
Values by_hand(const Tensor& a, const Tensor& b, F f) {
  const Dims shape = broadcast_shapes("by_hand", a.shape(), b.shape());
  auto widened = [&](const Tensor& t) {
    return elements(alias(t, shape, broadcast_strides(t.shape(), t.strides(), shape), t->offset));
  };
  Values x = widened(a), y = widened(b), out;
  for (size_t i = 0; i < x.size(); ++i) out.push_back(f(x[i], y[i]));
  return out;
}

void check_layouts(const Tensor& a, const Tensor& b) {
  CAPTURE(a.shape());
  CAPTURE(a.strides());
  CAPTURE(b.shape());
  CAPTURE(b.strides());
  CHECK(elements(a * b) == by_hand(a, b, [](double x, double y) { return x * y; }));
  CHECK(elements(b - a) == by_hand(a, b, [](double x, double y) { return y - x; }));
}

}  // namespace

TEST_SUITE_BEGIN("launch");

TEST_CASE("strided, broadcast and periodic operands equal a plain loop") {
  for (DType dtype : {DType::Float32, DType::Float64, DType::Int32, DType::Int64}) {
    const Tensor m = counting({6, 8}, dtype), cube = counting({5, 4, 3}, dtype);
    const std::vector<Tensor> layouts = {
        m,
        slice(m, 0, 0, 6, 2),
        slice(m, 1, 1, 8, 3),
        slice(slice(m, 0, 1, 5, 2), 1, 0, 8, 2),
        transpose(counting({8, 6}, dtype), 0, 1),
        select_axis(m, 1, 3),
        cube,
        permute(cube, {2, 0, 1}),
        permute(counting({3, 4, 5}, dtype), {2, 1, 0}),
        diagonal(counting({8, 8}, dtype), 0, 0, 1),
    };
    for (const Tensor& a : layouts) {
      check_layouts(a, a);
      check_layouts(a, clone(a));
      check_layouts(a, wrapped_number(int64_t{3}, dtype));
      check_layouts(a, counting({a.size(-1)}, dtype));            // periodic
      check_layouts(a, expand(counting({1}, dtype), a.shape()));  // constant
      if (a.dim() > 1) {
        Dims column = a.shape();
        column[a.dim() - 1] = 1;
        check_layouts(a, counting(column, dtype));
        check_layouts(counting(column, dtype), counting({a.size(-1)}, dtype));
      }
    }
  }
}

TEST_CASE("sizes around the blocks of the driver, straight and not") {
  for (int64_t n : {1, 2, 31, 255, 1023, 1024, 1025, 2047, 2049, 5000, 140'000}) {
    const Tensor straight = counting({n}), gaps = slice(counting({2 * n}), 0, 0, 2 * n, 2);
    check_layouts(straight, gaps);
    check_layouts(gaps, wrapped_number(2., DType::Float64));
    if (n <= 5000) {
      check_layouts(counting({3, n}), counting({n}));
      check_layouts(counting({n, 3}), counting({n, 1}));
      check_layouts(transpose(counting({n, 3}), 0, 1), counting({n}));
    }
  }
}

TEST_CASE("outputs in any layout receive every element and nothing else") {
  const Tensor board = zeros({6, 8}, DType::Float64);
  const Tensor part = slice(slice(board, 0, 1, 6, 2), 1, 0, 8, 3);
  const Tensor source = counting(part.shape()) + 1.;
  copy_(part, source);
  CHECK(elements(part) == elements(source));
  double total = 0;
  for (double x : elements(board)) total += x;
  double expected = 0;
  for (double x : elements(source)) expected += x;
  CHECK(total == expected);
  const Tensor in[] = {part, source};
  pointwise_inplace(pointwise_op(formulas::row_index<formulas::Mul>), in);
  CHECK(elements(part) == by_hand(source, source, [](double x, double y) { return x * y; }));
}

TEST_CASE("a list of kernels runs block by block in order") {
  // out = (a + b) * b over a strided a and a constant b, the sum in a buffer between.
  const int64_t n = 3000;
  const Tensor a = slice(counting({2 * n}), 0, 0, 2 * n, 2), b = wrapped_number(2., DType::Float64);
  const Tensor between = empty({n}, DType::Float64), out = empty({n}, DType::Float64);
  auto operand = [&](const Tensor& t, bool is_output) {
    return PointwiseOperand{static_cast<char*>(t.raw()), 8, !is_output, is_output,
                            broadcast_strides(t.shape(), t.strides(), {n})};
  };
  PointwiseOperand operands[] = {operand(out, true), operand(between, true), operand(a, false),
                                 operand(b, false)};
  const double none[2] = {};
  const PointwiseStep steps[] = {
      {row_kernel(formulas::row_index<formulas::Add>, 0, DType::Float64).pointwise,
       none,
       1,
       2,
       {2, 3}},
      {row_kernel(formulas::row_index<formulas::Mul>, 0, DType::Float64).pointwise,
       none,
       0,
       2,
       {1, 3}}};
  kernels::FaultInfo fault;
  const auto expected = by_hand(a, b, [](double x, double y) { return (x + y) * y; });
  PointwisePlan({n}, operands, steps).run(&fault);
  CHECK(elements(out) == expected);
  // The same without memory for what lies between.
  fill_(out, wrapped_number(0., DType::Float64));
  fill_(between, wrapped_number(0., DType::Float64));
  PointwiseOperand again[] = {operand(out, true), operand(between, true), operand(a, false),
                              operand(b, false)};
  again[1].layout = Layout::Scratch;
  PointwisePlan({n}, again, steps).run(&fault);
  CHECK(elements(out) == expected);
  CHECK(elements(between) == elements(zeros({n}, DType::Float64)));
}

TEST_CASE("an empty launch touches nothing and a kernel that is missing says so") {
  CHECK(elements(zeros({0, 3}, DType::Float64) * zeros({3}, DType::Float64)).empty());
  CHECK(testing::kind_of_error([] { softmax(zeros({2}, DType::Int64), 0, std::nullopt); }) !=
        ErrorKind::Index);
  const std::string text = testing::message(
      [] { launch("probe", kernels::Kernel{}, zeros({1}, DType::Bool), zeros({1}, DType::Bool)); });
  CHECK(text.find("[probe] not implemented for bool") == 0);
}

TEST_CASE("faults inside kernels become errors after the kernel") {
  const Tensor one = counting({4}, DType::Int64), zero = zeros({4}, DType::Int64);
  CHECK(testing::message([&] {
          apply<formulas::FloorDivide>(one, zero);
        }).find("integer division by zero") != std::string::npos);
  const Tensor far = testing::from({0, 9}, {2}, DType::Int64);
  CHECK(testing::kind_of_error([&] { index(one, {far}); }) == ErrorKind::OutOfRange);
}

TEST_CASE("pieces of parallel_for cover the range once, nested and after a change of threads") {
  const int before = num_threads();
  for (int threads : {1, 2, 4}) {
    set_num_threads(threads);
    struct Context {
      std::vector<std::atomic<int>> hits;
    } context{std::vector<std::atomic<int>>(1000)};
    parallel_for(
        1000, 10,
        [](void* c, int64_t begin, int64_t end) {
          for (int64_t i = begin; i < end; ++i) ++static_cast<Context*>(c)->hits[size_t(i)];
          parallel_for(5, 1, [](void*, int64_t, int64_t) {}, nullptr);
        },
        &context);
    bool once = true;
    for (const auto& h : context.hits) once = once && h == 1;
    CHECK(once);
  }
  CHECK(testing::kind_of_error([] { set_num_threads(0); }) == ErrorKind::Runtime);
  set_num_threads(before);
}

TEST_CASE("two threads of the program may launch at once") {
  set_num_threads(2);
  std::atomic<int> right{0};
  auto work = [&] {
    for (int i = 0; i < 5; ++i) {
      const Tensor t = sum(full({300'000}, 1., DType::Float32) * 2.);
      right += item_double(t) == 600'000;
    }
  };
  std::thread a(work), b(work);
  a.join();
  b.join();
  CHECK(right == 10);
}

TEST_CASE("an instruction set is loaded and among those that can be used") {
  const auto usable = usable_isas();
  REQUIRE_FALSE(usable.empty());
  CHECK(std::find(usable.begin(), usable.end(), kernel_table().isa) != usable.end());
  CHECK(kernel_table().rows == formulas::kRowCount);
}

TEST_SUITE_END();
