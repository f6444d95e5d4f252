#include "launch/narrow.h"

#include "core/narrow.h"

namespace bx {

using kernels::FaultInfo;
using kernels::Kernel;
using kernels::View;

namespace {

/// Calls f(row, offset) for each row along the last dimension of a strided view.
template <class F>
void each_row(const View& v, F f) {
  int64_t rows = 1, index[kMaxDims] = {}, offset = 0;
  for (int d = 0; d + 1 < v.ndim; ++d) rows *= v.shape[d];
  for (int64_t row = 0; row < rows; ++row) {
    f(row, offset);
    for (int d = v.ndim - 2; d >= 0; --d) {
      offset += v.strides[d];
      if (++index[d] < v.shape[d]) break;
      offset -= v.strides[d] * v.shape[d];
      index[d] = 0;
    }
  }
}

int64_t width(const View& v) { return v.ndim ? v.shape[v.ndim - 1] : 1; }
int64_t step(const View& v) { return v.ndim ? v.strides[v.ndim - 1] : 1; }
char* at(const View& v, int64_t element) {
  return static_cast<char*>(v.data) + element * size_of(v.dtype);
}

/// Row-major out = in of a narrow type and any layout.
void widen_all(const View* out, const View* in, const Params&, FaultInfo*) {
  const int64_t n = width(in[0]);
  each_row(in[0], [&](int64_t row, int64_t offset) {
    widen(in[0].dtype, at(in[0], offset), step(in[0]), at(out[0], row * n), n);
  });
}

/// out, of a narrow type and any layout, = row-major in.
void narrow_all(const View* out, const View* in, const Params&, FaultInfo*) {
  const int64_t n = width(out[0]);
  each_row(out[0], [&](int64_t row, int64_t offset) {
    narrow(out[0].dtype, at(in[0], row * n), at(out[0], offset), step(out[0]), n);
  });
}

Kernel of_narrow(const char* name, kernels::GeneralFn run) {
  Kernel kernel{name, nullptr, run};
  kernel.takes_narrow = true;
  return kernel;
}
const Kernel kWiden = of_narrow("widen", &widen_all), kNarrow = of_narrow("narrow", &narrow_all);

/// The operands, narrow ones replaced by wide copies, which this owns.
class Widened {
 public:
  Widened(const char* op, const Operands& given, bool read) {
    for (int k = 0; k < given.size(); ++k) {
      const Tensor t{Ref<TensorImpl>(&given[k])};
      tensors_[k] = t;
      if (is_narrow(t.dtype())) {
        tensors_[k] = empty(t.shape(), wide_of(t.dtype()));
        if (read) launch(op, kWiden, tensors_[k], t);
      }
      operands_.add(tensors_[k]);
    }
  }
  const Operands& operands() const { return operands_; }
  void write_back(const char* op, const Operands& given) const {
    for (int k = 0; k < given.size(); ++k)
      if (is_narrow(given[k].dtype))
        launch(op, kNarrow, Tensor{Ref<TensorImpl>(&given[k])}, tensors_[k]);
  }

 private:
  Tensor tensors_[kernels::kMaxOperands];
  Operands operands_;
};

/// A general kernel may leave a part of its output as it is, but for those that fill and copy.
bool writes_all(const Kernel& given, DType type) {
  using kernels::Id;
  return given.pointwise || given.general == kernel(Id::Copy, wide_of(type)).general ||
         given.general == kernel(Id::Fill, wide_of(type)).general;
}

}  // namespace

void launch_widened(const char* op, const Kernel& kernel, const Operands& outputs,
                    const Operands& inputs, const Params& params, const Owner& owner) {
  const Widened out(op, outputs, outputs.size() && !writes_all(kernel, outputs[0].dtype)),
      in(op, inputs, true);
  launch(op, kernel, out.operands(), in.operands(), params, owner);
  out.write_back(op, outputs);
}

}  // namespace bx
