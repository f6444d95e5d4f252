// Short-time Fourier transforms: windows of a signal, and their sum. Cutting frames out of a signal
// and adding them up at their places are each other's derivative.
#include "ops/arranging.h"
#include "ops/fft.h"

namespace bx {

namespace {

using OptInt = std::optional<int64_t>;

/// How frames lie over a signal.
struct Frames {
  int64_t size, hop;
  Tensor window;  // of `size`, undefined where all are 1

  Frames(const char* op, int64_t n_fft, OptInt hop_length, OptInt win_length,
         const std::optional<Tensor>& given)
      : size(n_fft), hop(hop_length.value_or(n_fft / 4)) {
    const int64_t width = win_length.value_or(n_fft);
    if (hop <= 0) fail_runtime(op, "hop_length is ", hop, "; expected more than 0");
    if (width <= 0 || width > n_fft)
      fail_runtime(op, "win_length is ", width, "; expected 1 to n_fft, ", n_fft);
    if (!given && width == n_fft) return;
    if (given && !(given->shape() == Dims{width}))
      fail_runtime(op, "window has shape ", given->shape(), "; expected ", Dims{width},
                   ", that of win_length");
    const int64_t left = (n_fft - width) / 2;
    window = given ? *given : full({width}, 1., default_dtype());
    if (width < n_fft) window = pad(window, Sizes{{left, n_fft - width - left}}, "constant", {});
  }

  int64_t length(int64_t count) const { return size + hop * (count - 1); }
  /// Frames (batch, count, size) as parts of signals (batch, samples).
  Part part(int64_t batch, int64_t samples, int64_t count) const {
    return {{batch, count, size}, {samples, hop, 1}, 0};
  }
};

Norm norm_of(bool normalized) { return normalized ? Norm("ortho") : std::nullopt; }

Tensor stft(const Tensor& input, int64_t n_fft, OptInt hop_length, OptInt win_length,
            const std::optional<Tensor>& window, bool center, const std::string& pad_mode,
            bool normalized, std::optional<bool> onesided, std::optional<bool> return_complex) {
  const bool complex = is_complex(input.dtype()) || (window && is_complex(window->dtype()));
  if (!return_complex && !complex)
    fail_runtime("stft", "return_complex must be given for real inputs; pass return_complex=True");
  if (!is_differentiable(input.dtype()) || input.dim() < 1 || input.dim() > 2)
    fail(input.dtype() == DType::Bool ? ErrorKind::NotImplemented : ErrorKind::Runtime, "stft",
         "input is ", name_of(input.dtype()), " of shape ", input.shape(),
         "; expected a floating-point or complex tensor (samples) or (batch, samples)");
  if (onesided.value_or(false) && complex)
    fail_runtime("stft",
                 "onesided=True for complex input or a complex window, whose spectrum has "
                 "no mirror image; leave it out");
  const Frames frames("stft", n_fft, hop_length, win_length, window);
  Tensor x = input.dim() == 1 ? unsqueeze(input, 0) : input;
  if (center) x = pad(x, Sizes{{n_fft / 2, n_fft / 2}}, pad_mode, {});
  const int64_t batch = x.size(0), samples = x.size(1);
  if (n_fft <= 0 || n_fft > samples)
    fail_runtime("stft", "n_fft is ", n_fft, " for ", samples, " samples; expected 1 to as many");
  const int64_t count = 1 + (samples - n_fft) / frames.hop;
  Tensor cut = extract("AsStridedBackward0", x, frames.part(batch, samples, count));
  if (frames.window.defined()) cut = cut * frames.window;
  const auto transform = onesided.value_or(!complex) ? &rfftn : &fftn;
  const Tensor spectra = transform("stft", cut, std::nullopt, Dims{-1}, norm_of(normalized), false);
  Tensor out = transpose(spectra, 1, 2);
  if (input.dim() == 1) out = squeeze(out, Dims{0});
  return return_complex.value_or(true) ? out : view_as_real(out);
}

Tensor istft(const Tensor& input, int64_t n_fft, OptInt hop_length, OptInt win_length,
             const std::optional<Tensor>& window, bool center, bool normalized,
             std::optional<bool> onesided, OptInt length, bool return_complex) {
  if (!is_complex(input.dtype()) || input.dim() < 2 || input.dim() > 3 || input.numel() == 0)
    fail_runtime("istft", "input is ", name_of(input.dtype()), " of shape ", input.shape(),
                 "; expected a complex tensor (frequencies, frames), perhaps behind a batch");
  const Tensor z = transpose(input.dim() == 2 ? unsqueeze(input, 0) : input, 1, 2);
  const int64_t batch = z.size(0), count = z.size(1), found = z.size(2);
  const bool half = onesided.value_or(found != n_fft);
  if (half && return_complex)
    fail_runtime("istft",
                 "return_complex=True of half a spectrum, which is that of a real signal; "
                 "pass onesided=False");
  if (const int64_t wanted = half ? n_fft / 2 + 1 : n_fft; found != wanted)
    fail_runtime("istft", "input has ", found, " frequencies, onesided=", half ? "True" : "False",
                 " of n_fft ", n_fft, " has ", wanted, "; they must be equal");
  if (window && is_complex(window->dtype()) && !return_complex)
    fail_runtime("istft", "the window is ", name_of(window->dtype()),
                 ", and return_complex=False; pass a real window, or return_complex=True");
  const Frames frames("istft", n_fft, hop_length, win_length, window);
  // Of a whole spectrum that stands for a real signal, the first half says all.
  const auto transform = return_complex ? &fftn : &irfftn;
  const Tensor waves = transform("istft", return_complex ? z : slice(z, 2, 0, n_fft / 2 + 1, 1),
                                 Dims{n_fft}, Dims{-1}, norm_of(normalized), true);
  const Tensor w = frames.window.defined() ? frames.window : full({n_fft}, 1., real_of(z.dtype()));
  const int64_t samples = frames.length(count), start = center ? n_fft / 2 : 0;
  const int64_t end = length ? start + *length : center ? samples - n_fft / 2 : samples;
  Tensor y = embed(waves * w, {batch, samples}, frames.part(batch, samples, count));
  const Tensor weight =
      embed(expand(w * w, {1, count, n_fft}), {1, samples}, frames.part(1, samples, count));
  const Tensor kept = slice(weight, 1, start, end, 1);
  require_every("istft", abs(detach(kept)) > 1e-11, ErrorKind::Runtime,
                "window overlap add min: the windows leave a sample without weight; use a smaller "
                "hop_length, or another window");
  y = slice(y, 1, start, end, 1) / kept;
  if (end > samples) y = pad(y, Sizes{{0, end - samples}}, "constant", {});
  return input.dim() == 2 ? squeeze(y, Dims{0}) : y;
}

}  // namespace

void register_stft(Registry& r) {
  r.both("stft",
         "input, n_fft, hop_length=None, win_length=None, window=None, ?center=True, "
         "pad_mode='reflect', normalized=False, onesided=None, return_complex=None",
         stft,
         "Y[k, m] = sum_j window[j] input[m hop + j] e^(-2 pi i j k / n_fft);  input (samples) or "
         "(batch, samples), Y (.., frequencies, frames). hop_length: n_fft / 4; `center` pads so "
         "that frame m lies around sample m hop; of a real input half the spectrum, unless "
         "onesided=False; return_complex=False gives pairs of reals.");
  r.both("istft",
         "input, n_fft, hop_length=None, win_length=None, window=None, center=True, "
         "normalized=False, onesided=None, length=None, return_complex=False",
         istft,
         "The signal whose stft is nearest to input: frames times window, added up at their places "
         "and divided by the sum of the squared windows. RuntimeError where that is 0.");
}

}  // namespace bx
