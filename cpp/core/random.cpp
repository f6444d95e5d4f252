#include "core/random.h"

#include <cmath>
#include <sstream>

#include "core/thread_local.h"

namespace bx {

void Generator::manual_seed(uint64_t seed) {
  seed_ = seed;
  engine_.seed(static_cast<uint32_t>(seed));
  next_normal_.reset();
}

uint64_t Generator::random64() {
  const uint64_t high = random();
  return high << 32 | random();
}

float Generator::uniform_float() {
  return static_cast<float>(random() & ((1u << 24) - 1)) * (1.0f / (1u << 24));
}

double Generator::uniform_double() {
  return static_cast<double>(random64() & ((uint64_t{1} << 53) - 1)) *
         (1.0 / static_cast<double>(uint64_t{1} << 53));
}

double Generator::normal() {
  if (next_normal_) {
    const double value = *next_normal_;
    next_normal_.reset();
    return value;
  }
  const double u1 = uniform_double(), u2 = uniform_double();
  const double radius = std::sqrt(-2.0 * std::log1p(-u2));
  const double angle = 2.0 * 3.141592653589793238462643383279502884 * u1;
  next_normal_ = radius * std::sin(angle);
  return radius * std::cos(angle);
}

std::string Generator::state() const {
  std::ostringstream out;
  out.precision(17);
  out << seed_ << ' ' << next_normal_.has_value() << ' ' << next_normal_.value_or(0) << ' '
      << engine_;
  return out.str();
}

void Generator::set_state(const std::string& state) {
  std::istringstream in(state);
  uint64_t seed = 0;
  bool has_normal = false;
  double normal = 0;
  std::mt19937 engine;
  if (!(in >> seed >> has_normal >> normal >> engine))
    fail_value("set_state", "this is not a generator's state; pass what get_state() returned");
  seed_ = seed;
  engine_ = engine;
  next_normal_ = has_normal ? std::optional(normal) : std::nullopt;
}

namespace {
BX_FAST_TLS thread_local Generator* of_this_thread = nullptr;
}  // namespace

Generator& default_generator() {
  static auto* generator = new Generator;
  return of_this_thread ? *of_this_thread : *generator;
}

void use_generator(Generator* generator) { of_this_thread = generator; }

}  // namespace bx
