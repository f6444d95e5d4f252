// The generator behind every random number.
#include <random>

#include "bindings/python.h"

namespace bx {

namespace {

uint64_t seed_from(const py::int_& seed) {
  // Negative seeds wrap around, as in PyTorch.
  const auto mask = py::int_(0xffffffffffffffffull);
  return py::int_(seed.attr("__and__")(mask)).cast<uint64_t>();
}

}  // namespace

void bind_random(py::module_& m) {
  py::class_<Generator>(m, "Generator", "PyTorch's CPU generator: mt19937.")
      .def(py::init([](py::handle) { return std::make_unique<Generator>(); }),
           py::arg("device") = py::none())
      .def(
          "manual_seed",
          [](py::object self, const py::int_& seed) {
            self.cast<Generator&>().manual_seed(seed_from(seed));
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
      .def(
          "get_state", [](const Generator& g) { return py::bytes(g.state()); },
          "The whole state, for set_state.")
      .def(
          "set_state", [](Generator& g, const py::bytes& s) { g.set_state(s); },
          py::arg("new_state"), "Goes on from a state that get_state returned.")
      .def(py::pickle([](const Generator& g) { return py::bytes(g.state()); },
                      [](const py::bytes& state) {
                        auto g = std::make_unique<Generator>();
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
      [](Generator* g) {
        return static_cast<int64_t>((g ? *g : default_generator()).random64() & INT64_MAX);
      },
      py::arg("generator") = py::none(), "63 random bits, as samplers and loaders seed from.");
}

}  // namespace bx
