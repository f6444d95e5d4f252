#include "autograd/engine.h"

#include "tools.h"

using namespace bx;
using testing::elements;
using testing::gradient;
using testing::leaf;
using testing::Values;

namespace {

void backward(const Tensor& root, bool retain = false, const Tensor& seed = {}) {
  run_backward({root}, {seed}, std::nullopt, {.retain_graph = retain});
}

}  // namespace

TEST_SUITE_BEGIN("engine");

TEST_CASE("branches add up, also where one input stands twice") {
  const Tensor x = leaf({2, 3});
  backward(sum(x * x + x * 3. + x));
  CHECK(gradient(x) == Values{8, 10});
  backward(sum(x + x));
  CHECK(gradient(x) == Values{10, 12});
}

TEST_CASE("a gradient that two inputs share is written by neither") {
  const Tensor a = leaf({1}), b = leaf({1}), seed = testing::from({1}, {1});
  const Tensor t = a * 5., u = b * 7., rest = t + u;
  const Tensor s = a + b;  // made last: its gradient, the same tensor for both, comes first
  backward(s + rest, false, seed);
  CHECK(gradient(a) == Values{6});
  CHECK(gradient(b) == Values{8});
  CHECK(elements(seed) == Values{1});
}

TEST_CASE("a gradient that is a view of another's memory is not written") {
  const Tensor x = leaf({1, 1, 1, 1}), other = leaf({1, 1, 1, 1});
  const Tensor square = reshape(other, {2, 2}), t = x * 5.;
  const Tensor s = reshape(x, {2, 2}) + square;
  backward(sum(s * 2.) + sum(t));
  CHECK(gradient(x) == Values{7, 7, 7, 7});
  CHECK(gradient(other) == Values{2, 2, 2, 2});
}

TEST_CASE("diamonds are walked once per node") {
  const Tensor x = leaf({1});
  Tensor y = x;
  for (int i = 0; i < 10'000; ++i) y = (y + y) / 2.;
  backward(y);
  CHECK(gradient(x) == Values{1});
}

TEST_CASE("a node runs by itself: nothing is freed, and no gradient changes") {
  const Tensor x = leaf({2, 3}), y = x * x;
  const Tensor g = testing::from({10, 100}, {2});
  for (int i = 0; i < 2; ++i) {
    const Tensors results = run_node(*grad_fn(y), {g});
    CHECK(elements(results[0]) == Values{20, 300});
    CHECK(elements(results[1]) == Values{20, 300});
  }
  CHECK(!x->grad);
  CHECK_THROWS_AS(run_node(*grad_fn(y), {g, g}), Error);
  backward(y, false, g);
  CHECK(gradient(x) == Values{40, 600});
  CHECK_THROWS_AS(run_node(*grad_fn(y), {g}), Error);
}

namespace {
int recorded_inputs, written, freed;
}  // namespace

TEST_CASE("who watches hears of nodes with their inputs, of writes, and of what is freed") {
  const Watch before = watch;
  recorded_inputs = written = freed = 0;
  watch.recorded = [](Node& node, std::span<const Tensor> inputs, std::span<const Tensor> outputs) {
    CHECK(node.edges.size() == static_cast<int>(inputs.size()));
    CHECK(outputs.size() == 1);
    recorded_inputs += static_cast<int>(inputs.size());
  };
  watch.writes = [](const char*, const Tensor&) { ++written; };
  watch.released = [](Node&) { ++freed; };
  watch.enabled = true;
  const Tensor x = leaf({2, 3});
  const Tensor y = sum(x * x);
  CHECK(recorded_inputs == 3);  // of the product, and of the sum
  const Tensor t = testing::from({1}, {1});
  const Tensor in[] = {t, t};
  pointwise_inplace(pointwise_op(formulas::row_index<formulas::Add>), in);
  CHECK(written == 1);
  backward(y);
  CHECK(freed == 2);
  watch = before;
  CHECK(!watch.enabled);
}

TEST_CASE("a million operations in a row are built, walked and freed") {
  const auto before = memory::stats().in_use;
  {
    const Tensor x = leaf({1});
    Tensor y = x;
    for (int i = 0; i < 1'000'000; ++i) y = y + 1.;
    backward(y);
    CHECK(gradient(x) == Values{1});
    for (int i = 0; i < 1'000'000; ++i) y = y * 1.;  // freed without a walk
  }
  CHECK(memory::stats().in_use == before);
}

TEST_CASE("kept values are freed by the walk, and a second walk says so") {
  const Tensor x = leaf({1, 2});
  const Tensor y = sum(exp(x));
  backward(y, true);
  backward(y);
  CHECK(gradient(x)[0] == doctest::Approx(2 * 2.718281828459045));
  const std::string text = testing::message([&] { backward(y); });
  CHECK(text.find("ExpBackward0") != std::string::npos);
  CHECK(text.find("retain_graph=True") != std::string::npos);
}

TEST_CASE("a walk that fails leaves every gradient as it was") {
  const Tensor x = leaf({1, 2}), w = leaf({3, 4});
  const Tensor h = exp(x), y = sum(h * w);
  h->storage->bump_version();
  CHECK(testing::kind_of_error([&] { backward(y); }) == ErrorKind::Runtime);
  CHECK_FALSE(static_cast<bool>(x->grad));
  CHECK(grad_enabled());
}

TEST_CASE("roots without a graph, of several elements, of another shape are errors") {
  const Tensor x = leaf({1, 2});
  CHECK(testing::kind_of_error([&] { backward(detach(x)); }) == ErrorKind::Runtime);
  CHECK(testing::kind_of_error([&] { backward(x * 2.); }) == ErrorKind::Runtime);
  CHECK(testing::kind_of_error([&] { backward(x * 2., false, testing::from({1, 1, 1}, {3})); }) ==
        ErrorKind::Runtime);
  CHECK_FALSE(static_cast<bool>(x->grad));
}

TEST_CASE("with inputs only what leads to them is computed, and returned") {
  const Tensor x = leaf({2}), w = leaf({3}), other = leaf({1});
  const Tensor y = x * w;
  const Tensors found =
      run_backward({y}, {Tensor()}, Tensors{w}, {.retain_graph = true, .accumulate = false});
  CHECK(elements(found[0]) == Values{2});
  CHECK_FALSE(static_cast<bool>(x->grad));
  CHECK_FALSE(static_cast<bool>(w->grad));
  BackwardOptions options{.retain_graph = true, .accumulate = false};
  CHECK(testing::kind_of_error([&] { run_backward({y}, {Tensor()}, Tensors{other}, options); }) ==
        ErrorKind::Runtime);
  options.allow_unused = true;
  CHECK_FALSE(run_backward({y}, {Tensor()}, Tensors{other}, options)[0].defined());
}

TEST_CASE("the gradient of a gradient") {
  const Tensor x = leaf({2});
  Tensor y = x * x * x * x;
  for (double expected : {32., 48., 48., 24.}) {
    y = run_backward({y}, {Tensor()}, Tensors{x},
                     {.retain_graph = true, .create_graph = true, .accumulate = false})[0];
    CHECK(elements(y) == Values{expected});
  }
}

TEST_CASE("writes through views reach the base's gradient") {
  const Tensor x = leaf({1, 2, 3, 4});
  const Tensor y = x * 1.;
  const Tensor part = slice(y, 0, 1, 3, 1);
  const Tensor in[] = {part, testing::from({10, 20}, {2})};
  pointwise_inplace(pointwise_op(formulas::row_index<formulas::Mul>), in);
  CHECK(elements(y) == Values{1, 20, 60, 4});
  backward(sum(y * y));
  CHECK(gradient(x) == Values{2, 2 * 20 * 10, 2 * 60 * 20, 8});
}

TEST_CASE("leaves and expanded memory are not written in place, but by one number") {
  const Tensor x = leaf({1, 2});
  CHECK(testing::kind_of_error([&] { zero_(x); }) == ErrorKind::Runtime);
  const Tensor one = testing::from({4}, {1}), wide = expand(one, {3});
  CHECK(testing::kind_of_error([&] { copy_(wide, testing::from({1, 2, 3}, {3})); }) ==
        ErrorKind::Runtime);
  CHECK(elements(one) == Values{4});
  zero_(wide);
  CHECK(elements(one) == Values{0});
  {
    GradMode off(false);
    zero_(x);
  }
  CHECK(elements(x) == Values{0, 0});
  CHECK(grad_enabled());
}

TEST_CASE("gradients sum over what was broadcast") {
  const Tensor row = leaf({1, 2, 3});
  const Tensor column = expand(reshape(leaf({1, 2}), {2, 1}), {2, 3});
  backward(sum(row * column));
  CHECK(gradient(row) == Values{3, 3, 3});
}

TEST_SUITE_END();
