// The elementwise part of recurrent cells, one pass over a step's rows. Every operand is a
// contiguous matrix [rows, features]; x and s are the parts of the gates' sums that come from the
// input and from the state.
#include "kernels/families.h"
#include "kernels/lanes_math.h"
#include "kernels/lanes_partial.h"

namespace bx::kernels {

namespace {

constexpr int64_t kGrain = 8192;  // elements

/// One row of a kernel: reads and writes lanes of operand k at column j of its gate.
template <class T>
struct Row {
  using L = Lanes<T>;
  const View *out, *in;
  int64_t row, hidden, j;

  L read(int k, int gate = 0) const {
    const T* p = static_cast<const T*>(in[k].data) + row * in[k].shape[1] + gate * hidden + j;
    return load_padded(p, hidden - j, T(0));
  }
  void write(int k, L v, int gate = 0) const {
    T* p = static_cast<T*>(out[k].data) + row * out[k].shape[1] + gate * hidden + j;
    store_part(v, p, hidden - j);
  }
};

template <class T, class F>
void for_lanes(const View* out, const View* in, int64_t rows, int64_t hidden, F f) {
  parallel_for(rows, std::max<int64_t>(1, kGrain / std::max<int64_t>(1, hidden)),
               [&](int64_t begin, int64_t end) {
                 for (int64_t r = begin; r < end; ++r)
                   for (int64_t j = 0; j < hidden; j += Lanes<T>::width)
                     f(Row<T>{out, in, r, hidden, j});
               });
}

/// h = f(x + s), f = max(., 0) when i[0], else tanh.
template <class T>
void rnn_cell(const View* out, const View* in, const Params& params, FaultInfo*) {
  for_lanes<T>(out, in, out[0].shape[0], out[0].shape[1], [&](const Row<T>& r) {
    const auto sum = r.read(0) + r.read(1);
    r.write(0, params.i[0] ? maximum(sum, Lanes<T>(T(0))) : tanh(sum));
  });
}

/// dx = dh f', in0 = h, in1 = dh.
template <class T>
void rnn_cell_backward(const View* out, const View* in, const Params& params, FaultInfo*) {
  for_lanes<T>(out, in, out[0].shape[0], out[0].shape[1], [&](const Row<T>& r) {
    const auto h = r.read(0), g = r.read(1);
    r.write(0, params.i[0] ? select(h > 0., g, Lanes<T>(T(0))) : g * (1. - h * h));
  });
}

/// in: x [., 4H], s [., 4H], c [., H]. out: gates i, f, g, o [., 4H], new c [., H], h [., H].
template <class T>
void lstm_cell(const View* out, const View* in, const Params&, FaultInfo*) {
  for_lanes<T>(out, in, out[1].shape[0], out[1].shape[1], [&](const Row<T>& r) {
    const auto i = sigmoid(r.read(0, 0) + r.read(1, 0));
    const auto f = sigmoid(r.read(0, 1) + r.read(1, 1));
    const auto g = tanh(r.read(0, 2) + r.read(1, 2));
    const auto o = sigmoid(r.read(0, 3) + r.read(1, 3));
    const auto c = f * r.read(2) + i * g;
    r.write(0, i, 0);
    r.write(0, f, 1);
    r.write(0, g, 2);
    r.write(0, o, 3);
    r.write(1, c);
    r.write(2, o * tanh(c));
  });
}

/// in: gates, old c, new c, dh, d new c. out: d sums [., 4H], d old c.
template <class T>
void lstm_cell_backward(const View* out, const View* in, const Params&, FaultInfo*) {
  for_lanes<T>(out, in, out[1].shape[0], out[1].shape[1], [&](const Row<T>& r) {
    const auto i = r.read(0, 0), f = r.read(0, 1), g = r.read(0, 2), o = r.read(0, 3);
    const auto t = tanh(r.read(2)), dh = r.read(3);
    const auto dc = r.read(4) + dh * o * (1. - t * t);
    r.write(0, dc * g * i * (1. - i), 0);
    r.write(0, dc * r.read(1) * f * (1. - f), 1);
    r.write(0, dc * i * (1. - g * g), 2);
    r.write(0, dh * t * o * (1. - o), 3);
    r.write(1, dc * f);
  });
}

/// in: x [., 3H], s [., 3H], h. out: gates r, z, n [., 3H], the state's part of n, new h.
template <class T>
void gru_cell(const View* out, const View* in, const Params&, FaultInfo*) {
  for_lanes<T>(out, in, out[1].shape[0], out[1].shape[1], [&](const Row<T>& w) {
    const auto r = sigmoid(w.read(0, 0) + w.read(1, 0));
    const auto z = sigmoid(w.read(0, 1) + w.read(1, 1));
    const auto s = w.read(1, 2);
    const auto n = tanh(w.read(0, 2) + r * s);
    w.write(0, r, 0);
    w.write(0, z, 1);
    w.write(0, n, 2);
    w.write(1, s);
    w.write(2, (w.read(2) - n) * z + n);
  });
}

/// in: gates, the state's part of n, old h, dh. out: d x sums, d s sums, the direct d old h.
template <class T>
void gru_cell_backward(const View* out, const View* in, const Params&, FaultInfo*) {
  for_lanes<T>(out, in, out[2].shape[0], out[2].shape[1], [&](const Row<T>& w) {
    const auto r = w.read(0, 0), z = w.read(0, 1), n = w.read(0, 2), dh = w.read(3);
    const auto dn = dh * (1. - z) * (1. - n * n);
    const auto dr = dn * w.read(1) * r * (1. - r);
    const auto dz = dh * (w.read(2) - n) * z * (1. - z);
    for (int k = 0; k < 2; ++k) {
      w.write(k, dr, 0);
      w.write(k, dz, 1);
      w.write(k, k ? dn * r : dn, 2);
    }
    w.write(2, dh * z);
  });
}

constexpr Rows kAll{0xff, 0xff};

template <class T>
void fill_type(Entries entries) {
  enter<T>(entries, Id::RnnCell, "rnn_cell", &rnn_cell<T>, kAll);
  enter<T>(entries, Id::RnnCellBackward, "rnn_cell_backward", &rnn_cell_backward<T>, kAll);
  enter<T>(entries, Id::LstmCell, "lstm_cell", &lstm_cell<T>, kAll);
  enter<T>(entries, Id::LstmCellBackward, "lstm_cell_backward", &lstm_cell_backward<T>, kAll);
  enter<T>(entries, Id::GruCell, "gru_cell", &gru_cell<T>, kAll);
  enter<T>(entries, Id::GruCellBackward, "gru_cell_backward", &gru_cell_backward<T>, kAll);
}

}  // namespace

void fill_recurrent(Entries entries) {
  fill_type<float>(entries);
  fill_type<double>(entries);
}

}  // namespace bx::kernels
