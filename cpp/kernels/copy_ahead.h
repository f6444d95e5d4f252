// Copies of contiguous memory that asks for what comes next while it copies.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>

namespace bx::kernels {

/// Asks for up to 4 kB, the reach of the processor's own prefetching.
inline void prefetch(const void* from, int64_t bytes) {
  constexpr int64_t line = 64, most = 4096;
  for (int64_t b = 0; b < std::min(bytes, most); b += line)
    __builtin_prefetch(static_cast<const char*>(from) + b);
}

/// memcpy; pages of a long copy are on their way before they are needed.
inline void copy_ahead(void* to, const void* from, int64_t bytes) {
  constexpr int64_t piece = 4096;
  auto* out = static_cast<char*>(to);
  const auto* in = static_cast<const char*>(from);
  for (; bytes >= 2 * piece; bytes -= piece, out += piece, in += piece) {
    prefetch(in + piece, piece);
    std::memcpy(out, in, piece);
  }
  std::memcpy(out, in, static_cast<size_t>(bytes));
}

}  // namespace bx::kernels
