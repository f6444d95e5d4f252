#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_loss(Entries entries) { fill_rows(entries, formulas::LossRows{}); }

}  // namespace bx::kernels
