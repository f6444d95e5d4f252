"""Activations: rows of a name, a formula and a function; those with settings say so."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from .. import functional as F
from ..parameter import Parameter
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..._core import Tensor
    from ...types import Device

__all__ = [
    "CELU",
    "ELU",
    "GELU",
    "SELU",
    "Hardsigmoid",
    "Hardswish",
    "Hardtanh",
    "LeakyReLU",
    "LogSigmoid",
    "LogSoftmax",
    "Mish",
    "PReLU",
    "ReLU",
    "ReLU6",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softmin",
    "Softplus",
    "Softsign",
    "Tanh",
    "Tanhshrink",
]


class _Activation(Module):
    """y = f(x, *settings), elementwise: the settings are attributes, printed in their order."""

    f: ClassVar[Callable[..., Tensor]]
    settings: ClassVar[tuple[str, ...]] = ()

    def extra_repr(self) -> str:
        # An inplace that is off says nothing.
        shown = [(name, getattr(self, name, False)) for name in (*self.settings, "inplace")]
        return ", ".join(f"{n}={v!r}" for n, v in shown if n != "inplace" or v)


class _Plain(_Activation):
    def __init_subclass__(cls) -> None:
        """A forward that needs no attribute: libraries call it on objects of their own."""
        f = cls.f

        def forward(self: Any, input: Tensor) -> Tensor:
            return f(input)

        cls.forward = forward  # type: ignore[method-assign]


class _Inplace(_Activation):
    def __init__(self, inplace: bool = False) -> None:
        super().__init__()
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        return self.f(input, inplace=True) if self.inplace else self.f(input)


class _AlongDim(_Activation):
    settings = ("dim",)

    def __init__(self, dim: int | None = None) -> None:
        super().__init__()
        self.dim = dim

    def forward(self, input: Tensor) -> Tensor:
        return self.f(input, self.dim)


class _Scaled(_Activation):
    """With one number and an inplace."""

    def _set(self, value: float, inplace: bool) -> None:
        Module.__init__(self)
        setattr(self, self.settings[0], value)
        self.inplace = inplace

    def forward(self, input: Tensor) -> Tensor:
        value = getattr(self, self.settings[0])
        if self.inplace:
            return self.f(input, value, inplace=True)
        return self.f(input, value)


class LogSigmoid(_Plain):
    """y = log(1 / (1 + exp(-x)))."""

    f = staticmethod(F.logsigmoid)


class Sigmoid(_Plain):
    """y = 1 / (1 + exp(-x))."""

    f = staticmethod(_core.sigmoid)


class Softsign(_Plain):
    """y = x / (1 + |x|)."""

    f = staticmethod(F.softsign)


class Tanh(_Plain):
    """y = tanh(x)."""

    f = staticmethod(_core.tanh)


class Tanhshrink(_Plain):
    """y = x - tanh(x)."""

    f = staticmethod(F.tanhshrink)


class Hardsigmoid(_Inplace):
    """y = min(max(x / 6 + 1/2, 0), 1)."""

    f = staticmethod(F.hardsigmoid)

    def extra_repr(self) -> str:
        return ""


class Hardswish(_Inplace):
    """y = x min(max(x + 3, 0), 6) / 6."""

    f = staticmethod(F.hardswish)

    def extra_repr(self) -> str:
        return ""


class Mish(_Inplace):
    """y = x tanh(log(1 + exp(x))). Source: Misra, arXiv:1908.08681."""

    f = staticmethod(F.mish)


class ReLU(_Inplace):
    """y = max(x, 0)."""

    f = staticmethod(F.relu)

    def forward(self, input: Tensor) -> Tensor:
        return input.relu_() if self.inplace else _core.relu(input)


class ReLU6(_Inplace):
    """y = min(max(x, 0), 6)."""

    f = staticmethod(F.relu6)


class SELU(_Inplace):
    """y = s (max(x, 0) + min(a (exp(x) - 1), 0)), s 1.0507, a 1.6733. Source: arXiv:1706.02515."""

    f = staticmethod(F.selu)


class SiLU(_Inplace):
    """y = x / (1 + exp(-x))."""

    f = staticmethod(F.silu)


class LogSoftmax(_AlongDim):
    """y_i = x_i - log sum_j exp(x_j) along `dim`."""

    f = staticmethod(F.log_softmax)


class Softmax(_AlongDim):
    """y_i = exp(x_i) / sum_j exp(x_j) along `dim`."""

    f = staticmethod(F.softmax)


class Softmin(_AlongDim):
    """y_i = exp(-x_i) / sum_j exp(-x_j) along `dim`."""

    f = staticmethod(F.softmin)


class CELU(_Scaled):
    """y = max(x, 0) + min(a (exp(x / a) - 1), 0)."""

    f, settings = staticmethod(F.celu), ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self._set(alpha, inplace)


class ELU(_Scaled):
    """y = x where x > 0, a (exp(x) - 1) elsewhere. Source: arXiv:1511.07289."""

    f, settings = staticmethod(F.elu), ("alpha",)

    def __init__(self, alpha: float = 1.0, inplace: bool = False) -> None:
        self._set(alpha, inplace)


class LeakyReLU(_Scaled):
    """y = x where x > 0, a x elsewhere."""

    f, settings = staticmethod(F.leaky_relu), ("negative_slope",)

    def __init__(self, negative_slope: float = 0.01, inplace: bool = False) -> None:
        self._set(negative_slope, inplace)


class GELU(_Activation):
    """y = x Phi(x), Phi the normal distribution; or its tanh form. Source: arXiv:1606.08415."""

    settings = ("approximate",)

    def __init__(self, approximate: str = "none") -> None:
        super().__init__()
        self.approximate = approximate

    def forward(self, input: Tensor) -> Tensor:
        return F.gelu(input, approximate=self.approximate)


class Hardtanh(_Activation):
    """y = min(max(x, min_val), max_val). Raises ValueError unless min_val < max_val."""

    settings = ("min_val", "max_val")

    def __init__(
        self,
        min_val: float = -1.0,
        max_val: float = 1.0,
        inplace: bool = False,
        min_value: float | None = None,
        max_value: float | None = None,
    ) -> None:
        super().__init__()
        if min_value is not None or max_value is not None:
            text = f"[Hardtanh] {min_value=}, {max_value=} are deprecated; pass min_val, max_val"
            warnings.warn(text, FutureWarning, stacklevel=2)
        min_val = min_val if min_value is None else min_value
        max_val = max_val if max_value is None else max_value
        if min_val >= max_val:
            raise AssertionError(f"[Hardtanh] {min_val=} is not below {max_val=}; swap them")
        self.min_val, self.max_val, self.inplace = min_val, max_val, inplace

    def forward(self, input: Tensor) -> Tensor:
        return F.hardtanh(input, self.min_val, self.max_val, inplace=self.inplace)


class PReLU(_Activation):
    """y = x where x > 0, a x elsewhere, with `a` learned: one, or one per channel (dimension 1)."""

    settings = ("num_parameters",)

    def __init__(
        self, num_parameters: int = 1, init: float = 0.25, device: Device = None, dtype: Any = None
    ) -> None:
        super().__init__()
        self.num_parameters, self.init = num_parameters, init
        self.weight = Parameter(_core.empty(num_parameters, dtype=dtype, device=device))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        _core.detach(self.weight).fill_(self.init)

    def forward(self, input: Tensor) -> Tensor:
        return F.prelu(input, self.weight)


class Softplus(_Activation):
    """y = log(1 + exp(beta x)) / beta, and x where beta x > threshold."""

    settings = ("beta", "threshold")

    def __init__(self, beta: float = 1.0, threshold: float = 20.0) -> None:
        super().__init__()
        self.beta, self.threshold = beta, threshold

    def forward(self, input: Tensor) -> Tensor:
        return F.softplus(input, self.beta, self.threshold)
