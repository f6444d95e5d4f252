// PyTorch's CPU generator: the Mersenne Twister and the distributions drawn from it.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <random>

#include "core/tensor.h"

namespace bx {

class Generator {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721;

  explicit Generator(uint64_t seed = kDefaultSeed) { manual_seed(seed); }

  void manual_seed(uint64_t seed);
  uint64_t initial_seed() const { return seed_; }

  uint32_t random() { return static_cast<uint32_t>(engine_()); }
  uint64_t random64();

  /// Uniform in [0, 1): 24 random bits for float, 53 for double.
  float uniform_float();
  double uniform_double();

  /// Standard normal by Box-Muller; every second call returns the cached partner.
  double normal();

  /// The whole state as text, and back; ValueError for a text that is not a state.
  std::string state() const;
  void set_state(const std::string& state);

 private:
  std::mt19937 engine_;
  uint64_t seed_ = kDefaultSeed;
  std::optional<double> next_normal_;
};

/// The generator of all random numbers for which none is named.
Generator& default_generator();
/// Makes it another one on this thread (the workers of a DataLoader have their own); null: as
/// before.
void use_generator(Generator* generator);

}  // namespace bx
