// Channels turned into pixels, and back.
#include "ops/ops.h"

namespace bx {

namespace {

void check_image(const char* op, const Tensor& x) {
  if (x.dim() < 3) fail_runtime(op, "the input has shape ", x.shape(), "; expected (..., C, H, W)");
}

void check_factor(const char* op, const char* name, int64_t factor) {
  if (factor < 1) fail_runtime(op, name, "=", factor, "; pass 1 or more");
}

/// The dimensions before the last three.
Dims leading(const Tensor& x) {
  Dims shape = x.shape();
  shape.resize(x.dim() - 3);
  return shape;
}

Dims followed_by(Dims shape, std::initializer_list<int64_t> rest) {
  for (int64_t n : rest) shape.push_back(n);
  return shape;
}

/// The last dimensions in another order, given relative to the first of them.
Tensor reorder(const Tensor& x, std::initializer_list<int64_t> order) {
  const auto first = x.dim() - static_cast<int64_t>(order.size());
  Dims axes;
  for (int64_t d = 0; d < first; ++d) axes.push_back(d);
  for (int64_t d : order) axes.push_back(first + d);
  return permute(x, axes);
}

/// f(x), elements in another order, as one node; `back` brings gradients into the old order.
template <class F, class Back>
Tensor rearranged(const char* node, const Tensor& x, F f, Back back) {
  const Tensor out = unrecorded([&] { return f(x); });
  if (Recorder r{&x}; r)
    r.done(node, out, [back](const Backward& b) { b.give(0, back(b.grad())); });
  return out;
}

Tensor pixel_unshuffle(const Tensor& x, int64_t factor);

Tensor pixel_shuffle(const Tensor& x, int64_t factor) {
  const char* op = "pixel_shuffle";
  check_image(op, x);
  check_factor(op, "upscale_factor", factor);
  if (x.numel() == 0 && x.size(-3) == 0)
    return reshape(x, followed_by(leading(x), {0, x.size(-2) * factor, x.size(-1) * factor}));
  const int64_t c = x.size(-3), h = x.size(-2), w = x.size(-1), r = factor;
  if (r > c || c / r % r || c % r)
    fail_runtime(op, c, " channels with upscale_factor=", r,
                 "; they must be a multiple of its square");
  return rearranged(
      "PixelShuffleBackward0", x,
      [=](const Tensor& x) {
        const Tensor split = reshape(x, followed_by(leading(x), {c / (r * r), r, r, h, w}));
        return reshape(reorder(split, {0, 3, 1, 4, 2}),
                       followed_by(leading(x), {c / (r * r), h * r, w * r}));
      },
      [=](const Tensor& g) { return pixel_unshuffle(g, r); });
}

Tensor pixel_unshuffle(const Tensor& x, int64_t factor) {
  const char* op = "pixel_unshuffle";
  check_image(op, x);
  check_factor(op, "downscale_factor", factor);
  const int64_t c = x.size(-3), h = x.size(-2), w = x.size(-1), r = factor;
  if (h % r || w % r)
    fail_runtime(op, "an image of ", h, " by ", w, " with downscale_factor=", r,
                 "; both sides must be multiples of it");
  return rearranged(
      "PixelUnshuffleBackward0", x,
      [=](const Tensor& x) {
        const Tensor split = reshape(x, followed_by(leading(x), {c, h / r, r, w / r, r}));
        return reshape(reorder(split, {0, 2, 4, 1, 3}),
                       followed_by(leading(x), {c * r * r, h / r, w / r}));
      },
      [=](const Tensor& g) { return pixel_shuffle(g, r); });
}

Tensor channel_shuffle(const Tensor& x, int64_t groups) {
  const char* op = "channel_shuffle";
  if (x.dim() < 3)
    fail_runtime(op, "the input has shape ", x.shape(), "; expected (N, C, ...), 3 or more");
  check_factor(op, "groups", groups);
  const int64_t c = x.size(1);
  if (c % groups)
    fail_runtime(op, c, " channels do not split into groups=", groups, "; pass a divisor");
  const int64_t n = x.size(0), inner = x.numel() ? x.numel() / (n * c) : 0;
  return rearranged(
      "ChannelShuffleBackward0", x,
      [=](const Tensor& x) {
        const Tensor split = reshape(x, {n, groups, c / groups, inner});
        return reshape(transpose(split, 1, 2), x.shape());
      },
      [=](const Tensor& g) { return channel_shuffle(g, c / groups); });
}

}  // namespace

void register_image(Registry& r) {
  r.nn("pixel_shuffle", "input, upscale_factor", pixel_shuffle,
       "(..., C r^2, H, W) as (..., C, H r, W r): every r^2 channels become a square of pixels.");
  r.nn("pixel_unshuffle", "input, downscale_factor", pixel_unshuffle,
       "(..., C, H r, W r) as (..., C r^2, H, W), the inverse of pixel_shuffle.");
  r.nn("channel_shuffle", "input, groups", channel_shuffle,
       "The channels of (N, C, ...), dealt out: the first of every group, then the second, ...");
}

}  // namespace bx
