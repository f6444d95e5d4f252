#include <cstring>
#include <set>
#include <thread>

#include "core/inline_vector.h"
#include "core/memory.h"
#include "core/random.h"
#include "tools.h"

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kPools = false;
#else
constexpr bool kPools = true;
#endif

using namespace bx;
using bx::testing::kind_of_error;
using bx::testing::message;

TEST_SUITE_BEGIN("core");

TEST_CASE("Dims grow, shrink and print as Python's tuples") {
  Dims d{2, 3, 4};
  CHECK(d.product() == 24);
  CHECK(str(d) == "(2, 3, 4)");
  d.insert(1, 7);
  CHECK(str(d) == "(2, 7, 3, 4)");
  d.erase(0);
  CHECK(str(d) == "(7, 3, 4)");
  d.resize(1);
  CHECK(str(d) == "(7,)");
  CHECK(str(Dims{}) == "()");
  CHECK(Dims{}.product() == 1);
  CHECK(Dims(3, 1) == Dims{1, 1, 1});
  CHECK_FALSE(Dims{1, 2} == Dims{1, 2, 3});
  Dims full(kMaxDims, 1);
  CHECK(kind_of_error([&] { full.push_back(1); }) == ErrorKind::Runtime);
  CHECK(full.size() == kMaxDims);
}

TEST_CASE("strides are row-major, also around sizes of 0 and 1") {
  CHECK(contiguous_strides({2, 3, 4}) == Dims{12, 4, 1});
  CHECK(contiguous_strides({}) == Dims{});
  CHECK(contiguous_strides({3, 0, 2}) == Dims{2, 2, 1});
  CHECK(is_contiguous({2, 1, 3}, {3, 99, 1}));
  CHECK_FALSE(is_contiguous({2, 3}, {1, 2}));
  CHECK(is_contiguous({2, 0}, {7, 7}));
}

TEST_CASE("shapes broadcast as NumPy's do") {
  CHECK(broadcast_shapes("op", {2, 3}, {2, 3}) == Dims{2, 3});
  CHECK(broadcast_shapes("op", {3}, {2, 3}) == Dims{2, 3});
  CHECK(broadcast_shapes("op", {4, 1, 3}, {2, 1}) == Dims{4, 2, 3});
  CHECK(broadcast_shapes("op", {}, {5}) == Dims{5});
  CHECK(broadcast_shapes("op", {1}, {0}) == Dims{0});
  CHECK(broadcast_shapes("op", {0, 1}, {1, 3}) == Dims{0, 3});
  const std::string text = message([] { broadcast_shapes("op", {2, 3}, {4}); });
  for (const char* part : {"[op]", "(2, 3)", "(4,)", "3", "4"})
    CHECK(text.find(part) != std::string::npos);
  CHECK(kind_of_error([] { broadcast_shapes("op", {2}, {0}); }) == ErrorKind::Runtime);
  CHECK(broadcast_strides({3, 1}, {1, 1}, {2, 3, 4}) == Dims{0, 1, 0});
  CHECK(broadcast_strides({1}, {1}, {1}) == Dims{1});
}

TEST_CASE("axes wrap and repeats are refused") {
  CHECK(wrap_axis("op", -1, 3) == 2);
  CHECK(wrap_axis("op", 0, 0) == 0);
  CHECK(wrap_axis("op", -1, 0) == 0);
  CHECK(kind_of_error([] { wrap_axis("op", 3, 3); }) == ErrorKind::Index);
  CHECK(kind_of_error([] { wrap_axis("op", 1, 0); }) == ErrorKind::Index);
  CHECK(wrap_axes("op", {-1, 0}, 2) == Dims{1, 0});
  CHECK(wrap_axes("op", {}, 3) == Dims{0, 1, 2});
  CHECK(kind_of_error([] { wrap_axes("op", {0, -2}, 2); }) == ErrorKind::Runtime);
}

TEST_CASE("sizes that overflow or are negative are errors, zero is not") {
  CHECK(checked_numel("op", {2, 3}) == 6);
  CHECK(checked_numel("op", {int64_t{1} << 62, 0}) == 0);
  CHECK(kind_of_error([] { checked_numel("op", {int64_t{1} << 40, int64_t{1} << 40}); }) ==
        ErrorKind::Runtime);
  CHECK(kind_of_error([] { checked_numel("op", {0, -1}); }) == ErrorKind::Runtime);
}

TEST_CASE("an inline vector moves to the heap and keeps its elements") {
  InlineVector<std::string, 2> v;
  for (int i = 0; i < 100; ++i) v.push_back("element number " + std::to_string(i));
  CHECK(v.size() == 100);
  CHECK(v[0] == "element number 0");
  CHECK(v[99] == "element number 99");
  v.clear();
  CHECK(v.empty());
  v.push_back("again");
  CHECK(v[0] == "again");
}

TEST_CASE("blocks are aligned, counted and found again") {
  const auto before = memory::stats();
  for (size_t bytes : {size_t{1}, size_t{63}, size_t{64}, size_t{4096}, size_t{4097},
                       size_t{100'000}, size_t{5} << 20}) {
    void* p = memory::take(bytes);
    CHECK(reinterpret_cast<uintptr_t>(p) % memory::kAlignment == 0);
    std::memset(p, 1, bytes);
    CHECK(memory::stats().in_use == before.in_use + static_cast<int64_t>(bytes));
    memory::give(p, bytes);
    if (kPools) {
      void* again = memory::take(bytes);
      CHECK(again == p);
      memory::give(again, bytes);
    }
  }
  CHECK(memory::stats().in_use == before.in_use);
}

TEST_CASE("the peak is the highest use, and the cache can be emptied") {
  memory::empty_cache();
  memory::reset_peak();
  const auto before = memory::stats();
  void* a = memory::take(1'000'000);
  void* b = memory::take(2'000'000);
  memory::give(a, 1'000'000);
  memory::give(b, 2'000'000);
  CHECK(memory::stats().peak == before.in_use + 3'000'000);
  if (kPools) CHECK(memory::stats().cached >= 3'000'000);
  memory::empty_cache();
  CHECK(memory::stats().cached == 0);
}

TEST_CASE("memory that cannot be had is an error that names the size") {
  const std::string text = message([] { memory::take(size_t{1} << 55); });
  CHECK(text.find("36028797018963968") != std::string::npos);
  CHECK(text.find("[memory]") == 0);
}

TEST_CASE("a block may be freed by another thread than took it") {
  const auto before = memory::stats().in_use;
  std::vector<Tensor> made(64);
  std::thread([&] {
    for (Tensor& t : made) t = empty({100}, DType::Float32);
  }).join();
  made.clear();
  std::thread([] { empty({100}, DType::Float32); }).join();
  CHECK(memory::stats().in_use == before);
}

namespace {
int alive = 0;
struct Link final : Object {
  Link() { ++alive; }
  ~Link() override { --alive; }
  void last_release() override { destroy_flat(this); }
  Ref<Link> next, other;
};
}  // namespace

TEST_CASE("a reference counts owners") {
  {
    Ref<Link> a = make<Link>();
    CHECK(a->ref_count() == 1);
    Ref<Link> b = a;
    CHECK(a->ref_count() == 2);
    Ref<Link> c = std::move(b);
    CHECK_FALSE(static_cast<bool>(b));
    CHECK(a->ref_count() == 2);
    c = nullptr;
    CHECK(a->ref_count() == 1);
    a = a;
    CHECK(a->ref_count() == 1);
    Link* bare = a.detach();
    CHECK(alive == 1);
    bare->release();
  }
  CHECK(alive == 0);
}

TEST_CASE("a chain of a million objects is destroyed without recursion") {
  Ref<Link> head;
  for (int i = 0; i < 1'000'000; ++i) {
    Ref<Link> link = make<Link>();
    link->next = head;
    if (i % 3 == 0) link->other = head;
    head = link;
  }
  CHECK(alive == 1'000'000);
  head = nullptr;
  CHECK(alive == 0);
}

TEST_CASE("promotion follows the order of the types") {
  CHECK(promote(DType::Bool, DType::Int32) == DType::Int32);
  CHECK(promote(DType::Float32, DType::Int64) == DType::Float32);
  CHECK(promote(DType::Float64, DType::Float32) == DType::Float64);
  const Tensor wide = empty({2}, DType::Int32), zero_d = empty({}, DType::Float64);
  const Tensor number = wrapped_number(1.5, DType::Float64);
  const Tensor a[] = {wide, zero_d}, b[] = {wide, number};
  CHECK(result_type(a, 2) == DType::Float64);
  CHECK(result_type(b, 2) == default_dtype());
}

TEST_CASE("a borrowed storage tells its owner once, after the last tensor") {
  int told = 0;
  double data[4] = {1, 2, 3, 4};
  {
    auto storage = make<Storage>(data, 32, [&] { ++told; });
    Tensor t(make<TensorImpl>(storage, 0, Dims{4}, Dims{1}, DType::Float64));
    storage = nullptr;
    const Tensor view = slice(t, 0, 1, 3, 1);
    t = Tensor();
    CHECK(told == 0);
    CHECK(bx::testing::elements(view) == bx::testing::Values{2, 3});
  }
  CHECK(told == 1);
}

TEST_CASE("a generator's state continues its stream") {
  Generator g(7), h(7), other(8);
  CHECK(g.random() == h.random());
  CHECK(g.random64() != other.random64());
  g.normal();
  const std::string state = g.state();
  const double a = g.normal(), b = g.uniform_double();
  g.set_state(state);
  CHECK(g.normal() == a);
  CHECK(g.uniform_double() == b);
  CHECK(kind_of_error([&] { g.set_state("nonsense"); }) == ErrorKind::Runtime);
}

TEST_SUITE_END();
