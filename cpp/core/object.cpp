#include "core/object.h"

namespace bx {

namespace {
thread_local Object* dead = nullptr;
thread_local bool draining = false;
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
