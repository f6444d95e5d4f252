// The one symbol that a kernel library exports.
#include "kernels/table.h"

#include "formulas/all.h"
#include "kernels/families.h"

#ifndef BX_ISA_NAME
#error "define BX_ISA_NAME: the instruction set this library is compiled for"
#endif

namespace bx::kernels {

Host host{};

namespace {
Kernel kernels[formulas::kRowCount * kPartsPerRow + static_cast<int>(Id::Count)][kDTypeCount];
constexpr Table table{kAbi, formulas::kRowCount, BX_ISA_NAME, kernels};
}  // namespace

}  // namespace bx::kernels

extern "C" __attribute__((visibility("default"))) const bx::kernels::Table* bx_kernels(
    const bx::kernels::Host* given) {
  using namespace bx::kernels;
  host = *given;
  fill_arithmetic(kernels);
  fill_transcendental(kernels);
  fill_activation(kernels);
  fill_compare(kernels);
  fill_complex(kernels);
  fill_range(kernels);
  fill_special(kernels);
  fill_bessel(kernels);
  fill_loss(kernels);
  Entries general = kernels + bx::formulas::kRowCount * kPartsPerRow;
  fill_movement(general);
  fill_reduction(general);
  fill_scan(general);
  fill_distance(general);
  fill_matmul(general);
  fill_softmax(general);
  fill_indexing(general);
  fill_scatter(general);
  fill_sorting(general);
  fill_random(general);
  fill_optimizer(general);
  fill_conv(general);
  fill_pooling(general);
  fill_resample(general);
  fill_embedding(general);
  fill_normalization(general);
  fill_recurrent(general);
  return &table;
}
