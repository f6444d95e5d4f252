"""From unconstrained numbers into a constraint: `biject_to` one to one, `transform_to` onto it.

Source: https://docs.pytorch.org/docs/stable/distributions.html#module-torch.distributions.constraint_registry
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from . import constraints, transforms
from .constraints import Constraint

if TYPE_CHECKING:
    from collections.abc import Callable

    from .transforms import Transform

__all__ = ["ConstraintRegistry", "biject_to", "transform_to"]


class ConstraintRegistry:
    """registry(constraint) is a transform whose codomain is the constraint.

    Raises NotImplementedError for a kind of constraint that is not registered.
    """

    def __init__(self) -> None:
        self._registry: dict[type, Callable[[Any], Transform]] = {}

    def register(self, constraint: Any, factory: Any = None) -> Any:
        """Make factory(constraint) the transform for a kind of constraint; a decorator without."""
        if factory is None:
            return lambda made: self.register(constraint, made)
        kind = type(constraint) if isinstance(constraint, Constraint) else constraint
        if not isinstance(kind, type) or not issubclass(kind, Constraint):
            raise TypeError(f"[register] {constraint!r} was given; pass a Constraint or its class")
        self._registry[kind] = factory
        return factory

    def __call__(self, constraint: Constraint) -> Transform:
        try:
            factory = self._registry[type(constraint)]
        except KeyError:
            raise NotImplementedError(
                f"[{type(constraint).__name__}] no transform leads there; register() one"
            ) from None
        return factory(constraint)


biject_to = ConstraintRegistry()
transform_to = ConstraintRegistry()


def _to_interval(c: Any) -> Transform:
    if (c.lower_bound, c.upper_bound) == (0, 1):
        return transforms.SigmoidTransform()
    affine = transforms.AffineTransform(c.lower_bound, c.upper_bound - c.lower_bound)
    return transforms.ComposeTransform([transforms.SigmoidTransform(), affine])


def _beyond(bound: Any, direction: int) -> Transform:
    affine = transforms.AffineTransform(bound, direction)
    return transforms.ComposeTransform([transforms.ExpTransform(), affine])


def _register(registry: ConstraintRegistry) -> None:
    """What both registries have in common."""
    put = registry.register
    put(constraints.real, lambda c: transforms.identity_transform)
    for kind in (constraints.greater_than, constraints.greater_than_eq):
        put(kind, lambda c: _beyond(c.lower_bound, 1))
    put(constraints.less_than, lambda c: _beyond(c.upper_bound, -1))
    put(constraints.interval, _to_interval)
    put(constraints.half_open_interval, _to_interval)
    put(constraints.corr_cholesky, lambda c: transforms.CorrCholeskyTransform())
    put(
        constraints.independent,
        lambda c: transforms.IndependentTransform(
            registry(c.base_constraint), c.reinterpreted_batch_ndims
        ),
    )
    put(
        constraints.cat,
        lambda c: transforms.CatTransform([registry(p) for p in c.cseq], c.dim, c.lengths),
    )
    put(
        constraints.stack, lambda c: transforms.StackTransform([registry(p) for p in c.cseq], c.dim)
    )


_register(biject_to)
_register(transform_to)
biject_to.register(constraints.simplex, lambda c: transforms.StickBreakingTransform())
transform_to.register(constraints.simplex, lambda c: transforms.SoftmaxTransform())
transform_to.register(constraints.lower_cholesky, lambda c: transforms.LowerCholeskyTransform())
for _kind in (constraints.positive_definite, constraints.positive_semidefinite):
    transform_to.register(_kind, lambda c: transforms.PositiveDefiniteTransform())
