// Recorded steps, as capture.py uses them.
#include "bindings/python.h"
#include "capture/recorder.h"
#include "capture/replay.h"

namespace bx {

namespace {

using capture::Program;

/// Calls `step`, which returns tensors, once while every launch is written down.
std::unique_ptr<Program> record(const py::function& step, Tensors arguments) {
  capture::Recorder recorder(std::move(arguments));
  const auto results = step(recorder.arguments()).cast<Tensors>();
  return std::make_unique<Program>(recorder.finish(results), results);
}

std::vector<const Tensor*> places_of(const Tensors& tensors) {
  std::vector<const Tensor*> places;
  for (const Tensor& t : tensors) places.push_back(&t);
  return places;
}

}  // namespace

void bind_capture(py::module_& m) {
  py::class_<Program>(m, "_Program", "A recorded step, ready to run again.")
      .def("applies", &Program::applies,
           "Whether the gradients that the step adds to are those that it was recorded with.")
      .def("watch", &Program::watch, py::arg("tensors"),
           "Tensors whose memory, shape and need of a gradient a replay relies on.")
      .def(
          "run",
          [](Program& p, const Tensors& arguments) {
            Program::Few results;
            p.run(places_of(arguments), results);
            return Tensors(results.begin(), results.end());
          },
          py::arg("arguments"),
          "Runs the step on tensors laid out as the recorded ones; returns fresh tensors.")
      .def(
          "profile",
          [](Program& p, const Tensors& arguments) {
            Program::Few results;
            std::vector<double> seconds;
            p.run(places_of(arguments), results, &seconds);
            return std::make_pair(p.texts(), seconds);
          },
          py::arg("arguments"), "Runs the step once; (a line, the seconds) of each instruction.")
      .def("explain", &Program::explain, "What was recorded, fused and planned, as text.")
      .def(
          "plan",
          [](const Program& p) {
            py::list buffers;
            for (const auto& b : p.placed())
              buffers.append(py::make_tuple(b.offset, b.bytes, b.first, b.last));
            return py::make_tuple(p.texts(), buffers);
          },
          "(a line for each instruction; (offset, bytes, first, last) for each buffer of the "
          "arena, "
          "first and last being the instructions that touch it).")
      .def_property_readonly("launches", &Program::launches, "Kernels that the step launches.")
      .def_property_readonly("instructions", &Program::instructions,
                             "What is left of them after fusion.")
      .def_property_readonly("live_bytes", &Program::live_bytes,
                             "The most that is alive at once of what the step needs in between.")
      .def_property_readonly("arena_bytes", &Program::arena_bytes,
                             "Memory for what the step needs in between.");
  m.def("_record", &record, py::arg("step"), py::arg("arguments"),
        "Calls step(tensors) once, which returns a list of tensors, and returns it recorded. What "
        "shares memory with another argument is handed on as a copy.");
  m.def(
      "_host_call",
      [](const char* name, const py::function& run) {
        auto again = std::make_shared<py::function>(run);
        capture::host_call(name, [again] { (*again)(); });
      },
      py::arg("name"), py::arg("run"),
      "Runs a function now and, where a step is recorded, at every replay.");
  m.def(
      "_recording", [] { return capture::active() != nullptr; },
      "Whether this thread records a step.");
}

}  // namespace bx
