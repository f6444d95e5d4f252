// The generator behind every random number.
#include <random>

#include "bindings/python.h"
#include "ops/ops.h"

namespace bx {

namespace {

uint64_t seed_from(const py::int_& seed) {
  // Negative seeds wrap around, as in PyTorch.
  const py::int_ least(std::numeric_limits<int64_t>::min()), most(0xffffffffffffffffull);
  if (seed < least || seed > most)
    fail_value("manual_seed", "the seed is ", std::string(py::str(seed)),
               "; expected -2^63 to 2^64 - 1");
  return py::int_(seed.attr("__and__")(most)).cast<uint64_t>();
}

/// The bytes of a state, PyTorch's.
Tensor state_of(const Generator& g) {
  const std::string bytes = g.state();
  Tensor t = empty({static_cast<int64_t>(bytes.size())}, DType::UInt8);
  std::copy(bytes.begin(), bytes.end(), t.data<uint8_t>());
  return t;
}

/// Goes on from a state as state_of gives it, or PyTorch does; also in a wider type of integers.
void restore(Generator& g, py::handle state) {
  if (!is_tensor(state.ptr()) && !is_numpy_array(state.ptr()))
    fail_type("set_state", "a generator's state is a tensor of bytes, not ",
              Py_TYPE(state.ptr())->tp_name, "; pass what get_state() returned");
  const Tensor given =
      is_tensor(state.ptr()) ? tensor_of(state.ptr()) : tensor_from_data(state, std::nullopt);
  if (!is_integral(given.dtype()))
    fail_type("set_state", "the state is ", name_of(given.dtype()),
              "; expected whole numbers from 0 to 255");
  GradMode off(false);
  const Tensor t = contiguous(to(given, DType::UInt8));
  g.set_state({reinterpret_cast<const char*>(t.data<uint8_t>()), static_cast<size_t>(t.numel())});
}

std::shared_ptr<Generator> make_generator(py::handle device) {
  if (!device.is_none())
    py::module_::import("backprop_ext._device")
        .attr("on_cpu")(device, py::handle(PyExc_RuntimeError));
  return std::make_shared<Generator>();
}

}  // namespace

void bind_random(py::module_& m) {
  py::class_<Generator, std::shared_ptr<Generator>>(m, "Generator",
                                                    "PyTorch's CPU generator: mt19937.")
      .def(py::init(&make_generator), py::arg("device") = py::none())
      .def(
          "manual_seed",
          [](py::object self, py::handle seed) {
            if (!py::isinstance<py::int_>(seed))
              fail_runtime("manual_seed", "the seed is ", std::string(py::repr(seed)),
                           "; pass an int");
            self.cast<Generator&>().manual_seed(seed_from(py::cast<py::int_>(seed)));
            return self;
          },
          py::arg("seed"), "Restarts the stream of a seed; returns the generator.")
      .def("initial_seed", &Generator::initial_seed, "The seed that the stream began with.")
      .def(
          "seed",
          [](Generator& g) {
            std::random_device device;
            const uint64_t seed = static_cast<uint64_t>(device()) << 32 | device();
            g.manual_seed(seed);
            return seed;
          },
          "Seeds from the system's entropy and returns the seed.")
      .def("get_state", &state_of,
           "The whole state for set_state: a 1-d uint8 tensor of PyTorch's 5056 bytes.")
      .def(
          "set_state",
          [](py::object self, py::handle state) {
            restore(self.cast<Generator&>(), state);
            return self;
          },
          py::arg("new_state"), "Goes on from a state that get_state returned, here or in PyTorch.")
      .def(
          "clone_state",
          [](const Generator& g) {
            auto clone = std::make_shared<Generator>();
            clone->set_state(g.state());
            return clone;
          },
          "Another generator that goes on from the same state.")
      .def_property_readonly(
          "device",
          [](const Generator&) {
            return py::module_::import("backprop_ext").attr("device")("cpu");
          },
          "Always cpu.")
      .def(py::pickle([](const Generator& g) { return py::bytes(g.state()); },
                      [](const py::bytes& state) {
                        auto g = std::make_shared<Generator>();
                        g->set_state(state);
                        return g;
                      }));
  m.attr("default_generator") = py::cast(&default_generator(), py::return_value_policy::reference);
  m.def(
      "_default_generator", [] { return &default_generator(); }, py::return_value_policy::reference,
      "The default generator of this thread: a DataLoader's worker has its own.");
  m.def(
      "_use_generator", &use_generator, py::arg("generator").none(true),
      "Makes a generator, which must be kept alive, the default of this thread; None: as before.");
  m.def(
      "_draw_seed",
      [](py::handle given) {
        if (!given.is_none() && !py::isinstance<Generator>(given))
          fail_type("generator", std::string(py::repr(given)).substr(0, 60), " is a ",
                    Py_TYPE(given.ptr())->tp_name, "; pass a Generator");
        Generator& g = given.is_none() ? default_generator() : given.cast<Generator&>();
        const auto held = g.alone();
        return static_cast<int64_t>(g.random64() & INT64_MAX);
      },
      py::arg("generator") = py::none(), "63 random bits, as samplers and loaders seed from.");
}

}  // namespace bx
