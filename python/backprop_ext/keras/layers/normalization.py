"""Normalization over the batch, and over neighbouring channels."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._interop import from_array
from ...autograd.grad_mode import no_grad
from ...nn import functional as F
from ..base import Layer
from ._common import channels_first, features, positive
from ._spatial import Spatial

if TYPE_CHECKING:
    from ..._core import Tensor
    from .._shapes import Shape

__all__ = ["LRN2D", "BatchNormalization"]


class BatchNormalization(Layer):
    """y = gamma (x - m) / sqrt(v + epsilon) + beta for each channel.

    m and v are the mean and variance of the batch in training, else their running averages: r =
    momentum r + (1 - momentum) of each batch, the variance with n - 1. Channels are dimension 1,
    the last one with dim_ordering="tf" or axis=-1. Source: Ioffe and Szegedy, arXiv:1502.03167.
    """

    def __init__(
        self,
        epsilon: float = 1e-3,
        mode: int = 0,
        axis: int = 1,
        momentum: float = 0.99,
        beta_init: Any = "zero",
        gamma_init: Any = "one",
        dim_ordering: str = "th",
        **options: Any,
    ) -> None:
        super().__init__(**options)
        if mode != 0:
            raise ValueError(f"[BatchNormalization] mode={mode}; only mode 0, by channel, exists")
        self.epsilon, self.momentum = epsilon, momentum
        self.axis = axis if channels_first("BatchNormalization", dim_ordering) else -1
        self.starts = (gamma_init, beta_init)

    def make(self, shape: Shape) -> None:
        if not -len(shape) <= self.axis < len(shape) or self.axis % len(shape) == 0:
            raise ValueError(
                f"[BatchNormalization] axis={self.axis} is no channel of {shape}; 1, or -1 for last"
            )
        size = (features("BatchNormalization", shape, self.axis),)
        self.add_weight("weight", size, self.starts[0])
        self.add_weight("bias", size, self.starts[1])
        self.module.register_buffer("running_mean", _core.zeros(size))
        self.module.register_buffer("running_var", _core.ones(size))

    def compute(self, x: Tensor) -> Tensor:
        m, axis = self.module, self.axis % x.ndim
        x = x if axis == 1 else x.movedim(axis, 1)
        y = F.batch_norm(
            x, m.running_mean, m.running_var, m.weight, m.bias, self.is_training(),
            1.0 - self.momentum, self.epsilon,
        )  # fmt: skip
        return y if axis == 1 else y.movedim(1, axis)

    def get_running_mean(self) -> np.ndarray[Any, Any]:
        """The running average of the mean, as a copy."""
        return np.array(self.module.running_mean.numpy())

    def get_running_std(self) -> np.ndarray[Any, Any]:
        """The running average of the variance (so named in BigDL), as a copy."""
        return np.array(self.module.running_var.numpy())

    def set_running_mean(self, running_mean: Any) -> None:
        """Set the running average of the mean. Raises ValueError for another shape."""
        self._set("running_mean", running_mean)

    def set_running_std(self, running_std: Any) -> None:
        """Set the running average of the variance. Raises ValueError for another shape."""
        self._set("running_var", running_std)

    def _set(self, name: str, given: Any) -> None:
        buffer, array = getattr(self.module, name), np.asarray(given)
        if array.shape != tuple(buffer.shape):
            raise ValueError(
                f"[BatchNormalization] {name} has shape {tuple(buffer.shape)}, is given "
                f"{array.shape}; one number for each channel"
            )
        with no_grad():
            buffer.copy_(from_array(array, dtype=buffer.dtype))


class LRN2D(Spatial):
    """y_c = x_c / (k + alpha / n sum x^2)^beta, the sum over the n channels around c.

    Source: Krizhevsky et al., NIPS 2012, 3.3, with alpha / n for their alpha.
    """

    dims = 2

    def __init__(
        self,
        alpha: float = 1e-4,
        k: float = 1.0,
        beta: float = 0.75,
        n: int = 5,
        dim_ordering: str = "th",
        **options: Any,
    ) -> None:
        super().__init__(dim_ordering, **options)
        positive("LRN2D", n=n)
        self.numbers = (n, alpha, beta, k)

    def compute(self, x: Tensor) -> Tensor:
        return self.from_first(F.local_response_norm(self.to_first(x), *self.numbers))
