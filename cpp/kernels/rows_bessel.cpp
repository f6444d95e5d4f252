#include "kernels/lanes_special.h"
#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_bessel(Entries entries) { fill_rows(entries, formulas::BesselRows{}); }

}  // namespace bx::kernels
