#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_arithmetic(Entries entries) { fill_rows(entries, formulas::ArithmeticRows{}); }

}  // namespace bx::kernels
