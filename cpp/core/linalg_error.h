// A failure of linear algebra, such as a singular matrix: torch.linalg.LinAlgError in Python.
#pragma once

#include "core/error.h"

namespace bx {

class LinAlgError : public Error {
 public:
  explicit LinAlgError(const std::string& message) : Error(ErrorKind::Runtime, message) {}
};

}  // namespace bx
