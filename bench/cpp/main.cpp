// The hand-written steps under Google Benchmark, on drawn data: `items_per_second` is steps.

#include <benchmark/benchmark.h>

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "handwritten.h"

namespace bx::bench {
namespace {

struct Net {
  const char* name;
  std::vector<std::int32_t> widths;
  std::int32_t batch;
  BxBenchActivation activation;
  BxBenchLoss loss;
};

// The same nets as in ../problems.py.
const Net kNets[] = {
    {"mlp 4-32-1, batch 16", {4, 32, 1}, 16, BX_BENCH_TANH, BX_BENCH_MSE},
    {"mlp 2-16-16-1, batch 100", {2, 16, 16, 1}, 100, BX_BENCH_TANH, BX_BENCH_MSE},
    {"mlp 64-128-10, batch 64", {64, 128, 10}, 64, BX_BENCH_RELU, BX_BENCH_CROSS_ENTROPY},
    {"mlp 784-512-512-10, batch 128",
     {784, 512, 512, 10},
     128,
     BX_BENCH_RELU,
     BX_BENCH_CROSS_ENTROPY},
    {"mlp 1024 x 4 layers, batch 1024",
     {1024, 1024, 1024, 1024, 1024},
     1024,
     BX_BENCH_RELU,
     BX_BENCH_MSE},
};

std::vector<float> draw(std::mt19937& generator, std::int64_t n, float bound) {
  std::uniform_real_distribution<float> uniform(-bound, bound);
  std::vector<float> values(static_cast<std::size_t>(n));
  for (float& value : values) value = uniform(generator);
  return values;
}

void run_mlp(benchmark::State& state, const Net& net) {
  std::mt19937 generator(0);
  const auto layers = static_cast<std::int32_t>(net.widths.size()) - 1;
  const std::unique_ptr<BxBenchMlp, decltype(&bx_bench_mlp_free)> mlp(
      bx_bench_mlp_create(net.widths.data(), layers, net.batch, net.activation, net.loss, 0.01F),
      &bx_bench_mlp_free);
  for (std::int32_t i = 0; i < layers; ++i) {
    const std::int64_t fan_in = net.widths[static_cast<std::size_t>(i)];
    const std::int64_t fan_out = net.widths[static_cast<std::size_t>(i) + 1];
    const auto weight =
        draw(generator, fan_in * fan_out, std::sqrt(3.0F / static_cast<float>(fan_in)));
    const auto bias = draw(generator, fan_out, 0.1F);
    bx_bench_mlp_set_layer(mlp.get(), i, weight.data(), bias.data());
  }
  const std::int64_t batch = net.batch;
  const std::int64_t outputs = net.widths.back();
  const auto inputs = draw(generator, batch * net.widths.front(), 1.0F);
  const auto targets = draw(generator, batch * outputs, 1.0F);
  std::vector<std::int64_t> labels(static_cast<std::size_t>(batch));
  for (auto& label : labels) label = static_cast<std::int64_t>(generator() % outputs);
  bx_bench_mlp_set_data(mlp.get(), inputs.data(), targets.data(), labels.data());
  for (auto _ : state) benchmark::DoNotOptimize(bx_bench_mlp_run(mlp.get(), 1));
  state.SetItemsProcessed(state.iterations());
}

void run_scalar(benchmark::State& state) {
  const std::vector<float> x = {1, 2, 3, 4, 5, 6, 7, 8, 9};
  const std::vector<float> y = {3, 6, 9, 12, 15, 18, 21, 24, 27};
  constexpr std::int64_t kSteps = 900;
  float weight = 1.0F;
  for (auto _ : state) {
    benchmark::DoNotOptimize(bx_bench_scalar_run(&weight, x.data(), y.data(), 9, 0, 0.01F, kSteps));
  }
  state.SetItemsProcessed(state.iterations() * kSteps);
}

}  // namespace
}  // namespace bx::bench

int main(int argc, char** argv) {
  benchmark::AddCustomContext("handwritten", bx_bench_build_info());
  benchmark::RegisterBenchmark("scalar step (900 of them)", &bx::bench::run_scalar);
  for (const auto& net : bx::bench::kNets) {
    benchmark::RegisterBenchmark(net.name, [&net](benchmark::State& state) {
      bx::bench::run_mlp(state, net);
    })->Unit(benchmark::kMicrosecond);
  }
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 1;
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  return 0;
}
