#include "kernels/lanes_range.h"
#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_range(Entries entries) { fill_rows(entries, formulas::RangeRows{}); }

}  // namespace bx::kernels
