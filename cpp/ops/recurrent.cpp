// Recurrent networks: layers over layers, in one or both directions, of padded or packed sequences.
#include "ops/recurrent.h"

namespace bx {

namespace recurrent {
namespace {

struct Network {
  Cell kind;
  bool biases;
  int64_t layers;
  double dropout;
  bool train, bidirectional;
};

/// The kernels read the states by the sizes of the steps.
void check_states(const Network& net, int64_t cells, int64_t batch, const Tensor& h,
                  const Tensor& c) {
  const char* op = kNames[static_cast<int>(net.kind)];
  const bool lstm = net.kind == Cell::Lstm;
  for (const auto& [name, t] : {std::pair{"h", &h}, {"c", lstm ? &c : &h}})
    if (t->dim() != 3 || t->size(0) != cells || t->size(1) != batch)
      fail_runtime(op, "the initial state ", name, " has shape ", t->shape(), "; expected (", cells,
                   ", ", batch, ", size): layers times directions, and the batch");
}

/// x [rows, features], h and c [layers * directions, batch, ...]: all layers, one after the other.
Result network(const Network& net, Tensor x, Steps steps, const Tensor& h, const Tensor& c,
               const Tensors& weights) {
  const char* op = kNames[static_cast<int>(net.kind)];
  const int directions = net.bidirectional ? 2 : 1;
  const auto cells = static_cast<size_t>(net.layers * directions);
  if (steps.count() == 0) fail_runtime(op, "a sequence of length 0; expected 1 step or more");
  check_states(net, static_cast<int64_t>(cells), steps.at(1), h, c);
  const bool projects = net.kind == Cell::Lstm && h.size(2) != c.size(2);
  const size_t each = 2 + (net.biases ? 2 : 0) + (projects ? 1 : 0);
  if (weights.size() != cells * each)
    fail_runtime(op, weights.size(), " weights for ", cells, " layers and directions of ", each,
                 " each; pass ", cells * each);
  const int64_t gates = net.kind == Cell::Lstm ? 4 : net.kind == Cell::Gru ? 3 : 1;
  const int64_t rows = gates * (c.defined() ? c : h).size(2);
  Tensors last_h, last_c;
  for (int64_t l = 0; l < net.layers; ++l) {
    Tensors sides;
    for (int d = 0; d < directions; ++d) {
      const auto place = static_cast<size_t>(l * directions + d);
      const Tensor* w = &weights[place * each];
      for (int k = 0; k < 2; ++k)
        if (w[k].dim() != 2 || w[k].size(0) != rows)
          fail_runtime(op, "a weight of layer ", l, " has shape ", w[k].shape(), "; expected (",
                       rows, ", features), a row for each gate and state");
      Layer in{x, select_axis(h, 0, static_cast<int64_t>(place)), {}, w[0], w[1], {}, {}, {}};
      if (net.kind == Cell::Lstm) in[C0] = select_axis(c, 0, static_cast<int64_t>(place));
      if (net.biases) {
        in[Bih] = w[2];
        in[Bhh] = w[3];
      }
      if (projects) in[Whr] = w[each - 1];
      steps.reverse = d == 1;
      const Result r = layer(net.kind, in, steps);
      sides.push_back(r.out);
      last_h.push_back(r.h);
      if (r.c.defined()) last_c.push_back(r.c);
    }
    x = directions == 2 ? cat(sides, 1) : sides[0];
    if (net.train && l + 1 < net.layers) x = dropout(x, net.dropout, true);
  }
  return {x, stack(last_h, 0), last_c.empty() ? Tensor() : stack(last_c, 0)};
}

void check_input(const char* op, const Tensor& x, const Tensors& weights, int dims) {
  if (!is_floating(x.dtype()))
    fail_runtime(op, "input is ", name_of(x.dtype()), "; expected a floating-point type");
  if (x.dim() != dims)
    fail_runtime(op, "input has shape ", x.shape(), "; expected ", dims, " dimensions");
  if (weights.empty() || weights[0].dim() != 2 || weights[0].size(1) != x.size(dims - 1))
    fail_runtime(op, "input of shape ", x.shape(), " against a first weight of shape ",
                 weights.empty() ? Dims{} : weights[0].shape(),
                 "; the last dimension must be the features of the input");
}

/// input [time, batch, features], or [batch, time, features] with batch_first.
Result padded(const Network& net, const Tensor& input, const Tensor& h, const Tensor& c,
              const Tensors& weights, bool batch_first) {
  const char* op = kNames[static_cast<int>(net.kind)];
  check_input(op, input, weights, 3);
  const Tensor x = batch_first ? transpose(input, 0, 1) : input;
  const int64_t time = x.size(0), batch = x.size(1);
  Steps steps;
  for (int64_t t = 1; t <= time; ++t) steps.begin.push_back(t * batch);
  Result r = network(net, reshape(x, {time * batch, x.size(2)}), steps, h, c, weights);
  r.out = view(r.out, {time, batch, r.out.size(1)});
  // PyTorch's names: an LSTM in float32 without projections is one operation of another library.
  const bool one = net.kind == Cell::Lstm && x.dtype() == DType::Float32 && h.size(2) == c.size(2);
  named(net.bidirectional ? "CatBackward0"
        : one             ? "MkldnnRnnLayerBackward0"
                          : "StackBackward0",
        r.out);
  if (batch_first)
    r.out = named(net.kind == Cell::Lstm ? "TransposeBackward0" : "TransposeBackward1",
                  transpose(r.out, 0, 1));
  return r;
}

/// data [rows, features]: the steps one after the other, batch_sizes rows in each.
Result packed(const Network& net, const Tensor& data, const Tensor& batch_sizes, const Tensor& h,
              const Tensor& c, const Tensors& weights) {
  const char* op = kNames[static_cast<int>(net.kind)];
  check_input(op, data, weights, 2);
  if (batch_sizes.dim() != 1 || batch_sizes.dtype() != DType::Int64)
    fail_runtime(op, "batch_sizes are ", name_of(batch_sizes.dtype()), " of shape ",
                 batch_sizes.shape(), "; expected int64 in one dimension");
  Steps steps;
  const Tensor sizes = contiguous(batch_sizes);
  int64_t before = h.size(1);
  for (int64_t t = 0; t < sizes.numel(); ++t) {
    const int64_t n = sizes.data<int64_t>()[t];
    if (n < 1 || n > before)
      fail_runtime(op, "batch_sizes[", t, "] is ", n, "; expected 1 to ", before,
                   ", the size before");
    steps.begin.push_back(steps.rows() + n);
    before = n;
  }
  if (steps.rows() != data.size(0))
    fail_runtime(op, "batch_sizes add up to ", steps.rows(), ", the data has ", data.size(0),
                 " rows; they must be equal");
  Result r = network(net, data, steps, h, c, weights);
  if (!net.bidirectional) r.out = unsafe_view("CatBackward0", view(r.out, r.out.shape()));
  return r;
}

Tensors results(const Result& r) {
  return r.c.defined() ? Tensors{r.out, r.h, r.c} : Tensors{r.out, r.h};
}

std::pair<Tensor, Tensor> lstm_states(const Tensors& hx) {
  if (hx.size() != 2) fail_runtime("lstm", "hx holds ", hx.size(), " tensors; expected h and c");
  return {hx[0], hx[1]};
}

template <Cell kind>
void register_network(Registry& r, const char* doc) {
  const char* name = kNames[static_cast<int>(kind)];
  const char* rest = "params, has_biases, num_layers, dropout, train, bidirectional";
  if constexpr (kind == Cell::Lstm) {
    r.function(
        name, str("input, hx, ", rest, ", batch_first").c_str(),
        [](const Tensor& x, const Tensors& hx, const Tensors& w, bool biases, int64_t layers,
           double dropout, bool train, bool both, bool batch_first) {
          const auto [h, c] = lstm_states(hx);
          return results(
              padded({kind, biases, layers, dropout, train, both}, x, h, c, w, batch_first));
        },
        doc);
    r.function(
        name, str("data, batch_sizes, hx, ", rest).c_str(),
        [](const Tensor& x, const Tensor& sizes, const Tensors& hx, const Tensors& w, bool biases,
           int64_t layers, double dropout, bool train, bool both) {
          const auto [h, c] = lstm_states(hx);
          return results(packed({kind, biases, layers, dropout, train, both}, x, sizes, h, c, w));
        },
        "");
  } else {
    r.function(
        name, str("input, hx, ", rest, ", batch_first").c_str(),
        [](const Tensor& x, const Tensor& h, const Tensors& w, bool biases, int64_t layers,
           double dropout, bool train, bool both, bool batch_first) {
          return results(
              padded({kind, biases, layers, dropout, train, both}, x, h, {}, w, batch_first));
        },
        doc);
    r.function(
        name, str("data, batch_sizes, hx, ", rest).c_str(),
        [](const Tensor& x, const Tensor& sizes, const Tensor& h, const Tensors& w, bool biases,
           int64_t layers, double dropout, bool train, bool both) {
          return results(packed({kind, biases, layers, dropout, train, both}, x, sizes, h, {}, w));
        },
        "");
  }
}

/// One step: x [batch, features], or a single row without a batch.
Result single(Cell kind, const Tensor& x, const Tensor& h, const Tensor& c, const Tensor& w_ih,
              const Tensor& w_hh, const std::optional<Tensor>& b_ih,
              const std::optional<Tensor>& b_hh) {
  const char* op = kNames[static_cast<int>(kind)];
  check_input(op, x, {w_ih}, 2);
  if (h.dim() != 2 || h.size(0) != x.size(0) || h.size(1) != w_hh.size(1))
    fail_runtime(op, "hidden has shape ", h.shape(), "; expected ", Dims{x.size(0), w_hh.size(1)});
  if (c.defined() && !(c.shape() == h.shape()))
    fail_runtime(op, "c has shape ", c.shape(), ", h ", h.shape(), "; they must be equal");
  Steps steps;
  steps.begin.push_back(x.size(0));
  return layer(kind, {x, h, c, w_ih, w_hh, b_ih.value_or(Tensor()), b_hh.value_or(Tensor()), {}},
               steps);
}

template <Cell kind>
void register_cell(Registry& r, const char* name, const char* doc) {
  r.function(
      name, "input, hx, w_ih, w_hh, b_ih=None, b_hh=None",
      [](const Tensor& x, const Tensor& h, const Tensor& w_ih, const Tensor& w_hh,
         const std::optional<Tensor>& b_ih, const std::optional<Tensor>& b_hh) {
        constexpr auto last = kind == Cell::Tanh   ? "TanhBackward0"
                              : kind == Cell::Relu ? "ReluBackward0"
                                                   : "AddBackward0";
        return named(last, single(kind, x, h, {}, w_ih, w_hh, b_ih, b_hh).out);
      },
      doc);
}

}  // namespace
}  // namespace recurrent

void register_recurrent(Registry& r) {
  using namespace recurrent;
  register_network<Cell::Tanh>(r,
                               "h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), for all steps, "
                               "layers and directions: (output, h_n).");
  register_network<Cell::Relu>(r,
                               "h_t = max(0, W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), for all "
                               "steps, layers and directions: (output, h_n).");
  register_network<Cell::Lstm>(
      r,
      "c_t = f c_(t-1) + i g, h_t = o tanh(c_t), with the gates i, f, o = sigmoid and g = tanh of "
      "W_ih x_t + b_ih + W_hh h_(t-1) + b_hh: (output, h_n, c_n).");
  register_network<Cell::Gru>(
      r,
      "h_t = (1 - z) n + z h_(t-1), with the gates r, z = sigmoid of W_ih x_t + b_ih + W_hh "
      "h_(t-1) "
      "+ b_hh and n = tanh(W_in x_t + b_in + r (W_hn h_(t-1) + b_hn)): (output, h_n).");
  register_cell<Cell::Tanh>(r, "rnn_tanh_cell", "One step of rnn_tanh.");
  register_cell<Cell::Relu>(r, "rnn_relu_cell", "One step of rnn_relu.");
  register_cell<Cell::Gru>(r, "gru_cell", "One step of gru.");
  r.function(
      "lstm_cell", "input, hx, w_ih, w_hh, b_ih=None, b_hh=None",
      [](const Tensor& x, const Tensors& hx, const Tensor& w_ih, const Tensor& w_hh,
         const std::optional<Tensor>& b_ih, const std::optional<Tensor>& b_hh) {
        const auto [h, c] = lstm_states(hx);
        const Result result = single(Cell::Lstm, x, h, c, w_ih, w_hh, b_ih, b_hh);
        return std::pair{named("MulBackward0", result.out),
                         unsafe_view("AddBackward0", view(result.c, result.c.shape()))};
      },
      "One step of lstm: (h, c).");
}

}  // namespace bx
