"""Activations with numbers of their own, some of them learned."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core
from ...nn import functional as F
from .. import activations
from ..base import Layer
from ._common import features

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..._core import Tensor
    from .._shapes import Shape

__all__ = [
    "ELU",
    "HardShrink",
    "HardTanh",
    "LeakyReLU",
    "PReLU",
    "RReLU",
    "SReLU",
    "SoftMax",
    "SoftShrink",
    "Softmax",
    "Threshold",
    "ThresholdedReLU",
]


class LeakyReLU(Layer):
    """y = x where x > 0, alpha x elsewhere."""

    def __init__(self, alpha: float = 0.01, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = alpha

    def compute(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, self.alpha)


class ELU(Layer):
    """y = x where x > 0, alpha (exp(x) - 1) elsewhere."""

    def __init__(self, alpha: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.alpha = alpha

    def compute(self, x: Tensor) -> Tensor:
        return F.elu(x, self.alpha)


class ThresholdedReLU(Layer):
    """y = x where x > theta, 0 elsewhere."""

    def __init__(self, theta: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.theta = theta

    def compute(self, x: Tensor) -> Tensor:
        return F.threshold(x, self.theta, 0.0)


class Threshold(Layer):
    """y = x where x > th, v elsewhere."""

    def __init__(self, th: float = 1e-6, v: float = 0.0, **options: Any) -> None:
        super().__init__(**options)
        self.th, self.v = th, v

    def compute(self, x: Tensor) -> Tensor:
        return F.threshold(x, self.th, self.v)


class HardTanh(Layer):
    """y = min(max(x, min_value), max_value)."""

    def __init__(self, min_value: float = -1.0, max_value: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self.bounds = (min_value, max_value)

    def compute(self, x: Tensor) -> Tensor:
        return F.hardtanh(x, *self.bounds)


class HardShrink(Layer):
    """y = x where |x| > value, 0 elsewhere."""

    def __init__(self, value: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.value = value

    def compute(self, x: Tensor) -> Tensor:
        return F.hardshrink(x, self.value)


class SoftShrink(Layer):
    """y = x - value sign(x) where |x| > value, 0 elsewhere."""

    def __init__(self, value: float = 0.5, **options: Any) -> None:
        super().__init__(**options)
        self.value = value

    def compute(self, x: Tensor) -> Tensor:
        return F.softshrink(x, self.value)


class Softmax(Layer):
    """y_i = exp(x_i) / sum_j exp(x_j) along the last dimension."""

    def compute(self, x: Tensor) -> Tensor:
        return activations.softmax(x)


SoftMax = Softmax


class PReLU(Layer):
    """y = x where x > 0, a x elsewhere; a is learned and starts from 0.25.

    One a for all, or one for each of the n_output_plane channels, dimension 1.
    Source: He et al., arXiv:1502.01852.
    """

    def __init__(self, n_output_plane: int = 0, **options: Any) -> None:
        super().__init__(**options)
        self.n_output_plane = n_output_plane

    def make(self, shape: Shape) -> None:
        if self.n_output_plane not in (0, features("PReLU", shape, 1)):
            raise ValueError(
                f"[PReLU] n_output_plane={self.n_output_plane} for an input of shape {shape}; pass "
                "0, or the length of dimension 1"
            )
        self.add_weight("weight", (self.n_output_plane or 1,), lambda a: a.fill_(0.25))

    def compute(self, x: Tensor) -> Tensor:
        return F.prelu(x, self.module.weight)


class RReLU(Layer):
    """y = x where x > 0, a x elsewhere; a ~ U(lower, upper) in training, else their mean."""

    def __init__(self, lower: float = 1 / 8, upper: float = 1 / 3, **options: Any) -> None:
        super().__init__(**options)
        self.bounds = (lower, upper)

    def compute(self, x: Tensor) -> Tensor:
        return F.rrelu(x, *self.bounds, training=self.is_training())


class SReLU(Layer):
    """y = t_r + a_r (x - t_r) where x >= t_r, t_l + a_l (x - t_l) where x <= t_l, else x.

    All four are learned, of the shape of a sample; those along shared_axes (the batch is 0) share
    them. t_right is t_left + |t_right| where it is used, so that they do not cross.
    Source: Jin et al., arXiv:1512.07030.
    """

    def __init__(
        self,
        t_left_init: Any = "zero",
        a_left_init: Any = "glorot_uniform",
        t_right_init: Any = "glorot_uniform",
        a_right_init: Any = "one",
        shared_axes: Sequence[int] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.starts = {
            "t_left": t_left_init,
            "a_left": a_left_init,
            "t_right": t_right_init,
            "a_right": a_right_init,
        }
        self.shared = tuple(shared_axes or ())

    def make(self, shape: Shape) -> None:
        size = [
            1 if d in self.shared else features("SReLU", shape, d) for d in range(1, len(shape))
        ]
        for name, start in self.starts.items():
            self.add_weight(name, size, start)

    def compute(self, x: Tensor) -> Tensor:
        m = self.module
        right = m.t_left + m.t_right.abs()
        y = _core.where(x <= m.t_left, m.t_left + m.a_left * (x - m.t_left), x)
        return _core.where(x >= right, right + m.a_right * (x - right), y)
