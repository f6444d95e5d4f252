"""Fill a tensor in place with the starting values of a layer.

Numbers are drawn in PyTorch's order, so the same seed gives the same weights.
Source: https://docs.pytorch.org/docs/stable/nn.init.html
"""

from __future__ import annotations

import warnings
from math import ceil, erf, sqrt
from typing import TYPE_CHECKING, Final

from .. import _core, linalg
from ..autograd.grad_mode import no_grad
from ._old_names import old_names

if TYPE_CHECKING:
    from .._core import Generator, Tensor

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    **dict.fromkeys(("linear", "sigmoid", "conv1d", "conv2d", "conv3d"), 1.0),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1.0),
    "tanh": 5.0 / 3.0,
    "relu": sqrt(2.0),
    "selu": 3.0 / 4.0,
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """The factor that keeps the variance through a nonlinearity: 1, 5/3 (tanh), sqrt 2 (relu), ...

    leaky_relu has sqrt(2 / (1 + param^2)), with slope 0.01 by default. Raises ValueError.
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, (int, float)):
            raise ValueError(
                f"[calculate_gain] the slope of leaky_relu is {slope!r}, no number; pass one"
            )
        return sqrt(2.0 / (1.0 + slope**2))
    if not isinstance(nonlinearity, str) or nonlinearity not in _GAINS:
        raise ValueError(
            f"[calculate_gain] {nonlinearity!r} is not one of {sorted([*_GAINS, 'leaky_relu'])}; "
            "take the nearest"
        )
    return _GAINS[nonlinearity]


def _uniform(tensor: Tensor, low: float, high: float, generator: Generator | None) -> Tensor:
    with no_grad():
        return tensor.uniform_(low, high, generator=generator)


def _normal(tensor: Tensor, mean: float, std: float, generator: Generator | None) -> Tensor:
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def uniform_(
    tensor: Tensor, a: float = 0.0, b: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """x ~ U(a, b)."""
    return _uniform(tensor, a, b, generator)


def normal_(
    tensor: Tensor, mean: float = 0.0, std: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """x ~ N(mean, std^2)."""
    return _normal(tensor, mean, std, generator)


def _normal_cdf(x: float) -> float:
    return (1.0 + erf(x / sqrt(2.0))) / 2.0


_ROUNDS: Final = 20_000


def trunc_normal_(
    tensor: Tensor,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Generator | None = None,
) -> Tensor:
    """x ~ N(mean, std^2) given that a <= x <= b, by rejection.

    Proposals are normal where more than 0.3 of them fall into [a, b], else uniform in [a, b] and
    kept with probability density / largest density. Warns where mean lies more than 2 std outside.
    Raises RuntimeError, and changes nothing, where the bounds lie so far out that none is found.
    """
    if std == 0:
        raise ZeroDivisionError(
            "[trunc_normal_] std is 0; pass more, or fill_ the tensor with the mean"
        )
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            f"[trunc_normal_] mean={mean} is more than 2 std={std} away from [{a}, {b}]; the "
            "distribution of the values may be wrong",
            stacklevel=2,
        )

    def normal() -> tuple[Tensor, Tensor]:
        x = _core.empty_like(tensor).normal_(mean, std, generator=generator)
        return x, (x < low) | (x > high)

    def uniform() -> tuple[Tensor, Tensor]:
        x = _core.empty_like(tensor).uniform_(a, b, generator=generator)
        log_density = ((x - mean) / std).pow(2) * -0.5 - log_peak
        chance = _core.empty_like(tensor).uniform_(generator=generator).log()
        return x, chance > log_density

    low, high = (tensor.new_tensor(bound).item() for bound in (a, b))
    log_peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2
    share = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    propose = normal if share > 0.3 else uniform
    with no_grad():
        values, rejected = propose()
        for _ in range(_ROUNDS):
            if not rejected.any():
                return tensor.copy_(values)
            fresh, again = propose()
            values = _core.where(rejected, fresh, values)
            rejected = rejected & again
    raise RuntimeError(
        f"[trunc_normal_] mean={mean}, std={std}: {_ROUNDS} rounds found no values in [{a}, {b}]; "
        "move the bounds nearer to the mean"
    )


def constant_(tensor: Tensor, val: float) -> Tensor:
    """x = val."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor: Tensor) -> Tensor:
    """x = 1."""
    return constant_(tensor, 1.0)


def zeros_(tensor: Tensor) -> Tensor:
    """x = 0."""
    return constant_(tensor, 0.0)


def eye_(tensor: Tensor) -> Tensor:
    """x_ij = 1 where i = j, 0 elsewhere. Raises ValueError unless x is 2-D."""
    if tensor.ndim != 2:
        raise ValueError(f"[eye_] a matrix is needed, the tensor has {tensor.ndim} dimensions")
    with no_grad():
        return tensor.copy_(_core.eye(*tensor.shape))


def dirac_(tensor: Tensor, groups: int = 1) -> Tensor:
    """The kernel of a convolution that passes its inputs through, channel by channel.

    x[g m + d, d, middle...] = 1 in each of the groups g, with m outputs to a group; 0 elsewhere.
    Raises ValueError unless x has 3 to 5 dimensions and size(0) is a multiple of groups.
    """
    if tensor.ndim not in (3, 4, 5):
        raise ValueError(
            f"[dirac_] a kernel has 3, 4 or 5 dimensions, the tensor has {tensor.ndim}"
        )
    outputs, inputs, *window = tensor.shape
    if groups == 0:
        raise ZeroDivisionError("[dirac_] groups is 0; pass 1 or more")
    if outputs % groups:
        raise ValueError(f"[dirac_] {outputs} output channels do not divide into {groups} groups")
    own = outputs // groups
    middle = tuple(length // 2 for length in window)
    with no_grad():
        tensor.zero_()
        for group in range(groups):
            for d in range(min(own, inputs)):
                place = (group * own + d, d, *middle)
                tensor[place] = 1
    return tensor


def sparse_(
    tensor: Tensor, sparsity: float, std: float = 0.01, generator: Generator | None = None
) -> Tensor:
    """x ~ N(0, std^2), with ceil(sparsity * rows) elements of every column 0.

    Raises ValueError unless x is 2-D. Source: Martens, Deep learning via
    Hessian-free optimization, ICML 2010. The places are drawn from the default generator, as in
    PyTorch.
    """
    if tensor.ndim != 2:
        raise ValueError(f"[sparse_] a matrix is needed, the tensor has {tensor.ndim} dimensions")
    rows, columns = tensor.shape
    zeros = ceil(sparsity * rows)
    with no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[_core.randperm(rows)[:zeros], column] = 0
    return tensor


def _calculate_fan_in_and_fan_out(tensor: Tensor, op: str = "init") -> tuple[int, int]:
    """(fan_in, fan_out): the weights that meet in an output, and those that leave an input."""
    if tensor.ndim < 2:
        raise ValueError(
            f"[{op}] a weight of shape {tuple(tensor.shape)} has no fan in and out, that takes "
            "2 dimensions; use uniform_ or normal_"
        )
    outputs, inputs, *window = tensor.shape
    field = 1
    for length in window:
        field *= length
    return inputs * field, outputs * field


def xavier_uniform_(
    tensor: Tensor, gain: float = 1.0, generator: Generator | None = None
) -> Tensor:
    """x ~ U(-a, a), a = gain sqrt(6 / (fan_in + fan_out)); ValueError below 2 dimensions.

    Source: Glorot & Bengio, AISTATS 2010.
    """
    fans = _calculate_fan_in_and_fan_out(tensor, "xavier_uniform_")
    bound = sqrt(3.0) * gain * sqrt(2.0 / sum(fans))
    return _uniform(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Tensor, gain: float = 1.0, generator: Generator | None = None) -> Tensor:
    """x ~ N(0, s^2), s = gain sqrt(2 / (fan_in + fan_out)); ValueError below 2 dimensions.

    Source: Glorot & Bengio, AISTATS 2010.
    """
    std = gain * sqrt(2.0 / sum(_calculate_fan_in_and_fan_out(tensor, "xavier_normal_")))
    return _normal(tensor, 0.0, std, generator)


def _calculate_correct_fan(tensor: Tensor, mode: str, op: str = "init") -> int:
    place = {"fan_in": 0, "fan_out": 1}.get(mode.lower())
    if place is None:
        raise ValueError(f"[{op}] mode={mode!r} is not one of 'fan_in', 'fan_out'; take one")
    return _calculate_fan_in_and_fan_out(tensor, op)[place]


def _kaiming_std(op: str, tensor: Tensor, a: float, mode: str, nonlinearity: str) -> float:
    if 0 in tensor.shape:
        warnings.warn(
            f"[{op}] Initializing zero-element tensors is a no-op: the shape is "
            f"{tuple(tensor.shape)}; give it elements",
            stacklevel=3,
        )
        return 0.0
    fan = _calculate_correct_fan(tensor, mode, op)
    return calculate_gain(nonlinearity, a) / sqrt(fan) if fan else 0.0


def kaiming_uniform_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """x ~ U(-b, b), b = gain sqrt(3 / fan); ValueError below 2 dimensions.

    Source: He et al., Delving deep into rectifiers, ICCV 2015.
    """
    bound = sqrt(3.0) * _kaiming_std("kaiming_uniform_", tensor, a, mode, nonlinearity)
    return _uniform(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Tensor,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Generator | None = None,
) -> Tensor:
    """x ~ N(0, s^2), s = gain / sqrt(fan); ValueError below 2 dimensions.

    Source: He et al., Delving deep into rectifiers, ICCV 2015.
    """
    std = _kaiming_std("kaiming_normal_", tensor, a, mode, nonlinearity)
    return _normal(tensor, 0.0, std, generator)


def orthogonal_(tensor: Tensor, gain: float = 1, generator: Generator | None = None) -> Tensor:
    """x = gain Q, its rows (or columns, of the two the fewer) orthonormal; size(0) counts as rows.

    Q of the QR decomposition of normal numbers, with signs that make diag(R) positive, so that it
    is spread evenly over all such matrices. Raises ValueError below 2 dimensions.
    Source: Saxe et al., arXiv:1312.6120; Mezzadri, arXiv:math-ph/0609050.
    """
    if tensor.ndim < 2:
        raise ValueError(
            f"[orthogonal_] a matrix or more is needed, the tensor has {tensor.ndim} dimensions"
        )
    if tensor.numel() == 0:
        return tensor
    rows = tensor.shape[0]
    with no_grad():
        x = tensor.new_empty(rows, tensor.numel() // rows).normal_(0, 1, generator=generator)
        wide = x.shape[0] < x.shape[1]
        q, r = linalg.qr(x.t() if wide else x)
        q = q * _core.diagonal(r).sign()
        return tensor.copy_((q.t() if wide else q).reshape(tensor.shape)).mul_(gain)


constant, dirac, eye, sparse = old_names(constant_, dirac_, eye_, sparse_)
normal, uniform, orthogonal = old_names(normal_, uniform_, orthogonal_)
xavier_normal, xavier_uniform = old_names(xavier_normal_, xavier_uniform_)
kaiming_normal, kaiming_uniform = old_names(kaiming_normal_, kaiming_uniform_)
