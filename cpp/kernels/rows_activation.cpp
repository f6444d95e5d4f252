#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_activation(Entries entries) { fill_rows(entries, formulas::ActivationRows{}); }

}  // namespace bx::kernels
