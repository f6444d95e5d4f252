#include "core/object.h"

#include "core/thread_local.h"

namespace bx {

namespace {
thread_local Object* dead BX_FAST_TLS = nullptr;
thread_local bool draining BX_FAST_TLS = false;
}  // namespace

void Object::destroy_flat(Object* object) noexcept {
  object->next_dead_ = dead;
  dead = object;
  if (draining) return;
  draining = true;
  while (Object* next = dead) {
    dead = next->next_dead_;
    delete next;
  }
  draining = false;
}

}  // namespace bx
