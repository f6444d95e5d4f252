#include "kernels/families.h"
namespace bx::kernels {
void fill_resample(Entries) {}
}  // namespace bx::kernels
