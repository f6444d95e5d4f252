#include "launch/isa.h"

#include <dlfcn.h>
#include <sys/stat.h>

#include <cstdlib>

#include "core/error.h"
#include "formulas/all.h"
#include "launch/parallel.h"

namespace bx {

namespace {

#if defined(__APPLE__)
constexpr const char* kSuffix = ".dylib";
#else
constexpr const char* kSuffix = ".so";
#endif

struct Level {
  const char* name;
  bool (*supported)();
};

// Best first. A level is whole or absent: it is what the compiler was allowed to use.
constexpr Level kLevels[] = {
#if defined(__x86_64__)
    {"x86-64-v4",
     [] {
       return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
              __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
              __builtin_cpu_supports("avx512vl");
     }},
    {"x86-64-v3",
     [] {
       return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
              __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
     }},
    {"x86-64-v2", [] { return static_cast<bool>(__builtin_cpu_supports("sse4.2")); }},
#else
    {"base", [] { return true; }},
#endif
};

/// The folder that this very code was loaded from.
std::string own_folder() {
  Dl_info info;
  if (!dladdr(reinterpret_cast<void*>(&own_folder), &info) || !info.dli_fname) return ".";
  const std::string path = info.dli_fname;
  const auto slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string library_path(const std::string& isa) {
  return own_folder() + "/libbx_kernels_" + isa + kSuffix;
}

bool exists(const std::string& path) {
  struct stat info;
  return stat(path.c_str(), &info) == 0;
}

const kernels::Table* load(const std::string& isa) {
  const std::string path = library_path(isa);
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (!library) fail_runtime("isa", "cannot load ", path, ": ", dlerror(), "; reinstall");
  auto entry = reinterpret_cast<kernels::EntryPoint>(dlsym(library, kernels::kEntryPointName));
  if (!entry) fail_runtime("isa", path, " has no ", kernels::kEntryPointName, "; reinstall");
  static const kernels::Host host{&parallel_for, &free_threads};
  const kernels::Table* table = entry(&host);
  if (table->abi != kernels::kAbi || table->rows != formulas::kRowCount)
    fail_runtime("isa", path, " was built for another version; reinstall");
  return table;
}

const kernels::Table* choose() {
  const std::vector<std::string> usable = usable_isas();
  std::string list;
  for (const std::string& isa : usable) list += (list.empty() ? "" : ", ") + isa;
  if (const char* forced = std::getenv("BACKPROP_EXT_ISA"); forced && *forced) {
    for (const std::string& isa : usable)
      if (isa == forced) return load(isa);
    fail_value("isa", "BACKPROP_EXT_ISA=", forced, " cannot run here; usable: ", list);
  }
  if (usable.empty())
    fail_runtime("isa", "no kernel library in ", own_folder(),
                 " runs on this processor; reinstall");
  return load(usable.front());
}

}  // namespace

std::vector<std::string> usable_isas() {
  std::vector<std::string> names;
  for (const Level& level : kLevels)
    if (level.supported() && exists(library_path(level.name))) names.emplace_back(level.name);
  return names;
}

const kernels::Table& kernel_table() {
  static const kernels::Table* table = choose();
  return *table;
}

}  // namespace bx
