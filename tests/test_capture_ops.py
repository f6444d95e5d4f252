"""Every registered operation is replayed to its own bits, or says that it cannot be recorded."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_table import TABLE, cases, cast, operation, to_tensors

import backprop_ext as bx
from backprop_ext import capture
from backprop_ext._bits import as_values

# They look at values on the host, in some of their cases: to check them, or to find a shape.
HOST = {
    "argwhere",
    "bincount",
    "det",
    "float_power",
    "gru",
    "index_put",
    "linalg.matrix_exp",
    "lstm",
    "masked_scatter",
    "masked_select",
    "matrix_exp",
    "nn.embedding_bag",
    "nn.multilabel_margin_loss",
    "nn.one_hot",
    "nonzero",
    "nonzero_static",
    "repeat_interleave",
    "rnn_relu",
    "rnn_tanh",
    "tensor_split",
    "unique",
    "unique_consecutive",
}
NO_VALUES = ("empty", "empty_like", "empty_permuted", "empty_strided", "new_empty_strided")


def _tensors(value: Any) -> list[Any]:
    """The tensors inside, in order."""
    if isinstance(value, bx.Tensor):
        return [value]
    items = value.values() if isinstance(value, dict) else value
    return [t for v in items for t in _tensors(v)] if isinstance(value, (tuple, list, dict)) else []


def _floats(value: Any) -> list[Any]:
    return [t for t in _tensors(value) if t.is_floating_point() or t.is_complex()]


def _step(name: str) -> Any:
    """The operation's results and, where it has any, the gradients of its arguments."""
    run = operation(name)

    def step(args: Any, kwargs: Any) -> Any:
        inputs = [t for t in _floats((args, kwargs)) if t.requires_grad]
        result = run(*args, **kwargs)
        ends = [t for t in _floats(result) if t.requires_grad]
        if not ends:
            return [result]
        total = sum((t * t.conj()).real.sum() for t in ends)
        gradients = bx.autograd.grad(total, inputs, allow_unused=True)
        return [result, [g for g in gradients if g is not None]]

    return step


def _three_calls(step: Any, case: Any, seed: str, requires_grad: bool) -> list[np.ndarray]:
    """What calls with other numbers return, and a draw at the end of each."""
    bx.manual_seed(3)
    seen: list[np.ndarray] = []
    for k in range(3):
        args, kwargs = to_tensors(cast(case.draw(f"{seed}-{k}"), "float32"), requires_grad)
        seen += [as_values(t).copy() for t in _tensors([step(args, kwargs), bx.rand(1)])]
    return seen


def _parameters() -> list[Any]:
    found = cases([r for r in TABLE if r.result != "error" and r.name not in NO_VALUES])
    return [pytest.param(*one, id=one[2]) for one in found]


@pytest.mark.filterwarnings("ignore")  # eager and captured warn of the same
@pytest.mark.parametrize(("row", "case", "seed"), _parameters())
def test_an_operation_is_replayed_to_its_own_bits(row: Any, case: Any, seed: str) -> None:
    for requires_grad in (False, True):
        step = _step(row.name)
        try:
            want = _three_calls(step, case, seed, requires_grad)
        except RuntimeError:
            assert requires_grad  # no derivative, or a leaf written in place
            continue
        try:
            got = _three_calls(capture(step), case, seed, requires_grad)
        except RuntimeError as error:
            if row.name.removesuffix("_") in HOST and str(error).startswith("[capture] "):
                continue
            raise
        assert len(want) == len(got)
        for a, b in zip(want, got, strict=True):
            assert a.dtype == b.dtype
            np.testing.assert_array_equal(a, b)
