// Recurrent networks. A layer walked in one direction is one node: its forward pass keeps the gates
// of every step, its backward pass walks the steps once and then needs one product per weight. The
// derivative of that derivative comes from the same layer written in recorded operations (unroll).
// [Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014; projections: Sak et al. 2014]
#include <array>

#include "autograd/engine.h"
#include "ops/ops.h"

namespace bx {

using kernels::Id;

namespace {

enum class Cell { Tanh, Relu, Lstm, Gru };

constexpr const char* kNames[] = {"rnn_tanh", "rnn_relu", "lstm", "gru"};
constexpr const char* kNodes[] = {"RnnTanhBackward0", "RnnReluBackward0", "LstmBackward0",
                                  "GruBackward0"};

/// The tensors of one layer in one direction, in the order of the node's edges.
enum Slot { X, H0, C0, Wih, Whh, Bih, Bhh, Whr, Slots };
using Layer = std::array<Tensor, Slots>;

/// out [rows, features] of all steps, last h and c [batch, ...].
struct Result {
  Tensor out, h, c;
};

/// Step t has the rows begin[t] .. begin[t + 1]; sizes never grow with t.
struct Steps {
  std::vector<int64_t> begin{0};
  bool reverse = false;

  int64_t count() const { return static_cast<int64_t>(begin.size()) - 1; }
  int64_t rows() const { return begin.back(); }
  int64_t size(int64_t t) const {
    return begin[static_cast<size_t>(t) + 1] - begin[static_cast<size_t>(t)];
  }
  int64_t at(int64_t t) const { return begin[static_cast<size_t>(t)]; }
  /// The k-th step that is computed.
  int64_t step(int64_t k) const { return reverse ? count() - 1 - k : k; }
};

std::optional<Tensor> optional_of(const Tensor& t) {
  return t.defined() ? std::optional(t) : std::nullopt;
}

/// Rows of a contiguous matrix, not recorded.
Tensor rows(const Tensor& t, int64_t first, int64_t count) {
  return alias(t, {count, t.size(1)}, {t.size(1), 1}, t->offset + first * t.size(1));
}
void write(const Tensor& target, const Tensor& source) {
  launch("copy", kernel(Id::Copy, target.dtype()), target, source);
}

// In recorded operations ---------------------------------------------------------------------

Tensor gate(const Tensor& sums, int64_t k, int64_t hidden) {
  return slice(sums, 1, k * hidden, (k + 1) * hidden, 1);
}

std::pair<Tensor, Tensor> cell(Cell kind, const Tensor& x, const Tensor& h, const Tensor& c,
                               const Layer& w) {
  const Tensor s = linear(h, w[Whh], optional_of(w[Bhh]));
  if (kind == Cell::Tanh) return {tanh(x + s), c};
  if (kind == Cell::Relu) {
    const Tensor sum = x + s;
    return {select(sum > 0., sum, zero(sum)), c};
  }
  if (kind == Cell::Gru) {
    const int64_t n = x.size(1) / 3;
    const Tensor r = sigmoid(gate(x, 0, n) + gate(s, 0, n));
    const Tensor z = sigmoid(gate(x, 1, n) + gate(s, 1, n));
    const Tensor candidate = tanh(gate(x, 2, n) + r * gate(s, 2, n));
    return {(h - candidate) * z + candidate, c};
  }
  const Tensor sums = x + s;
  const int64_t n = sums.size(1) / 4;
  const Tensor next =
      sigmoid(gate(sums, 1, n)) * c + sigmoid(gate(sums, 0, n)) * tanh(gate(sums, 2, n));
  const Tensor out = sigmoid(gate(sums, 3, n)) * tanh(next);
  return {w[Whr].defined() ? linear(out, w[Whr], std::nullopt) : out, next};
}

Result unroll(Cell kind, const Layer& w, const Steps& steps) {
  const Tensor x = linear(w[X], w[Wih], optional_of(w[Bih]));
  Tensor h = w[H0], c = w[C0];
  const int64_t batch = h.size(0);
  Tensors outs(static_cast<size_t>(steps.count()));
  // The rows of sequences that have not begun or have ended stay as they are.
  auto head = [&](const Tensor& t, int64_t n) {
    return n == batch || !t.defined() ? t : slice(t, 0, 0, n, 1);
  };
  auto joined = [&](const Tensor& t, const Tensor& before, int64_t n) {
    return n == batch || !t.defined() ? t : cat({t, slice(before, 0, n, batch, 1)}, 0);
  };
  for (int64_t k = 0; k < steps.count(); ++k) {
    const int64_t t = steps.step(k), n = steps.size(t);
    const Tensor part = slice(x, 0, steps.at(t), steps.at(t) + n, 1);
    const auto [next_h, next_c] = cell(kind, part, head(h, n), head(c, n), w);
    outs[static_cast<size_t>(t)] = next_h;
    h = joined(next_h, h, n);
    c = joined(next_c, c, n);
  }
  return {cat(outs, 0), h, c};
}

// Fused --------------------------------------------------------------------------------------

/// What the backward pass needs of every row: the state before it, its gates, and c after it (of
/// the LSTM) or the state's part of n (of the GRU).
struct Trace {
  Tensor h, c, gates, memory, unprojected;
};

Result forward(Cell kind, const Layer& w, const Steps& steps, Trace& trace) {
  const bool lstm = kind == Cell::Lstm, gated = lstm || kind == Cell::Gru;
  const Tensor x = linear(w[X], w[Wih], optional_of(w[Bih]));
  const int64_t n = steps.rows(), hidden = w[Whh].size(0) / (lstm ? 4 : gated ? 3 : 1);
  const DType dtype = x.dtype();
  Result r{empty({n, w[H0].size(1)}, dtype), clone(w[H0]), lstm ? clone(w[C0]) : Tensor()};
  trace.h = empty(r.out.shape(), dtype);
  if (gated) {
    trace.gates = empty({n, w[Whh].size(0)}, dtype);
    trace.memory = empty({n, hidden}, dtype);
  }
  if (lstm) trace.c = empty({n, hidden}, dtype);
  if (w[Whr].defined()) trace.unprojected = empty({n, hidden}, dtype);
  const Tensor raw = w[Whr].defined() ? trace.unprojected : r.out;
  Params params;
  params.i[0] = kind == Cell::Relu;
  for (int64_t k = 0; k < steps.count(); ++k) {
    const int64_t t = steps.step(k), at = steps.at(t), size = steps.size(t);
    auto now = [&](const Tensor& all) { return rows(all, at, size); };
    const Tensor h = rows(r.h, 0, size), part = now(x), h_raw = now(raw);
    write(now(trace.h), h);
    const Tensor s = linear(h, w[Whh], optional_of(w[Bhh]));
    if (!gated) {
      launch("rnn", kernel(Id::RnnCell, dtype), h_raw, {&part, &s}, params);
    } else {
      const Tensor gates = now(trace.gates), memory = now(trace.memory);
      const Tensor before = lstm ? rows(r.c, 0, size) : h;
      if (lstm) write(now(trace.c), before);
      launch(kNames[static_cast<int>(kind)], kernel(lstm ? Id::LstmCell : Id::GruCell, dtype),
             {&gates, &memory, &h_raw}, {&part, &s, &before});
      if (lstm) write(before, memory);
    }
    if (w[Whr].defined()) write(now(r.out), linear(h_raw, w[Whr], std::nullopt));
    write(h, now(r.out));
  }
  return r;
}

/// A gradient as a row-major matrix that may be written, zeros where none arrived.
Tensor gradient_of(const Tensor& g, const Tensor& like) {
  return g.defined() ? clone(g) : zeros(like.shape(), like.dtype());
}

void backward(Cell kind, const Layer& w, const Steps& steps, const Trace& trace, const Tensor& out,
              const Backward& b) {
  const bool lstm = kind == Cell::Lstm, gru = kind == Cell::Gru;
  const DType dtype = out.dtype();
  const Tensor g = b.grad(0).defined() ? contiguous(b.grad(0)) : zeros(out.shape(), dtype);
  const Tensor dh = gradient_of(b.grad(1), w[H0]);
  const Tensor dc = lstm ? gradient_of(b.grad(2), w[C0]) : Tensor();
  const Tensor dx = empty({steps.rows(), w[Wih].size(0)}, dtype);
  const Tensor ds = gru ? empty(dx.shape(), dtype) : dx;
  const Tensor projected = w[Whr].defined() ? empty(out.shape(), dtype) : Tensor();
  Params params;
  params.i[0] = kind == Cell::Relu;
  for (int64_t k = steps.count() - 1; k >= 0; --k) {
    const int64_t t = steps.step(k), at = steps.at(t), size = steps.size(t);
    auto now = [&](const Tensor& all) { return rows(all, at, size); };
    const Tensor dh_now = rows(dh, 0, size), dx_now = now(dx), ds_now = now(ds);
    Tensor arrived = dh_now + now(g);
    if (projected.defined()) {
      write(now(projected), arrived);
      arrived = mm(arrived, w[Whr]);
    }
    if (lstm) {
      const Tensor gates = now(trace.gates), c = now(trace.c), next = now(trace.memory);
      const Tensor dc_now = rows(dc, 0, size);
      launch("lstm", kernel(Id::LstmCellBackward, dtype), {&dx_now, &dc_now},
             {&gates, &c, &next, &arrived, &dc_now});
      write(dh_now, mm(dx_now, w[Whh]));
    } else if (gru) {
      const Tensor gates = now(trace.gates), memory = now(trace.memory), h = now(trace.h);
      launch("gru", kernel(Id::GruCellBackward, dtype), {&dx_now, &ds_now, &dh_now},
             {&gates, &memory, &h, &arrived});
      write(dh_now, dh_now + mm(ds_now, w[Whh]));
    } else {
      const Tensor h = now(out);
      launch("rnn", kernel(Id::RnnCellBackward, dtype), dx_now, {&h, &arrived}, params);
      write(dh_now, mm(dx_now, w[Whh]));
    }
  }
  auto total = [](const Tensor& t) { return sum(t, Dims{0}, false, std::nullopt); };
  if (b.wants(X)) b.give(X, mm(dx, w[Wih]));
  if (b.wants(H0)) b.give(H0, dh);
  if (b.wants(C0)) b.give(C0, dc);
  if (b.wants(Wih)) b.give(Wih, mm(mT(dx), w[X]));
  if (b.wants(Whh)) b.give(Whh, mm(mT(ds), trace.h));
  if (b.wants(Bih)) b.give(Bih, total(dx));
  if (b.wants(Bhh)) b.give(Bhh, total(ds));
  if (b.wants(Whr)) b.give(Whr, mm(mT(projected), trace.unprojected));
}

/// The gradients as recorded operations: of the same layer, unrolled from views of its inputs.
void recorded_backward(Cell kind, const Layer& w, const Steps& steps, const Backward& b) {
  Layer seen;
  Tensors inputs;
  for (int i = 0; i < Slots; ++i) {
    if (w[i].defined()) seen[i] = view(w[i], w[i].shape());
    if (b.wants(i)) inputs.push_back(seen[i]);
  }
  const Result r = unroll(kind, seen, steps);
  Tensors roots, grads;
  for (const auto& [root, i] : {std::pair{r.out, 0}, {r.h, 1}, {r.c, 2}})
    if (b.node.output_count > static_cast<uint32_t>(i) && b.grad(i).defined()) {
      roots.push_back(root);
      grads.push_back(b.grad(i));
    }
  const Tensors found = run_backward(
      roots, grads, inputs,
      {.retain_graph = true, .create_graph = true, .accumulate = false, .allow_unused = true});
  size_t next = 0;
  for (int i = 0; i < Slots; ++i)
    if (b.wants(i)) b.give(i, found[next++]);
}

Result layer(Cell kind, const Layer& w, const Steps& steps) {
  Trace trace;
  Result r;
  {
    GradMode off(false);
    Layer dense = w;
    for (Tensor& t : dense)
      if (t.defined()) t = contiguous(t);
    r = forward(kind, dense, steps, trace);
  }
  if (Recorder rec(Tensors(w.begin(), w.end())); rec) {
    for (const Tensor& t : w) rec.save(t);
    rec.save_output();
    for (const Tensor& t : {trace.h, trace.c, trace.gates, trace.memory, trace.unprojected})
      rec.save(t);
    Tensors outputs{r.out, r.h};
    if (kind == Cell::Lstm) outputs.push_back(r.c);
    rec.done(kNodes[static_cast<int>(kind)], outputs, [kind, steps](const Backward& b) {
      Layer w;
      for (int i = 0; i < Slots; ++i) w[i] = b.saved(i);
      if (grad_enabled()) return recorded_backward(kind, w, steps, b);
      for (Tensor& t : w)
        if (t.defined()) t = contiguous(t);
      const Trace trace{b.saved(Slots + 1), b.saved(Slots + 2), b.saved(Slots + 3),
                        b.saved(Slots + 4), b.saved(Slots + 5)};
      backward(kind, w, steps, trace, b.saved(Slots), b);
    });
  }
  return r;
}

// Layers over layers -------------------------------------------------------------------------

struct Network {
  Cell kind;
  bool biases;
  int64_t layers;
  double dropout;
  bool train, bidirectional;
};

/// x [rows, features], h and c [layers * directions, batch, ...]: all layers, one after the other.
Result network(const Network& net, Tensor x, Steps steps, const Tensor& h, const Tensor& c,
               const Tensors& weights) {
  const char* op = kNames[static_cast<int>(net.kind)];
  const int directions = net.bidirectional ? 2 : 1;
  const auto cells = static_cast<size_t>(net.layers * directions);
  const bool projects = net.kind == Cell::Lstm && h.size(2) != c.size(2);
  const size_t each = 2 + (net.biases ? 2 : 0) + (projects ? 1 : 0);
  if (weights.size() != cells * each)
    fail_runtime(op, weights.size(), " weights for ", cells, " layers and directions of ", each,
                 " each; pass ", cells * each);
  if (h.size(0) != static_cast<int64_t>(cells))
    fail_runtime(op, "the initial state has shape ", h.shape(), "; its first size must be ", cells,
                 ", layers times directions");
  Tensors last_h, last_c;
  for (int64_t l = 0; l < net.layers; ++l) {
    Tensors sides;
    for (int d = 0; d < directions; ++d) {
      const auto place = static_cast<size_t>(l * directions + d);
      const Tensor* w = &weights[place * each];
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
    fail_value(op, "input is ", name_of(x.dtype()), "; expected a floating-point type");
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
  if (time == 0) fail_runtime(op, "a sequence of length 0; expected 1 step or more");
  Steps steps;
  for (int64_t t = 1; t <= time; ++t) steps.begin.push_back(t * batch);
  Result r = network(net, reshape(x, {time * batch, x.size(2)}), steps, h, c, weights);
  r.out = view(r.out, {time, batch, r.out.size(1)});
  if (batch_first) r.out = transpose(r.out, 0, 1);
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
  return network(net, data, steps, h, c, weights);
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
        return single(kind, x, h, {}, w_ih, w_hh, b_ih, b_hh).out;
      },
      doc);
}

}  // namespace

void register_recurrent(Registry& r) {
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
        return std::pair{result.out, result.c};
      },
      "One step of lstm: (h, c).");
}

}  // namespace bx
