#include "kernels/lanes_special.h"
#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_special(Entries entries) { fill_rows(entries, formulas::SpecialRows{}); }

}  // namespace bx::kernels
