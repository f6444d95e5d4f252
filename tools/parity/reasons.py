"""Why an entry differs, where that is known."""

from __future__ import annotations

from typing import Final

_ROUNDING = "rounding: both are as near to PyTorch's own float64 result"
_BESSEL = "PyTorch's float64 value is off by 4e-7 near 5; this one agrees with SciPy to 1e-15"

REASONS: Final = {
    "as_strided partial_views": "no gradient through a view that leaves its base; an error says so",
    "as_strided_scatter": "PyTorch's gradient is wrong, and expected to fail in its own tests",
    "logcumsumexp": _ROUNDING,
    "nn.functional.normalize": _ROUNDING,
    "nn.functional.scaled_dot_product_attention": _ROUNDING,
    "scatter_reduce prod": _ROUNDING,
    "special.log_ndtr": _ROUNDING,
    "special.bessel_j0": _BESSEL,
    "special.bessel_j1": _BESSEL,
    "special.bessel_y1": _BESSEL.replace("4e-7", "9e-7"),
    "nn.CTCLoss": _ROUNDING,
    "Muon": "PyTorch orthogonalises in bfloat16, a type that is absent here",
}
