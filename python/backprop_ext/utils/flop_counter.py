"""Floating-point operations counted: two for each product of a matrix product or a convolution.

Source: PyTorch's torch.utils.flop_counter.
"""

from __future__ import annotations

from collections import defaultdict
from math import isqrt, prod
from typing import TYPE_CHECKING, Any, TypeVar

from .._core import Tensor
from .._dispatch import TorchDispatchMode
from ..library import ops
from ..nn.modules import module as hooks
from ._pytree import tree_map

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["FlopCounterMode", "register_flop_formula"]

_F = TypeVar("_F", bound="Callable[..., int]")

aten = ops.aten
flop_registry: dict[Any, Callable[..., int]] = {}
_SUFFIXES = ("", "K", "M", "B", "T")


def _of_shapes(formula: Callable[..., int]) -> Callable[..., int]:
    def count(*args: Any, out_val: Any = None, **kwargs: Any) -> int:
        given, named, out = tree_map(
            lambda t: t.shape if isinstance(t, Tensor) else t, (args, kwargs, out_val)
        )
        return formula(*given, out_shape=out, **named)

    return count


def register_flop_formula(targets: Any, get_raw: bool = False) -> Callable[[_F], _F]:
    """A decorator: the function counts for operations, as torch.ops.aten.mm, by their shapes.

    get_raw: it is given the tensors, and the result as out_val.
    """

    def register(formula: _F) -> _F:
        counted = formula if get_raw else _of_shapes(formula)
        for target in targets if isinstance(targets, (list, tuple)) else [targets]:
            flop_registry[target] = counted
        return formula

    return register


@register_flop_formula([aten.mm, aten.bmm, aten.addmm, aten.baddbmm])
def _product(*shapes: Sequence[int], **_: Any) -> int:
    return 2 * prod(shapes[-2]) * shapes[-1][-1]


@register_flop_formula(aten.convolution)
def _convolution(x: Sequence[int], w: Sequence[int], *rest: Any, out_shape: Sequence[int]) -> int:
    return 2 * x[0] * prod((x if rest[4] else out_shape)[2:]) * prod(w)


@register_flop_formula(aten.scaled_dot_product_attention)
def _attention(q: Sequence[int], k: Sequence[int], v: Sequence[int], *_: Any, **__: Any) -> int:
    return 2 * prod(q[:-1]) * k[-2] * (q[-1] + v[-1])


@register_flop_formula(aten.einsum)
def _einsum(equation: str, shapes: Any, **_: Any) -> int:
    terms = equation.replace(" ", "").partition("->")[0].split(",")
    sizes: dict[str, int] = dict(pair for pairs in map(zip, terms, shapes) for pair in pairs)
    return 2 * (len(terms) - 1) * prod(sizes.values())


@register_flop_formula(aten.tensordot)
def _tensordot(a: Sequence[int], b: Sequence[int], *_: Any, out_shape: Sequence[int]) -> int:
    return 2 * isqrt(prod(a) * prod(b) * prod(out_shape))


class FlopCounterMode:
    """Counts what is computed in its block, by module and operation, and prints a table at its end.

    Of the backward pass the products count that belong to those which were counted before. Other
    operations count nothing, unless a formula is registered, or in custom_mapping.
    """

    def __init__(
        self,
        mods: Any = None,
        depth: int | None = 2,
        display: bool = True,
        custom_mapping: dict[Any, Any] | None = None,
    ) -> None:
        self.flop_counts: dict[str, dict[Any, int]] = defaultdict(lambda: defaultdict(int))
        self.depth, self.display = depth, display
        custom = {op: _of_shapes(formula) for op, formula in (custom_mapping or {}).items()}
        self.flop_registry = flop_registry | custom
        self._names: dict[Any, str] = {}
        self._parents: list[str] = []
        self._open = False

    def get_total_flops(self) -> int:
        """Those of all operations."""
        return sum(self.flop_counts["Global"].values())

    def get_flop_counts(self) -> dict[str, dict[Any, int]]:
        """{module: {operation: number}}, "Global" for all."""
        return {module: dict(counts) for module, counts in self.flop_counts.items()}

    def get_table(self, depth: int | None = None) -> str:
        """The table of modules down to a depth."""
        depth = (999999 if self.depth is None else self.depth) if depth is None else depth
        total = self.get_total_flops()
        unit = max(0, min(len(_SUFFIXES) - 1, (len(str(total)) - 2) // 3))

        def shown(number: int) -> list[str]:
            share = f"{number / total:.2%}" if total else "0%"
            return [f"{number / 1000**unit:.3f}{_SUFFIXES[unit]}" if unit else f"{number:g}", share]

        def lines(module: str, indent: str) -> list[list[str]]:
            counts = self.flop_counts[module]
            parts = [[f"{indent} - {op}", *shown(number)] for op, number in counts.items()]
            return [[indent + module, *shown(sum(counts.values()))], *parts]

        rows: list[list[str]] = []
        whole = False
        for module in sorted(set(self.flop_counts) - {"Global"}):
            if (level := module.count(".")) < depth:
                whole |= sum(self.flop_counts[module].values()) >= total
                rows += lines(module, " " * level)
        if "Global" in self.flop_counts and not whole:
            rows = lines("Global", "") + [[" " + row[0], *row[1:]] for row in rows]
        rows = [["Module", "FLOP", "% Total"], *(rows or [["Global", "0", "0%"]])]
        width = [
            max(len(row[k]) for row in [*rows, [head + "  " for head in rows[0]]]) for k in range(3)
        ]
        text = [f"{a:<{width[0]}}  {b:>{width[1]}}  {c:>{width[2]}}" for a, b, c in rows]
        return "\n".join([text[0], "  ".join("-" * w for w in width), *text[1:]])

    def _enter_module(self, module: Any, args: Any) -> None:
        name = self._names.setdefault(module, type(module).__name__)
        for child, inner in module.named_children():
            self._names.setdefault(inner, f"{name}.{child}")
        self._parents.append(name)

    def _leave_module(self, module: Any, args: Any, result: Any) -> None:
        self._parents.pop()

    def __enter__(self) -> FlopCounterMode:
        self.flop_counts.clear()
        self._hooks = [
            hooks.register_module_forward_pre_hook(self._enter_module),
            hooks.register_module_forward_hook(self._leave_module, always_call=True),
        ]
        self._mode = _Counting(self)
        self._mode.__enter__()
        self._open = True
        return self

    def __exit__(self, *error: object) -> None:
        self._open = False
        self._mode.__exit__(*error)
        for hook in self._hooks:
            hook.remove()
        self._names.clear()
        if self.display:
            print(self.get_table(self.depth))

    def _count_flops(self, op: Any, out: Any, args: Any, kwargs: Any) -> Any:
        if op not in self.flop_registry:
            return out
        number = self.flop_registry[op](*args, **kwargs, out_val=out)
        counts = [self.flop_counts[name] for name in {"Global", *self._parents}]
        for count in counts:
            count[op] += number
        factors, back = _BACKWARD.get(op, ((), op))
        tensors = args[1] if op is aten.einsum else [args[i] for i in factors]
        wanted = sum(t.requires_grad for t in tensors)
        if op is aten.convolution:  # of the weight as if there were no groups
            wanted += (args[8] - 1) * tensors[1].requires_grad
        if wanted and isinstance(out, Tensor) and out.grad_fn is not None:

            def passed(grads: Any) -> None:
                for count in counts if self._open else ():
                    count[back] += wanted * number

            out.grad_fn.register_prehook(passed)
        return out


# Of products: which arguments are their factors, and what computes the gradients of those.
_BACKWARD: dict[Any, Any] = {
    op: (factors, back or op)
    for op, factors, back in (
        (aten.mm, (0, 1), None),
        (aten.bmm, (0, 1), None),
        (aten.addmm, (1, 2), aten.mm),
        (aten.baddbmm, (1, 2), aten.bmm),
        (aten.einsum, (), None),
        (aten.tensordot, (0, 1), None),
        (aten.scaled_dot_product_attention, (0, 2), None),
        (aten.convolution, (0, 1), aten._enter("convolution_backward", None)),
    )
}


class _Counting(TorchDispatchMode):
    def __init__(self, counter: FlopCounterMode) -> None:
        self.counter = counter

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        return self.counter._count_flops(func._overloadpacket, out, args, kwargs)
