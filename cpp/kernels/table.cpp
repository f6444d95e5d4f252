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

/// The kernels of narrow types are those of the wide ones, where they have none of their own.
void fill_narrow() {
  for (auto& row : kernels)
    for (DType t : {DType::Int8, DType::Int16, DType::Float16, DType::BFloat16}) {
      Kernel& kernel = row[static_cast<int>(t)];
      if (kernel.general) continue;
      kernel = row[static_cast<int>(wide_of(t))];
      kernel.widened = true;
    }
  // PyTorch has these for float32 and float64 alone.
  using namespace formulas;
  const auto clear = [](int first, int last) {
    for (int k = first * kPartsPerRow; k < (last + 1) * kPartsPerRow; ++k)
      for (DType t : {DType::Float16, DType::BFloat16}) kernels[k][static_cast<int>(t)] = {};
  };
  for (int row : {row_index<Zeta>, row_index<Erfcx>, row_index<LogNdtr>, row_index<Ndtri>})
    clear(row, row);
  clear(row_index<BesselJ0>, row_index<LegendreP>);
}
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
  fill_narrow();
  return &table;
}
