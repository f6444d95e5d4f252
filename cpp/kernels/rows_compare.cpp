#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_compare(Entries entries) { fill_rows(entries, formulas::CompareRows{}); }

}  // namespace bx::kernels
