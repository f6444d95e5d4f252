// The limit that the package chases: training steps written by hand on Eigen, with no tape, no
// Python and no allocation of their own in the step. A C interface, so that the Python bench runs
// the very same code in its own process.

#pragma once

#include <cstdint>

#if defined(_WIN32)
#define BX_BENCH_API __declspec(dllexport)
#else
#define BX_BENCH_API __attribute__((visibility("default")))
#endif

extern "C" {

struct BxBenchMlp;

enum BxBenchActivation : std::int32_t { BX_BENCH_TANH = 0, BX_BENCH_RELU = 1 };
enum BxBenchLoss : std::int32_t { BX_BENCH_MSE = 0, BX_BENCH_CROSS_ENTROPY = 1 };

/// A fully connected net of `layers` linear layers, `widths[0]` inputs to `widths[layers]` outputs,
/// the activation between them, the loss averaged as PyTorch does, plain SGD. Null if a size is
/// not positive or the activation or loss is unknown.
BX_BENCH_API BxBenchMlp* bx_bench_mlp_create(const std::int32_t* widths, std::int32_t layers,
                                             std::int32_t batch, std::int32_t activation,
                                             std::int32_t loss, float learning_rate);
BX_BENCH_API void bx_bench_mlp_free(BxBenchMlp* mlp);

/// Copies a layer's weight (out, in) and bias (out) in or out.
BX_BENCH_API void bx_bench_mlp_set_layer(BxBenchMlp* mlp, std::int32_t layer, const float* weight,
                                         const float* bias);
BX_BENCH_API void bx_bench_mlp_get_layer(const BxBenchMlp* mlp, std::int32_t layer, float* weight,
                                         float* bias);

/// Copies the batch in: inputs (batch, widths[0]) and, by the loss, targets (batch, outputs) or
/// labels (batch).
BX_BENCH_API void bx_bench_mlp_set_data(BxBenchMlp* mlp, const float* inputs, const float* targets,
                                        const std::int64_t* labels);

/// Runs training steps and returns the loss of the last one.
BX_BENCH_API float bx_bench_mlp_run(BxBenchMlp* mlp, std::int64_t steps);

/// `loss = (x w - y)^2`, one sample a step in turn, starting at sample `first`; updates `*weight`
/// and returns the loss of the last step.
BX_BENCH_API float bx_bench_scalar_run(float* weight, const float* x, const float* y,
                                       std::int32_t samples, std::int64_t first,
                                       float learning_rate, std::int64_t steps);

/// The compiler, Eigen's version and the instruction sets that this library was built with.
BX_BENCH_API const char* bx_bench_build_info();
}
