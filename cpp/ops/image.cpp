#include "ops/ops.h"
namespace bx {
void register_image(Registry&) {}
}  // namespace bx
