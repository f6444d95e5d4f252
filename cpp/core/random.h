// PyTorch's CPU generator: the Mersenne Twister and the distributions drawn from it.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "core/tensor.h"

namespace bx {

/// Who draws holds it (`alone`): long kernels run without the interpreter's lock.
class Generator : public std::enable_shared_from_this<Generator> {
 public:
  static constexpr uint64_t kDefaultSeed = 67280421310721;

  explicit Generator(uint64_t seed = kDefaultSeed) { manual_seed(seed); }

  /// Until it goes, other threads wait that want to draw, or to read or set the state.
  std::unique_lock<std::mutex> alone() const { return std::unique_lock(mutex_); }

  void manual_seed(uint64_t seed);
  uint64_t initial_seed() const { return seed_; }

  /// The next 32 bits of the Mersenne Twister. [Matsumoto & Nishimura 1998]
  uint32_t random() {
    if (--left_ == 0) refill();
    uint32_t y = words_[next_++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680;
    y ^= y << 15 & 0xefc60000;
    return y ^ y >> 18;
  }
  uint64_t random64();

  /// Uniform in [0, 1): 24 random bits for float, 53 for double.
  float uniform_float();
  double uniform_double();

  /// Standard normal by Box-Muller; every second call returns the cached partner.
  double normal();

  /// The whole state as bytes, laid out as PyTorch's; RuntimeError for bytes that are no state.
  std::string state() const;
  void set_state(const std::string& state);

 private:
  static constexpr int kWords = 624;

  void refill();

  mutable std::mutex mutex_;
  uint32_t words_[kWords];
  int left_ = 1;  // words until the next refill
  int next_ = 0;
  uint64_t seed_ = kDefaultSeed;
  std::optional<double> next_normal_;
};

/// The generator of all random numbers for which none is named.
Generator& default_generator();
/// Makes it another one on this thread (the workers of a DataLoader have their own); null: as
/// before.
void use_generator(Generator* generator);

}  // namespace bx
