#include "core/random.h"

#include <pthread.h>

#include <cmath>
#include <cstring>

#include "core/thread_local.h"

namespace bx {

namespace {

/// PyTorch's state of a generator, byte for byte, so that one library's goes on in the other.
struct State {
  uint64_t seed;
  int32_t left, seeded;
  uint64_t next;
  uint64_t words[624];
  double normal_x, normal_y, normal_rho;
  int32_t normal_is_valid, padding;
  float float_normal;
  bool float_normal_is_valid;
};
static_assert(sizeof(State) == 5056);

}  // namespace

void Generator::manual_seed(uint64_t seed) {
  const auto held = alone();
  seed_ = seed;
  words_[0] = static_cast<uint32_t>(seed);
  for (uint32_t i = 1; i < kWords; ++i)
    words_[i] = 1812433253u * (words_[i - 1] ^ words_[i - 1] >> 30) + i;
  left_ = 1;
  next_ = 0;
  next_normal_.reset();
}

void Generator::refill() {
  constexpr int shift = 397;
  auto twist = [this](int i, int next, int far) {
    const uint32_t mixed = (words_[i] & 0x80000000) | (words_[next] & 0x7fffffff);
    words_[i] = words_[far] ^ mixed >> 1 ^ (words_[next] & 1 ? 0x9908b0df : 0);
  };
  for (int i = 0; i < kWords - shift; ++i) twist(i, i + 1, i + shift);
  for (int i = kWords - shift; i < kWords - 1; ++i) twist(i, i + 1, i + shift - kWords);
  twist(kWords - 1, 0, shift - 1);
  left_ = kWords;
  next_ = 0;
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
  const auto held = alone();
  State s;
  std::memset(&s, 0, sizeof s);
  s.seed = seed_;
  s.left = left_;
  s.seeded = 1;
  s.next = static_cast<uint64_t>(next_);
  for (int i = 0; i < kWords; ++i) s.words[i] = words_[i];
  s.normal_y = next_normal_.value_or(0);
  s.normal_is_valid = next_normal_.has_value();
  std::string bytes(sizeof s, '\0');
  std::memcpy(bytes.data(), &s, sizeof s);
  return bytes;
}

void Generator::set_state(const std::string& bytes) {
  State s;
  if (bytes.size() != sizeof s)
    fail_runtime("set_state", "a generator's state has ", sizeof s, " bytes, this has ",
                 bytes.size(), "; pass what get_state() returned");
  std::memcpy(static_cast<void*>(&s), bytes.data(), sizeof s);
  if (s.seeded != 1 || s.left < 1 || s.left > kWords || s.next > kWords ||
      s.next + static_cast<uint64_t>(s.left) > kWords + 1)
    fail_runtime("set_state", "these bytes are no generator's state; pass what get_state() gave");
  const auto held = alone();
  seed_ = s.seed;
  left_ = s.left;
  next_ = static_cast<int>(s.next);
  for (int i = 0; i < kWords; ++i) words_[i] = static_cast<uint32_t>(s.words[i]);
  next_normal_ = s.normal_is_valid ? std::optional(s.normal_y) : std::nullopt;
}

namespace {
BX_FAST_TLS thread_local Generator* of_this_thread = nullptr;

Generator& shared_generator() {
  static auto* generator = new Generator;
  return *generator;
}
std::unique_lock<std::mutex> held_at_fork;
/// The child of a fork finds it whole and open. Who draws takes no memory: no lock waits for it.
[[maybe_unused]] const int generator_at_fork =
    pthread_atfork([] { held_at_fork = shared_generator().alone(); }, [] { held_at_fork.unlock(); },
                   [] { held_at_fork.unlock(); });
}  // namespace

Generator& default_generator() { return of_this_thread ? *of_this_thread : shared_generator(); }

void use_generator(Generator* generator) { of_this_thread = generator; }

}  // namespace bx
