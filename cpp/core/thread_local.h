// Thread-local variables on hot paths.
#pragma once

// A few bytes per thread, found without a call: the loader keeps room for such small claims also in
// libraries that are loaded late.
#include <cstddef>  // defines __GLIBC__

#if defined(__GLIBC__) && defined(__GNUC__)
#define BX_FAST_TLS __attribute__((tls_model("initial-exec")))
#else
#define BX_FAST_TLS
#endif
