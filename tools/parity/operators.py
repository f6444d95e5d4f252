"""The operators: op_db of torch.testing._internal.common_methods_invocations."""

from __future__ import annotations

import types
from functools import cache
from typing import Any, Final

import torch
from convert import NotPlainError, difference, flat, ours, plain, recorded, translated
from derivatives import compare
from tables import Entry
from torch.testing._internal.common_methods_invocations import op_db

import backprop_ext as bx

FLOATS: Final = (torch.float32, torch.float64)
COMPLEX: Final = (torch.complex64, torch.complex128)
OTHERS: Final = (torch.int64, torch.bool)
# Their values are not defined, only their shapes and types.
UNINITIALISED: Final = ("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty",
                        "new_empty_strided", "resize_", "resize_as_")  # fmt: skip
# PyTorch's internals, code for GPUs, and tests of its own compiler.
INTERNAL: Final = ("jiterator_", "torch.", "_", "native_", "hash_tensor",
                   "max_pool2d_with_indices_backward")  # fmt: skip


def title(op: Any) -> str:
    """Its name and variant."""
    return f"{op.name} {op.variant_test_name}".strip()


@cache
def table() -> dict[str, Any]:
    """The database by title."""
    return {
        title(op): op
        for op in op_db
        if not op.name.startswith(INTERNAL) or op.name.startswith("__")
    }


def names() -> list[str]:
    """Every title."""
    return list(table())


def left_out() -> list[str]:
    """The titles that are not looked at."""
    return [title(op) for op in op_db if title(op) not in table()]


def counterpart(op: Any) -> Any:
    """Our callable: a function or method of the same name, or PyTorch's test wrapper on ours."""
    function = op.op
    if isinstance(function, types.FunctionType) and "torch.testing" in function.__module__:
        return translated(function, wrapper_set_seed=seeded)
    found = lookup(bx, op.name)
    if not callable(found) and hasattr(bx.Tensor, op.name):  # cfloat is a type too
        return lambda self, *args, **kwargs: getattr(self, op.name)(*args, **kwargs)
    return found


def lookup(root: Any, path: str) -> Any:
    """The attribute at a dotted path, None where there is none."""
    for part in path.split("."):
        try:
            root = getattr(root, part)
        except AttributeError:
            return None
    return root


def seeded(op: Any, *args: Any, **kwargs: Any) -> Any:
    """Random operators are run from the database's own seed."""
    bx.manual_seed(42)
    return op(*args, **kwargs)


def check(name: str) -> Entry:
    """All samples of one operator, complex ones where there are no others."""
    op, entry = table()[name], Entry(name)
    mine = counterpart(op)
    if mine is None:
        entry.missing = True
        return entry
    supported = op.supported_dtypes("cpu")
    kinds = ([d for d in group if d in supported] for group in (FLOATS, COMPLEX, OTHERS))
    for dtype in next((kind for kind in kinds if kind), []):
        entry.dtype = f"{dtype}".removeprefix("torch.")
        gradients = op.supports_autograd and dtype not in OTHERS
        for sample in op.sample_inputs("cpu", dtype, requires_grad=gradients):
            one(entry, op, mine, sample, gradients)
    if entry.total["forward"] and "has no attribute" in entry.note and not entry.right["forward"]:
        entry.missing = True
    return entry


def one(entry: Entry, op: Any, mine: Any, sample: Any, gradients: bool) -> None:
    """One sample: forward, and where it agrees the derivatives."""
    arguments = (sample.input, *sample.args), sample.kwargs
    try:
        our_arguments = ours(arguments)
    except NotPlainError as other:
        entry.skip(str(other))
        return

    def run_torch() -> Any:
        torch.manual_seed(7)
        return process(sample, op.op(*arguments[0], **arguments[1]))

    def run_ours() -> Any:
        bx.manual_seed(7)
        return process(sample, mine(*our_arguments[0], **our_arguments[1]))

    try:
        expected = run_torch()
        plain(expected)
    except NotPlainError as other:
        entry.skip(str(other))
        return
    except Exception as error:
        entry.skip(f"PyTorch: {type(error).__name__}")
        return
    try:
        result = run_ours()
        undefined = op.name in UNINITIALISED
        text = difference(expected, result, undefined) or recorded(expected, result)
        written = flat(arguments, torch.Tensor), flat(our_arguments, bx.Tensor)
        text = text or difference(*written, undefined)
    except Exception as error:
        text = f"{type(error).__name__}: {error}"
    if entry.count("forward", text) and gradients:
        inputs = [t for t in flat(arguments, torch.Tensor) if t.requires_grad]
        our_inputs = [t for t in flat(our_arguments, bx.Tensor) if t.requires_grad]
        compare(entry, run_torch, run_ours, inputs, our_inputs, op.supports_gradgrad)


def process(sample: Any, result: Any) -> Any:
    """What the database compares of a result, as |U| of a singular value decomposition."""
    function = sample.output_process_fn_grad
    if isinstance(function, types.FunctionType) and isinstance(first(result), bx.Tensor):
        function = translated(function, wrapper_set_seed=seeded)
    return function(result)


def first(result: Any) -> Any:
    """The first part of a result."""
    return result[0] if isinstance(result, (tuple, list)) and result else result
