// What runs underneath: threads, memory, instruction set, and the interpreter's lock.
#include <chrono>
#include <thread>

#include "bindings/arguments.h"
#include "launch/isa.h"
#include "launch/launch.h"
#include "launch/parallel.h"

namespace bx {

namespace {

/// When the interpreter has gone meanwhile, it ends the thread by unwinding its stack, which no C++
/// survives: it sleeps instead, and ends with the process.
void take_lock_back(void* state) {
  try {
    PyEval_RestoreThread(static_cast<PyThreadState*>(state));
  } catch (...) {
    for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
  }
}

}  // namespace

void bind_runtime(py::module_& m) {
  // Long kernels let other Python threads run.
  set_long_kernel_hooks(
      {[]() -> void* { return PyGILState_Check() ? PyEval_SaveThread() : nullptr; },
       &take_lock_back});
  kernel_table();  // a processor or an environment variable that cannot work is told at import
  m.def("get_num_threads", &num_threads, "Threads that a large kernel may use.");
  m.def(
      "set_num_threads",
      [](py::handle num) {
        int64_t count = 0;
        if (!whole_number(num.ptr(), count) || count != static_cast<int>(count))
          fail_runtime("set_num_threads", "num is ", std::string(py::repr(num)), "; pass an int");
        set_num_threads(static_cast<int>(count));
      },
      py::arg("num"), "Sets the threads that a large kernel may use; RuntimeError below 1.");
  m.def("_isa", [] { return kernel_table().isa; }, "The instruction set of the kernels in use.");
  m.def("_usable_isas", &usable_isas, "Instruction sets that could be used here, best first.");
  m.def(
      "_memory_stats",
      [] {
        const memory::Stats s = memory::stats();
        py::dict d;
        d["in_use"] = s.in_use;
        d["peak"] = s.peak;
        d["cached"] = s.cached;
        return d;
      },
      "Bytes that tensors hold, held at most, and that are cached for reuse.");
  m.def("_reset_peak_memory", &memory::reset_peak, "Starts the peak anew from what is in use.");
  m.def("_empty_cache", &memory::empty_cache, "Gives cached memory back to the system.");
}

}  // namespace bx
