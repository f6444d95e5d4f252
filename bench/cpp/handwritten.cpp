#include "handwritten.h"

#include <Eigen/Core>
#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace bx::bench {
namespace {

using Matrix = Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using RowVector = Eigen::RowVectorXf;
using ColVector = Eigen::VectorXf;
using Index = Eigen::Index;

/// One linear layer with the buffers of its step; `out` is after the activation, and `delta`, the
/// gradient before it, carries the learning rate from the loss on, so that no update scales again.
struct Layer {
  Matrix weight;
  RowVector bias;
  Matrix out;
  Matrix delta;
  RowVector bias_step;
};

/// `delta *= (out > 0)`; a plain loop, because Eigen 3.4 does not vectorise select.
void relu_backward(const Matrix& out, Matrix& delta) {
  const float* o = out.data();
  float* d = delta.data();
  for (Index i = 0, n = out.size(); i < n; ++i) d[i] = o[i] > 0.0F ? d[i] : 0.0F;
}

}  // namespace

class Mlp {
 public:
  Mlp(const std::vector<int>& widths, int batch, BxBenchActivation activation, BxBenchLoss loss,
      float learning_rate)
      : layers_(widths.size() - 1),
        x_(Matrix::Zero(batch, widths.front())),
        row_(batch),
        labels_(static_cast<std::size_t>(batch), 0),
        activation_(activation),
        loss_(loss),
        learning_rate_(learning_rate) {
    for (std::size_t i = 0; i < layers_.size(); ++i) {
      Layer& layer = layers_[i];
      layer.weight = Matrix::Zero(widths[i + 1], widths[i]);
      layer.bias = RowVector::Zero(widths[i + 1]);
      layer.bias_step = layer.bias;
      layer.out = Matrix::Zero(batch, widths[i + 1]);
      layer.delta = layer.out;
    }
    target_ = layers_.back().out;
  }

  Layer& layer(int i) { return layers_[static_cast<std::size_t>(i)]; }
  const Layer& layer(int i) const { return layers_[static_cast<std::size_t>(i)]; }

  void set_data(const float* inputs, const float* targets, const std::int64_t* labels) {
    std::copy_n(inputs, x_.size(), x_.data());
    if (loss_ == BX_BENCH_MSE) std::copy_n(targets, target_.size(), target_.data());
    if (loss_ == BX_BENCH_CROSS_ENTROPY) std::copy_n(labels, labels_.size(), labels_.data());
  }

  float step() {
    forward();
    const float loss = loss_ == BX_BENCH_MSE ? mse() : cross_entropy();
    backward_and_update();
    return loss;
  }

 private:
  void forward() {
    const Matrix* in = &x_;
    for (Layer& layer : layers_) {
      layer.out.noalias() = *in * layer.weight.transpose();
      // Row by row and in two passes: Eigen does not vectorise `(out.rowwise() + bias).tanh()`.
      for (Index row = 0; row < layer.out.rows(); ++row) layer.out.row(row) += layer.bias;
      if (&layer != &layers_.back()) {
        if (activation_ == BX_BENCH_TANH) {
          layer.out = layer.out.array().tanh();
        } else {
          layer.out = layer.out.cwiseMax(0.0F);
        }
      }
      in = &layer.out;
    }
  }

  /// `mean((z - t)^2)`,  delta = rate 2 (z - t) / n
  float mse() {
    Layer& last = layers_.back();
    const auto n = static_cast<float>(last.out.size());
    last.delta = last.out - target_;
    const float loss = last.delta.squaredNorm() / n;
    last.delta *= learning_rate_ * (2.0F / n);
    return loss;
  }

  /// `mean(log(sum(exp(z))) - z[label])`,  delta = rate (softmax(z) - onehot) / batch
  float cross_entropy() {
    Layer& last = layers_.back();
    Matrix& delta = last.delta;
    const Index batch = delta.rows();
    const float scale = 1.0F / static_cast<float>(batch);
    const float step = learning_rate_ * scale;
    row_ = last.out.rowwise().maxCoeff();
    delta = last.out.colwise() - row_;
    float loss = 0.0F;
    for (Index i = 0; i < batch; ++i) loss -= delta(i, labels_[static_cast<std::size_t>(i)]);
    delta = delta.array().exp();
    row_ = delta.rowwise().sum();
    loss += row_.array().log().sum();
    row_ = step * row_.cwiseInverse();
    delta.array().colwise() *= row_.array();
    for (Index i = 0; i < batch; ++i) delta(i, labels_[static_cast<std::size_t>(i)]) -= step;
    return loss * scale;
  }

  void backward_and_update() {
    for (std::size_t i = layers_.size(); i-- > 0;) {
      Layer& layer = layers_[i];
      if (i > 0) {
        Layer& below = layers_[i - 1];
        below.delta.noalias() = layer.delta * layer.weight;
        if (activation_ == BX_BENCH_TANH) {
          below.delta.array() *= 1.0F - below.out.array().square();
        } else {
          relu_backward(below.out, below.delta);
        }
      }
      const Matrix& in = i > 0 ? layers_[i - 1].out : x_;
      layer.weight.noalias() -= layer.delta.transpose() * in;
      // Row by row: Eigen's colwise().sum() walks a row-major matrix against its grain.
      layer.bias_step.setZero();
      for (Index row = 0; row < layer.delta.rows(); ++row) layer.bias_step += layer.delta.row(row);
      layer.bias -= layer.bias_step;
    }
  }

  std::vector<Layer> layers_;
  Matrix x_;
  Matrix target_;
  ColVector row_;
  std::vector<std::int64_t> labels_;
  BxBenchActivation activation_;
  BxBenchLoss loss_;
  float learning_rate_;
};

}  // namespace bx::bench

struct BxBenchMlp : bx::bench::Mlp {
  using Mlp::Mlp;
};

extern "C" {

BxBenchMlp* bx_bench_mlp_create(const std::int32_t* widths, std::int32_t layers, std::int32_t batch,
                                std::int32_t activation, std::int32_t loss, float learning_rate) {
  if (layers < 1 || batch < 1) return nullptr;
  const std::vector<int> sizes(widths, widths + layers + 1);
  if (std::any_of(sizes.begin(), sizes.end(), [](int size) { return size < 1; })) return nullptr;
  if (activation != BX_BENCH_TANH && activation != BX_BENCH_RELU) return nullptr;
  if (loss != BX_BENCH_MSE && loss != BX_BENCH_CROSS_ENTROPY) return nullptr;
  return std::make_unique<BxBenchMlp>(sizes, batch, static_cast<BxBenchActivation>(activation),
                                      static_cast<BxBenchLoss>(loss), learning_rate)
      .release();
}

void bx_bench_mlp_free(BxBenchMlp* mlp) { delete mlp; }

void bx_bench_mlp_set_layer(BxBenchMlp* mlp, std::int32_t layer, const float* weight,
                            const float* bias) {
  auto& l = mlp->layer(layer);
  std::copy_n(weight, l.weight.size(), l.weight.data());
  std::copy_n(bias, l.bias.size(), l.bias.data());
}

void bx_bench_mlp_get_layer(const BxBenchMlp* mlp, std::int32_t layer, float* weight, float* bias) {
  const auto& l = mlp->layer(layer);
  std::copy_n(l.weight.data(), l.weight.size(), weight);
  std::copy_n(l.bias.data(), l.bias.size(), bias);
}

void bx_bench_mlp_set_data(BxBenchMlp* mlp, const float* inputs, const float* targets,
                           const std::int64_t* labels) {
  mlp->set_data(inputs, targets, labels);
}

float bx_bench_mlp_run(BxBenchMlp* mlp, std::int64_t steps) {
  float loss = 0.0F;
  for (std::int64_t i = 0; i < steps; ++i) loss = mlp->step();
  return loss;
}

float bx_bench_scalar_run(float* weight, const float* x, const float* y, std::int32_t samples,
                          std::int64_t first, float learning_rate, std::int64_t steps) {
  float w = *weight;
  float loss = 0.0F;
  auto sample = static_cast<std::int32_t>(first % samples);
  for (std::int64_t i = 0; i < steps; ++i) {
    const float error = w * x[sample] - y[sample];
    loss = error * error;
    w -= learning_rate * (2.0F * error * x[sample]);
    if (++sample == samples) sample = 0;
  }
  *weight = w;
  return loss;
}

const char* bx_bench_build_info() {
  static const std::string info = std::string("Eigen ") + std::to_string(EIGEN_WORLD_VERSION) +
                                  "." + std::to_string(EIGEN_MAJOR_VERSION) + "." +
                                  std::to_string(EIGEN_MINOR_VERSION) + " (" +
                                  Eigen::SimdInstructionSetsInUse() + "), " +
#if defined(__clang__)
                                  "clang " + __clang_version__;
#elif defined(__GNUC__)
                                  "gcc " + __VERSION__;
#else
                                  "another compiler";
#endif
  return info.c_str();
}
}
