"""The derivative of one operation by its inputs, from its own backward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .. import _core
from ._graph import Local
from ._value import SMALL, Value

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Node, Tensor
    from ._graph import Op

__all__ = ["add_local"]

JACOBIAN: Final = 256  # elements up to which a Jacobian is computed


def add_local(op: Op, node: Node, like: Tensor) -> None:
    """d output / d input for each input, found by running the node on chosen gradients."""

    def run(weights: Tensor) -> tuple[Tensor | None, ...]:
        return _core._run_node(node, [weights])

    sums = run(_core.ones_like(like))
    probe = _probe(like)
    probed = run(probe)
    for k, (d, p) in enumerate(zip(sums, probed, strict=True)):
        if d is not None:
            op.inputs[k].local = _local(like, d, p, probe, k, run)


def _local(
    like: Tensor, d: Tensor, p: Tensor | None, probe: Tensor, k: int, run: Callable[[Tensor], Any]
) -> Local:
    if d.shape == like.shape and p is not None and _equal(p, probe * d):
        return Local("elementwise", Value.of(d))
    if like.numel() == 1:
        return Local("jacobian", Value.of(d.reshape((*like.shape, *d.shape))))
    if 0 < like.numel() <= SMALL and like.numel() * d.numel() <= JACOBIAN:
        eye = _core.eye(like.numel(), dtype=like.dtype)
        rows = [run(row.reshape(tuple(like.shape)))[k] for row in eye]
        return Local("jacobian", Value.of(_core.stack(rows).reshape((*like.shape, *d.shape))))
    return Local("sums", Value.of(d))


def _probe(like: Tensor) -> Tensor:
    """Weights that no two elements share: J^T w = w * (J^T 1) then says that J is diagonal."""
    steps = np.arange(like.numel()) * 0.6180339887498949
    return _core.tensor(1 + steps % 1, dtype=like.dtype).reshape(tuple(like.shape))


def _equal(a: Tensor, b: Tensor) -> bool:
    tolerance = 1e-4 if a.dtype == _core.float32 else 1e-9
    return np.allclose(a.numpy(), b.numpy(), rtol=tolerance, atol=1e-30, equal_nan=True)
