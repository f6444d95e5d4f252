"""vmap as what it means: a loop over examples.

Source: https://docs.pytorch.org/docs/stable/generated/torch.func.vmap.html
"""

from __future__ import annotations

from functools import wraps
from typing import TYPE_CHECKING, Any

from . import _core, _tree
from ._checks import whole
from ._core import Tensor
from ._func_checks import check_chunks, check_randomness
from .autograd.engine import again_and_again
from .random import RandomState

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """f(x_0, x_1, ...) for every example: y[k] = f(x[k]), the results stacked along out_dims.

    in_dims: the dimension of the examples in each argument, None for one that all examples share;
    it may follow the structure of nested arguments. The examples are taken one after the other in
    Python: the results, derivatives and nesting are those of PyTorch, the speed is that of a loop.
    So func may be any code, also with `if` on a value and `item()`. randomness: "same" draws the
    same numbers for every example, "different" draws on, "error" raises RuntimeError
    for a func that draws. chunk_size changes nothing. Raises ValueError for in_dims that do not
    fit, for no or different numbers of examples, and for a result that holds something else than
    tensors; RuntimeError for another randomness.
    """
    check_randomness("vmap", randomness)
    check_chunks("vmap", chunk_size)
    if chunk_size is not None and whole(chunk_size) is None:
        raise TypeError(f"[vmap] {chunk_size=}; pass a whole number, or None")

    @wraps(func)
    def over_examples(*args: Any, **kwargs: Any) -> Any:
        if isinstance(in_dims, list):
            raise ValueError(f"[vmap] {in_dims=} is a list; pass a tuple, one for each argument")
        values, build = _tree.flatten(args)
        dims = _tree.broadcast_prefix("vmap", in_dims, args)
        start = RandomState()
        results = []
        for k in range(_examples(values, dims)):
            if randomness == "same":
                start.put_back()
            pairs = zip(values, dims, strict=True)
            one = [v if d is None else v.select(d, k) for v, d in pairs]
            with again_and_again():
                results.append(func(*build(one), **kwargs))
        # A step that is recorded cannot be asked: what it draws is drawn anew in each replay.
        if randomness == "error" and not (_core._recording() or start.is_current()):
            raise RuntimeError(
                "[vmap] the function draws random numbers; pass randomness='different' or 'same'"
            )
        return _stacked(results, out_dims)

    return over_examples


def _examples(values: list[Any], dims: list[Any]) -> int:
    """How many examples the arguments hold."""
    sizes: dict[int, None] = {}
    for value, dim in zip(values, dims, strict=True):
        if dim is None:
            continue
        if not isinstance(value, Tensor) or not -value.ndim <= dim < value.ndim:
            what = f"shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)
            raise ValueError(
                f"[vmap] in_dims says {dim} for {what}; pass a dimension of a tensor, or None"
            )
        sizes[value.shape[dim]] = None
    if len(sizes) != 1:
        held = f"{list(sizes)} examples" if sizes else "no argument with examples"
        raise ValueError(f"[vmap] there are {held}; pass one number of examples, by in_dims")
    (size,) = sizes
    if not size:
        raise ValueError("[vmap] there are 0 examples; what the function returns is not known")
    return size


def _stacked(results: list[Any], out_dims: Any) -> Any:
    _, build = _tree.flatten(results[0])
    if isinstance(results[0], Tensor) and isinstance(out_dims, tuple) and len(out_dims) == 1:
        (out_dims,) = out_dims
    dims = _tree.broadcast_prefix("vmap", out_dims, results[0])
    columns = zip(*map(_tree.leaves, results), strict=True)
    for value in _tree.leaves(results[0]) or (results[0],):
        if not isinstance(value, Tensor):
            raise ValueError(
                f"[vmap] the function returned a {type(value).__name__}; return tensors"
            )
    if not all(isinstance(d, int) for d in dims):
        raise ValueError(f"[vmap] {out_dims=}; pass a whole number for each result")
    return build([_core.stack(c, int(d)) for c, d in zip(columns, dims, strict=True)])
