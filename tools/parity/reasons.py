"""Why an entry differs, where that is known."""

from __future__ import annotations

from typing import Final

_BESSEL = "PyTorch's float64 value is off by 4e-7 near 5; this one agrees with SciPy to 1e-15"
_TRIANGLE = "the triangle that is not read: 0 here, in PyTorch what its own tests project away"
_NORM = "at 0: PyTorch's second derivative is NaN, here it is 0"

REASONS: Final = {
    "as_strided partial_views": "no gradient through a view that leaves its base; an error says so",
    "sparse.sampled_addmm": "the gradient of a sparse tensor stands at its own indices here",
    "as_strided_scatter": "PyTorch's gradient is wrong, and expected to fail in its own tests",
    "cholesky_inverse": _TRIANGLE,
    "cholesky_solve": _TRIANGLE,
    "linalg.norm": _NORM,
    "linalg.norm subgradients_at_zero": _NORM,
    "special.bessel_j0": _BESSEL,
    "special.bessel_j1": _BESSEL,
    "special.bessel_y1": _BESSEL.replace("4e-7", "9e-7"),
    "Muon": "PyTorch orthogonalises in bfloat16, a type that is absent here",
}
