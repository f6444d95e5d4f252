// Householder's reflections and their product, matrix by matrix.
#include <Eigen/QR>

#include "decompositions/complex.h"

namespace bx::decompositions {

namespace {

template <class T>
void find(const View* out, const View* in, const Params&, FaultInfo*) {
  const Batch<T> a(in[0]), packed(out[0]), tau(out[1]);
  a.each([&](int64_t i) {
    Eigen::HouseholderQR<Columns<T>> qr(a[i]);
    packed[i] = qr.matrixQR();
    tau[i] = qr.hCoeffs().transpose();
  });
}

template <class T>
void multiply(const View* out, const View* in, const Params&, FaultInfo*) {
  const Batch<T> a(in[0]), tau(in[1]), q(out[0]);
  q.each([&](int64_t i) {
    const Columns<T> vectors = a[i];
    const Eigen::Matrix<T, Eigen::Dynamic, 1> factors = tau[i].transpose();
    Columns<T> product = Columns<T>::Identity(q.rows, q.cols);
    auto reflections = Eigen::householderSequence(vectors, factors);
    reflections.setLength(tau.cols);
    product.applyOnTheLeft(reflections);
    q[i] = product;
  });
}

void find_complex(const View* out, const View* in, const Params&, FaultInfo*) {
  Batch<Z>(in[0]).each([&](int64_t i) {
    const Reflections found = reflections_of(ComplexMatrix(in[0], i));
    ComplexMatrix tau(1, static_cast<int64_t>(found.tau.size()));
    tau.data = found.tau;
    found.vectors.store(out[0], i);
    tau.store(out[1], i);
  });
}

void multiply_complex(const View* out, const View* in, const Params&, FaultInfo*) {
  Batch<Z>(out[0]).each([&](int64_t i) {
    ComplexMatrix q(Columns<double>(), out[0].shape[1], out[0].shape[2]);
    Reflections{ComplexMatrix(in[0], i), ComplexMatrix(in[1], i).data}.apply(q);
    q.store(out[0], i);
  });
}

}  // namespace

Kernel reflections(DType dtype) {
  return choose("reflections", dtype, &find<float>, &find<double>, &find_complex);
}

Kernel product_of_reflections(DType dtype) {
  return choose("product_of_reflections", dtype, &multiply<float>, &multiply<double>,
                &multiply_complex);
}

}  // namespace bx::decompositions
