"""The von Mises distribution."""

from __future__ import annotations

from math import log, pi
from typing import TYPE_CHECKING, Any

from .. import _core, special
from .._core import Tensor
from ..autograd.grad_mode import no_grad
from . import constraints
from .distribution import Distribution

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["VonMises"]


class VonMises(Distribution):
    """p(x) = exp(concentration cos(x - loc)) / (2 pi I_0(concentration)), angles in radians"""

    arg_constraints = {
        "loc": constraints.real,
        "concentration": constraints.positive,
    }
    support = constraints.real
    loc: Tensor
    concentration: Tensor

    def __init__(self, loc: Any, concentration: Any, validate_args: bool | None = None) -> None:
        shape = self._broadcast(loc=loc, concentration=concentration)
        super().__init__(shape, validate_args=validate_args)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The same with its parameters repeated to a shape that `Tensor.expand` takes."""
        return super().expand(self.loc.expand(batch_shape).shape)

    mean = property(lambda self: self.loc)
    mode = property(lambda self: self.loc)

    @property
    def variance(self) -> Tensor:
        """1 - I_1(k) / I_0(k), the circular variance"""
        return 1 - special.i1e(self.concentration) / special.i0e(self.concentration)

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Source: Best and Fisher, J. Roy. Stat. Soc. C 28 (1979), in float64."""
        shape = self._extended_shape(sample_shape)
        with no_grad():
            k = self.concentration.double()
            tau = 1 + (1 + 4 * k**2).sqrt()
            rho = (tau - (2 * tau).sqrt()) / (2 * k)
            # The series is exact where rho is lost to cancellation.
            r = _core.where(k < 1e-5, 1 / k + k, (1 + rho**2) / (2 * rho)).expand(shape)
            k = k.expand(shape)
            x = _core.empty(shape, dtype=_core.float64)
            done = _core.zeros(shape, dtype=_core.bool)
            while not bool(done.all()):
                u1, u2, u3 = _core.rand((3, *shape), dtype=_core.float64).unbind()
                z = (pi * u1).cos()
                f = (1 + r * z) / (r + z)
                c = k * (r - f)
                accept = (c * (2 - c) - u2 > 0) | ((c / u2).log() + 1 - c >= 0)
                x = _core.where(accept, (u3 - 0.5).sign() * f.acos(), x)
                done = done | accept
            angle = (x + pi + self.loc.double()) % (2 * pi) - pi
            return angle.to(self.loc.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        if self._validate_args:
            self._validate_sample(value)
        k = self.concentration
        log_i0 = special.i0e(k).log() + k
        found: Tensor = k * (value - self.loc).cos() - log(2 * pi) - log_i0
        return found
