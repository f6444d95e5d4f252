"""Backward passes: the arguments are checked here, the walk is compiled."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from .. import _core
from .._core import Tensor

if TYPE_CHECKING:
    from ..types import TensorOrTensors

    Gradients = Tensor | Sequence[Tensor | None] | None

__all__ = ["again_and_again", "backward", "grad", "leaves", "seed", "seeds"]


# How many loops over examples are under way, which differentiate one graph again and again.
_loops = 0


@contextmanager
def again_and_again() -> Iterator[None]:
    """In it, grad() keeps graphs, unless told not to."""
    global _loops
    _loops += 1
    try:
        yield
    finally:
        _loops -= 1


def backward(
    tensors: TensorOrTensors,
    grad_tensors: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: Gradients = None,
    inputs: TensorOrTensors | None = None,
) -> None:
    """x.grad += sum_i (d tensors_i / d x)^T grad_tensors_i, for each leaf x (or each of `inputs`).

    `grad_tensors` have the shapes of `tensors`; None stands for 1 and needs a one-element tensor.
    Raises RuntimeError on a mismatch, and for a tensor without a graph or with a freed one.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.backward.html
    """
    roots = _as_tuple(tensors)
    if grad_variables is not None:
        if grad_tensors is not None:
            raise RuntimeError(
                "[backward] both grad_tensors and grad_variables were given; pass grad_tensors"
            )
        grad_tensors = grad_variables
    if _are_meta(roots):
        from .._meta import silently

        with silently():
            backward(roots, grad_tensors, retain_graph, create_graph, inputs=inputs)
        return
    gradients = seeds("backward", roots, grad_tensors)
    keep = create_graph if retain_graph is None else retain_graph
    _core._run_backward(roots, gradients, keep, create_graph, leaves(inputs), True, True)


def grad(
    outputs: TensorOrTensors,
    inputs: TensorOrTensors,
    grad_outputs: Gradients = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor, ...]:
    """g_j = sum_i (d outputs_i / d inputs_j)^T grad_outputs_i, as a tuple; no .grad is touched.

    An input that outputs do not depend on is an error, None with `allow_unused`, and zeros with
    `materialize_grads`. With `is_grads_batched`, grad_outputs and results have a first dimension
    more, of independent passes. Raises RuntimeError for an unused input, for other shapes, and
    for a missing graph.
    Source: https://docs.pytorch.org/docs/stable/generated/torch.autograd.grad.html
    """
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "[grad] materialize_grads=True and allow_unused=False contradict; drop allow_unused"
        )
    if not only_inputs:
        warnings.warn(
            "[grad] only_inputs=False changes nothing; leave it out", FutureWarning, stacklevel=2
        )
    roots, wanted = _as_tuple(outputs), _as_tuple(inputs)
    if not wanted:
        raise RuntimeError("[grad] inputs is empty; name the tensors whose gradients are wanted")
    _only_tensors("grad", wanted)
    if _are_meta(roots):
        from .._meta import dressed as on_meta
        from .._meta import silently

        options = (only_inputs, allow_unused, is_grads_batched, materialize_grads)
        with silently():
            results = grad(roots, wanted, grad_outputs, retain_graph, create_graph, *options)
        return tuple(on_meta(g) for g in results)
    if is_grads_batched:
        return _batched(roots, wanted, grad_outputs, create_graph, allow_unused, materialize_grads)
    found = _core._run_backward(
        roots,
        seeds("grad", roots, grad_outputs),
        (create_graph or _loops > 0) if retain_graph is None else retain_graph,
        create_graph,
        wanted,
        False,
        materialize_grads if allow_unused is None else allow_unused,
    )
    if _core._subclasses_are_asked() and any(map(_core._takes_part, wanted)):
        # A class may dress the gradients of its objects.
        dressed: list[Any] = [
            getattr(leaf, "_as_gradient", _as_it_is)(g)
            for g, leaf in zip(found, wanted, strict=True)
        ]
        found = tuple(dressed)
    if not materialize_grads:
        return found
    return tuple(
        _core.zeros_like(leaf) if g is None else g for g, leaf in zip(found, wanted, strict=True)
    )


def _are_meta(roots: tuple[Any, ...]) -> bool:
    return _core._subclasses_are_asked() and any(getattr(t, "is_meta", False) for t in roots)


def _as_it_is(g: Tensor | None) -> Tensor | None:
    return g


def _batched(
    roots: tuple[Tensor, ...],
    wanted: tuple[Tensor, ...],
    grad_outputs: Gradients,
    create_graph: bool,
    allow_unused: bool | None,
    materialize_grads: bool,
) -> tuple[Tensor, ...]:
    """A pass for each row of the gradients."""
    if grad_outputs is None:
        seeds("grad", roots, None)
    given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs or ())
    sizes = {g.shape[0] for g in given if g is not None and g.ndim}
    if len(sizes) != 1 or sizes == {0}:
        raise ValueError(
            f"[grad] is_grads_batched with first dimensions {sorted(sizes)} of grad_outputs; pass "
            "gradients with one first dimension, of 1 or more"
        )
    rows = [
        grad(
            roots,
            wanted,
            [None if g is None else g[i] for g in given],
            True,
            create_graph,
            allow_unused=allow_unused,
            materialize_grads=materialize_grads,
        )
        for i in range(sizes.pop())
    ]
    columns: list[Any] = [*zip(*rows, strict=True)]
    return tuple(None if c[0] is None else _core.stack([*c]) for c in columns)  # type: ignore[misc]


def leaves(inputs: TensorOrTensors | None) -> tuple[Tensor, ...] | None:
    """The tensors that may accumulate; None for all. Raises RuntimeError for none, or no tensor."""
    if inputs is None:
        return None
    if named := _as_tuple(inputs):
        _only_tensors("backward", named)
        return named
    raise RuntimeError("[backward] inputs is empty, no .grad could change; name one, or pass None")


def seed(op: str, output: Tensor, given: Tensor | None) -> Tensor:
    """d L / d output as given; 1 for a one-element output when it is left out.

    Raises RuntimeError when it is left out for more elements or has another shape, TypeError when
    it is no Tensor.
    """
    if given is None:
        if output.numel() != 1 and output.requires_grad:
            raise RuntimeError(
                f"[{op}] the gradient can be left out for a scalar only, the output has shape "
                f"{tuple(output.shape)}; reduce it with .sum() or .mean(), or pass its gradient"
            )
        if output.is_complex() and output.requires_grad:
            raise RuntimeError(
                f"[{op}] grad can be implicitly created only for real scalar outputs but got "
                f"{output.dtype}; reduce it to a real number, or pass its gradient"
            )
        return _core.ones_like(output)
    if not isinstance(given, Tensor):
        raise TypeError(
            f"[{op}] a gradient is a Tensor or None, this one is a {type(given).__name__}; "
            "wrap it in tensor()"
        )
    if given.is_complex() != output.is_complex():
        raise RuntimeError(
            f"[{op}] the gradient is {given.dtype}, the output {output.dtype}; make both complex, "
            "or both real"
        )
    if given.shape != output.shape:
        raise RuntimeError(
            f"[{op}] the gradient has shape {tuple(given.shape)}, the output "
            f"{tuple(output.shape)}; pass a gradient of the output's shape"
        )
    return given


def _as_tuple(tensors: TensorOrTensors) -> tuple[Tensor, ...]:
    return (tensors,) if isinstance(tensors, Tensor) else tuple(tensors)


def _only_tensors(op: str, inputs: tuple[Tensor, ...]) -> None:
    for given in inputs:
        if not isinstance(given, Tensor):
            raise RuntimeError(f"[{op}] an input is a {type(given).__name__}; name tensors")


def seeds(op: str, roots: tuple[Tensor, ...], given: Gradients) -> tuple[Tensor, ...]:
    """The seed of each output; one more is not looked at. RuntimeError for too few."""
    for root in roots:
        if not isinstance(root, Tensor):
            raise AssertionError(f"[{op}] an output is a {type(root).__name__}; pass tensors")
    if given is None:
        given = (None,) * len(roots)
    grads = (given,) if isinstance(given, Tensor) else tuple(given)
    found = tuple(seed(op, root, g) for root, g in zip(roots, grads, strict=False))
    if len(found) < len(roots):
        raise RuntimeError(
            f"[{op}] {len(roots)} outputs and {len(grads)} gradients; pass one for each, or None"
        )
    return found
