// Operations made of registered ones: views that a tensor becomes, and copies in place of views.
#pragma once

#include "ops/registry.h"

namespace bx {

/// The method name_ of operations that return a view: the tensor becomes that view.
void add_inplace_views(Registry& r, std::initializer_list<const char*> names);
/// The function name_copy of operations that return views: the same with memory of its own.
void add_copies(Registry& r, std::initializer_list<const char*> names);
/// unsafe_name of operations that return pieces: the same with memory of their own.
void add_apart(Registry& r, std::initializer_list<const char*> names);

}  // namespace bx
