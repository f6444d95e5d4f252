#include "kernels/pointwise.h"

namespace bx::kernels {

void fill_transcendental(Entries entries) { fill_rows(entries, formulas::TranscendentalRows{}); }

}  // namespace bx::kernels
