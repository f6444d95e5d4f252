// Errors carry the class that Python users of PyTorch expect; bindings translate them.
#pragma once

#include <sstream>
#include <stdexcept>
#include <string>

namespace bx {

enum class ErrorKind {
  Runtime,
  Value,
  Type,
  WrongKind,
  NotANumber,
  SeveralElements,
  NotOneElement,
  Index,
  OutOfRange,
  OutOfBounds,
  ZeroDivision,
  Assertion,
  NotImplemented,
  OutOfMemory
};

/// Every failure of the engine: `[op] what; both values; the cure`.
class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const { return kind_; }

 private:
  ErrorKind kind_;
};

/// Concatenates anything printable.
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

/// Throws `[op] parts...` as an error of the given kind.
template <class... Parts>
[[noreturn]] void fail(ErrorKind kind, const char* op, const Parts&... parts) {
  throw Error(kind, str("[", op, "] ", parts...));
}

template <class... Parts>
[[noreturn]] void fail_runtime(const char* op, const Parts&... parts) {
  fail(ErrorKind::Runtime, op, parts...);
}

template <class... Parts>
[[noreturn]] void fail_value(const char* op, const Parts&... parts) {
  fail(ErrorKind::Value, op, parts...);
}

template <class... Parts>
[[noreturn]] void fail_type(const char* op, const Parts&... parts) {
  fail(ErrorKind::Type, op, parts...);
}

template <class... Parts>
[[noreturn]] void fail_index(const char* op, const Parts&... parts) {
  fail(ErrorKind::Index, op, parts...);
}

/// Carries `[op] what; the cure` to the program, as a warning of Python's.
inline void (*warning_handler)(const std::string& message) = nullptr;

template <class... Parts>
void warn(const char* op, const Parts&... parts) {
  if (warning_handler) warning_handler(str("[", op, "] ", parts...));
}

}  // namespace bx
