// PyTorch's normal_fill: pairs of uniform values to pairs of normal ones, 16 at a time.
#include "kernels/families.h"
#include "kernels/lanes_math.h"

namespace bx::kernels {

namespace {

constexpr double kTwoPi = 6.283185307179586476925286766559;

/// in place on 16-blocks of out (contiguous, a multiple of 16): values j and j + 8 of a block are
/// u1 and u2 of Box-Muller; f[0] = mean, f[1] = std.
template <class T>
void normal_fill(const View* out, const View*, const Params& params, FaultInfo*) {
  auto* data = static_cast<T*>(out[0].data);
  const int64_t n = out[0].shape[0];
  using L = Lanes<T>;
  constexpr int step = L::width < 8 ? L::width : 8;
  for (int64_t block = 0; block + 16 <= n; block += 16)
    for (int j = 0; j < 8; j += step) {
      alignas(64) T u1[L::width], u2[L::width];
      for (int k = 0; k < L::width; ++k) {
        u1[k] = data[block + j + k % step];
        u2[k] = data[block + j + 8 + k % step];
      }
      const L radius = sqrt(-2. * log(1. - L::load(u1)));
      const L angle = L::load(u2) * kTwoPi;
      (radius * cos(angle) * params.f[1] + params.f[0]).store(u1);
      (radius * sin(angle) * params.f[1] + params.f[0]).store(u2);
      for (int k = 0; k < step; ++k) {
        data[block + j + k] = u1[k];
        data[block + j + 8 + k] = u2[k];
      }
    }
}

}  // namespace

void fill_random(Entries entries) {
  enter<float>(entries, Id::NormalFill, "normal_fill", &normal_fill<float>);
  enter<double>(entries, Id::NormalFill, "normal_fill", &normal_fill<double>);
}

}  // namespace bx::kernels
