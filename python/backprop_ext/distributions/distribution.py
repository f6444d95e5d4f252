"""The base of every distribution: shapes, validation, expansion, repr.

Source: https://docs.pytorch.org/docs/stable/distributions.html#distribution
"""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

from .._core import Tensor, _recording
from .._size import Size
from ..autograd.grad_mode import no_grad
from .constraints import Constraint, is_dependent
from .utils import broadcast_all, lazy_property, logits_to_probs, probs_to_logits

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["Distribution"]


class Distribution:
    """p(x) over events of event_shape, one for each element of batch_shape.

    Samples have the shape sample_shape + batch_shape + event_shape. Parameters and values are
    checked against `arg_constraints` and `support`, and ValueError is raised for those outside;
    `validate_args=False`, or set_default_validate_args(False), goes without.
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    arg_constraints: Any = {}
    _validate_args = __debug__
    # The parameter that PyTorch expands before it looks at the new shape.
    _expands_first = ""

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether to check where a distribution is not told. Raises ValueError unless a bool."""
        if value not in (True, False):
            raise ValueError(f"[set_default_validate_args] {value!r} was given; pass True or False")
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: Size = Size(),  # noqa: B008
        event_shape: Size = Size(),  # noqa: B008
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape, self._event_shape = batch_shape, event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()

    def _check_parameters(self) -> None:
        for name, constraint in self.arg_constraints.items():
            lazy = isinstance(getattr(type(self), name, None), lazy_property)
            if is_dependent(constraint) or (lazy and name not in self.__dict__):
                continue
            self._check(f"parameter {name}", constraint, getattr(self, name))

    def _check(self, what: str, constraint: Constraint, value: Tensor) -> None:
        if _recording():  # a captured step reads no values
            return
        inside = constraint.check(value)
        if not bool(inside.all()):
            outside = value[~inside] if inside.shape == value.shape[: inside.ndim] else value
            raise ValueError(
                f"[{type(self).__name__}] {what}, of shape {tuple(value.shape)}, holds "
                f"{outside.detach().reshape(-1)[:3].tolist()}; expected {constraint!r}, or pass "
                "validate_args=False"
            )

    def _broadcast(self, **parameters: Any) -> Size:
        """Keep parameters as attributes of one shape, which is returned."""
        values = broadcast_all(*parameters.values())
        for name, value in zip(parameters, values, strict=True):
            setattr(self, name, value)
        return Size(values[0].shape)

    def expand(self, batch_shape: Sequence[int], _instance: Any = None) -> Any:
        """The same distribution with its parameters repeated to a batch_shape."""
        new = self._get_checked_instance(type(self), _instance)
        if self._expands_first:
            getattr(self, self._expands_first).expand(batch_shape)
        batch_shape = Size(batch_shape)
        new.__dict__ = {**self.__dict__, **new.__dict__, "_batch_shape": batch_shape}
        for name, value in self.__dict__.items():
            if isinstance(value, Distribution):  # what this one is made of
                setattr(new, name, self._expanded_part(value, batch_shape))
        for name, constraint in self._repeated.items():
            if name in self.__dict__:
                value = self.__dict__[name]
                event = value.shape[value.ndim - constraint.event_dim :]
                setattr(new, name, value.expand((*batch_shape, *event)))
        return new

    def _get_checked_instance(self, cls: type, _instance: Any = None) -> Any:
        """For an `expand` of one's own: the instance, or an empty one of the type of self.

        NotImplementedError where that type has another __init__ than `cls`, whose expand it is.
        """
        if _instance is not None:
            if not isinstance(_instance, Distribution):
                # PyTorch sets an attribute first, which not every object lets it.
                raise (TypeError if hasattr(_instance, "__dict__") else AttributeError)(
                    f"[expand] a {type(_instance).__name__} is no distribution; leave it out"
                )
            return _instance
        if type(self).__init__ is not cls.__init__:  # type: ignore[misc]
            raise NotImplementedError(
                f"[expand] {type(self).__name__} has an __init__ other than that of "
                f"{cls.__name__}; define expand() too"
            )
        return self.__new__(type(self))

    @property
    def _repeated(self) -> Any:
        """What of its tensors is repeated in `expand`, with the event_dim of each."""
        return self.arg_constraints

    def _expanded_part(self, part: Distribution, batch_shape: Size) -> Any:
        return part.expand(batch_shape + part.batch_shape[len(self._batch_shape) :])

    @property
    def batch_shape(self) -> Size:
        """The shape over which the parameters differ."""
        return self._batch_shape

    @property
    def event_shape(self) -> Size:
        """The shape of one draw."""
        return self._event_shape

    @property
    def support(self) -> Any:
        """The constraint that samples satisfy."""
        raise NotImplementedError(self._lacks("support"))

    @property
    def mean(self) -> Tensor:
        """E[x]"""
        raise NotImplementedError(self._lacks("mean"))

    @property
    def mode(self) -> Tensor:
        """argmax p(x)"""
        raise NotImplementedError(self._lacks("mode"))

    @property
    def variance(self) -> Tensor:
        """E[(x - E[x])^2]"""
        raise NotImplementedError(self._lacks("variance"))

    @property
    def stddev(self) -> Tensor:
        """sqrt(variance)"""
        return self.variance.sqrt()

    def sample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws without a graph."""
        with no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Sequence[int] = ()) -> Tensor:
        """Draws that are differentiable functions of the parameters."""
        raise NotImplementedError(self._lacks("rsample"))

    def sample_n(self, n: int) -> Tensor:
        """sample((n,)); deprecated."""
        warnings.warn("[sample_n] it is deprecated; use sample((n,))", FutureWarning, stacklevel=2)
        return self.sample((n,))

    def log_prob(self, value: Tensor) -> Tensor:
        """log p(value), of the shape of value without the event."""
        raise NotImplementedError(self._lacks("log_prob"))

    def cdf(self, value: Tensor) -> Tensor:
        """P(x <= value)"""
        raise NotImplementedError(self._lacks("cdf"))

    def icdf(self, value: Tensor) -> Tensor:
        """The x of which cdf(x) = value."""
        raise NotImplementedError(self._lacks("icdf"))

    def enumerate_support(self, expand: bool = True) -> Tensor:
        """All events, along a new first dimension; of ones for the batch unless `expand`."""
        raise NotImplementedError(self._lacks("enumerate_support"))

    def entropy(self) -> Tensor:
        """-E[log p(x)]"""
        raise NotImplementedError(self._lacks("entropy"))

    def perplexity(self) -> Tensor:
        """exp(entropy)"""
        return self.entropy().exp()

    def _lacks(self, what: str) -> str:
        return f"[{type(self).__name__}] it has no {what}, in PyTorch neither; estimate by sample()"

    def _extended_shape(self, sample_shape: Sequence[int] = ()) -> Size:
        return Size(sample_shape) + self._batch_shape + self._event_shape

    def _enumerated(self, values: Tensor, expand: bool) -> Tensor:
        """Scalar events along the first dimension, for enumerate_support."""
        values = values.view((-1,) + (1,) * len(self._batch_shape))
        return values.expand((-1, *self._batch_shape)) if expand else values

    def _validate_sample(self, value: Any) -> None:
        name = type(self).__name__
        if not isinstance(value, Tensor):
            raise ValueError(f"[{name}] the value is a {type(value).__name__}; pass a Tensor")
        shape, events = Size(value.shape), len(self._event_shape)
        if shape[len(shape) - events :] != self._event_shape:
            raise ValueError(
                f"[{name}] the value has shape {tuple(shape)}, an event has "
                f"{tuple(self._event_shape)}; let its last dimensions be those of an event"
            )
        expected = self._batch_shape + self._event_shape
        if any(1 != i != j != 1 for i, j in zip(shape[::-1], expected[::-1], strict=False)):
            raise ValueError(
                f"[{name}] the value has shape {tuple(shape)}, the distribution {tuple(expected)}; "
                "pass shapes that broadcast"
            )
        try:
            support = self.support
        except NotImplementedError:
            return
        self._check("the value", support, value)

    def __repr__(self) -> str:
        parameters = {k: self.__dict__[k] for k in self.arg_constraints if k in self.__dict__}
        shown = (f"{k}: {v if v.numel() == 1 else v.shape}" for k, v in parameters.items())
        return f"{type(self).__name__}({', '.join(shown)})"


class WithLogits(Distribution):
    """A distribution given by `probs` or by `logits`; the other is computed when asked for."""

    _is_binary = True

    def _one_of(self, probs: Any, logits: Any) -> dict[str, Any]:
        """The one that is given, by name. Raises ValueError for both or none."""
        if (probs is None) == (logits is None):
            given = "neither" if probs is None else "both"
            raise ValueError(
                f"[{type(self).__name__}] {given} of probs and logits given; pass one of them"
            )
        return {"logits": logits} if probs is None else {"probs": probs}

    @lazy_property
    def logits(self) -> Tensor:
        """log(p / (1 - p)), or log p over several classes."""
        return probs_to_logits(self.probs, self._is_binary)

    @lazy_property
    def probs(self) -> Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, self._is_binary)

    @property
    def _param(self) -> Tensor:
        return self.probs if "probs" in self.__dict__ else self.logits

    @property
    def param_shape(self) -> Size:
        """The shape of probs and of logits."""
        return Size(self._param.shape)
