// A layer walked in one direction is one node: its forward pass keeps the gates of every step, its
// backward pass walks the steps once and then needs one product per weight. The derivative of that
// derivative comes from the same layer written in recorded operations (unroll).
// [Elman 1990; Hochreiter and Schmidhuber 1997; Cho et al. 2014; projections: Sak et al. 2014]
#include "autograd/engine.h"
#include "ops/recurrent.h"

namespace bx::recurrent {

using kernels::Id;

namespace {

constexpr const char* kNodes[] = {"RnnTanhBackward0", "RnnReluBackward0", "LstmBackward0",
                                  "GruBackward0"};

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

}  // namespace

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

}  // namespace bx::recurrent
