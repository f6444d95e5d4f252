"""Masked tensors, against what PyTorch prints."""

from __future__ import annotations

import copy
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext.masked import MaskedTensor, as_masked_tensor, is_masked_tensor, masked_tensor

DATA = bx.arange(6.0).reshape(2, 3)
MASK = bx.tensor([[True, False, True], [False, False, True]])
M = masked_tensor(DATA, MASK)


def made(requires_grad: bool = False, mask: bx.Tensor = MASK) -> Any:
    return masked_tensor(DATA, mask, requires_grad)


def flat(t: Any) -> str:
    """The print in one line."""
    return " ".join(repr(t).split())


def test_it_is_printed_as_by_pytorch() -> None:
    assert repr(made()) == (
        "MaskedTensor(\n"
        "  [\n"
        "    [  0.0000,       --,   2.0000],\n"
        "    [      --,       --,   5.0000]\n"
        "  ]\n"
        ")"
    )
    assert repr(made()[0, 0]) == "MaskedTensor(  0.0000, True)"
    assert repr(made()[0, 1]) == "MaskedTensor(--, False)"
    counts = masked_tensor(bx.tensor([10, 2]), bx.tensor([True, False]))
    assert repr(counts) == "MaskedTensor(\n  [10,       --]\n)"


@pytest.mark.parametrize(
    ("made_of", "shown"),
    [
        (lambda x: x.sin(), "[ [ 0.0000, --, 0.9093], [ --, --, -0.9589] ]"),
        (lambda x: bx.clamp(x, max=2), "[ [ 0.0000, --, 2.0000], [ --, --, 2.0000] ]"),
        (lambda x: 1 / (x + 1) ** 2, "[ [ 1.0000, --, 0.1111], [ --, --, 0.0278] ]"),
        (lambda x: DATA * x - 1, "[ [ -1.0000, --, 3.0000], [ --, --, 24.0000] ]"),
        (lambda x: x > 1, "[ [False, --, True], [ --, --, True] ]"),
        (lambda x: x[:, ::2].t(), "[ [ 0.0000, --], [ 2.0000, 5.0000] ]"),
        (lambda x: bx.cat([x, x], 1)[0], "[ 0.0000, --, 2.0000, 0.0000, --, 2.0000]"),
        (lambda x: x.sum(0), "[ 0.0000, --, 7.0000]"),
        (lambda x: x.mean(1, keepdim=True), "[ [ 1.0000], [ 5.0000] ]"),
        (lambda x: x.argmax(dim=0), "[ 0.0000, --, 1.0000]"),
        (lambda x: x.var(1), "[ 2.0000, nan]"),
        (lambda x: (x > 1).all(0), "[False, --, True]"),
        (lambda x: bx.nn.functional.softmax(x, 0), "[ [ 1.0000, --, 0.0474], [ --, --, 0.9526] ]"),
        (lambda x: x.long(), "[ [0, --, 2], [ --, --, 5] ]"),
        (lambda x: x.to_sparse() * 2, "[ [ 0.0000, --, 4.0000], [ --, --, 10.0000] ]"),
        (lambda x: x.to_sparse_csr().cos(), "[ [ 1.0000, --, -0.4161], [ --, --, 0.2837] ]"),
        (lambda x: x.to_sparse_csr().to_dense(), "[ [ 0.0000, --, 2.0000], [ --, --, 5.0000] ]"),
        (lambda x: bx.where(MASK, x, 1.0)[0], "[ 0.0000, 1.0000, 2.0000]"),
        (copy.deepcopy, "[ [ 0.0000, --, 2.0000], [ --, --, 5.0000] ]"),
    ],
)  # fmt: skip
def test_operations_keep_the_mask(made_of: Any, shown: str) -> None:
    assert flat(made_of(made())) == f"MaskedTensor( {shown} )"


def test_whole_reductions_and_parts() -> None:
    x = made()
    assert repr(x.prod()) == "MaskedTensor(  0.0000, True)"
    assert repr(x.to_sparse().sum()) == "MaskedTensor(  7.0000, True)"
    assert x.to_tensor(9).tolist() == [[0, 9, 2], [9, 9, 5]]
    assert x.get_data().tolist() == DATA.tolist()
    assert x.to_sparse().get_data().values().tolist() == [0, 2, 5]
    assert x.to_sparse().is_sparse_coo()
    assert x.to_sparse().shape == (2, 3)
    assert bx.masked.sum(x, 1).tolist() == [2, 5]
    assert is_masked_tensor(x)
    assert isinstance(x, MaskedTensor)
    assert not is_masked_tensor(DATA)


def test_writing_in_place() -> None:
    x = made()
    x += 1
    x.mul_(x).sqrt_()
    assert flat(x) == "MaskedTensor( [ [ 1.0000, --, 3.0000], [ --, --, 6.0000] ] )"
    assert flat(x.copy_(made())) == flat(made())
    x[0].add_(1)  # what is taken from a masked tensor is a copy
    as_masked_tensor(DATA, MASK).add_(1)
    assert flat(x) == flat(made())


@pytest.mark.parametrize(
    ("loss", "gradient"),
    [
        (lambda x: x.sum(), "[ [ 1.0000, --, 1.0000], [ --, --, 1.0000] ]"),
        (lambda x: (x * x).sum(), "[ [ 0.0000, --, 4.0000], [ --, --, 10.0000] ]"),
        (lambda x: (x / 0.0 * 0).sum(), "[ [ nan, --, nan], [ --, --, nan] ]"),
        (lambda x: x[0].sum(), "[ [ 1.0000, --, 1.0000], [ --, --, --] ]"),
        (lambda x: bx.where(DATA > 1, x * x, M).sum(), "[ [ --, --, 4.0000], [ --, --, 10.0000] ]"),
        (lambda x: x.get_data().pow(2).sum(), "[ [ 0.0000, --, 4.0000], [ --, --, 10.0000] ]"),
        (lambda x: (x.softmax(1) * DATA).sum(), "[ [ -0.2100, --, 0.2100], [ --, --, 0.0000] ]"),
        (lambda x: (2 * x.to_sparse()).sum(), "[ [ 2.0000, --, 2.0000], [ --, --, 2.0000] ]"),
    ],
)  # fmt: skip
def test_gradients_are_masked_tensors(loss: Any, gradient: str) -> None:
    x = made(True)
    loss(x).backward()
    assert flat(x.grad) == f"MaskedTensor( {gradient} )"
    (again,) = bx.autograd.grad(loss(x), x)
    assert flat(again) == flat(x.grad)


def test_a_nan_behind_the_mask_stays_there() -> None:
    data = bx.tensor([1.0, 2.0, float("nan")])
    scale = bx.tensor(1.0, requires_grad=True)
    (masked_tensor(data, ~data.isnan()) * scale).sum().backward()
    assert scale.grad is not None
    assert scale.grad.item() == 3
    a = masked_tensor(bx.tensor(2.0), bx.tensor(True), requires_grad=True)
    (g,) = bx.autograd.grad(bx.where(bx.tensor(False), a / 0, bx.ones(())), a)
    assert repr(g) == "MaskedTensor(--, False)"
    x = bx.ones(3, requires_grad=True)
    as_masked_tensor(x * 2, bx.tensor([True, False, True])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [2, 0, 2]


@pytest.mark.parametrize(
    ("error", "call"),
    [
        (ValueError, lambda x: x + made(mask=~MASK)),
        (ValueError, lambda x: x.add(x, alpha=2)),
        (ValueError, lambda x: x.round(decimals=1)),
        (ValueError, lambda x: x.to_sparse() + x),
        (ValueError, lambda x: masked_tensor(DATA, MASK[0])),
        (ValueError, lambda x: x[0, 1].item()),
        (TypeError, lambda x: x.pow(x)),
        (TypeError, lambda x: masked_tensor(DATA, MASK.float())),
        (TypeError, lambda x: masked_tensor(x, MASK)),
        (TypeError, lambda x: masked_tensor(DATA, DATA.tolist())),
        (TypeError, lambda x: masked_tensor(DATA.to_sparse(), MASK)),
        (TypeError, lambda x: masked_tensor(DATA.to(bx.uint8), MASK)),
        (TypeError, lambda x: bx.cat([x, DATA])),
        (RuntimeError, lambda x: x.tolist()),
        (RuntimeError, lambda x: made(True).add_(1)),
        (NotImplementedError, lambda x: x.to_sparse().to_tensor(0)),
        (AttributeError, lambda x: DATA.clone().add_(x)),
    ],
)
def test_wrong_uses_raise_as_in_pytorch(error: Any, call: Any) -> None:
    with pytest.raises(error):
        call(made())


@pytest.mark.parametrize(
    "call", [lambda x: x.flip(0), list, lambda x: x @ x, lambda x: x.cumsum(0)]
)
def test_what_has_no_masked_form_warns_and_raises(call: Any) -> None:
    with pytest.warns(UserWarning, match="not implemented"), pytest.raises(TypeError):
        call(made())


def test_sparse_data_with_a_graph() -> None:
    x = DATA.clone().requires_grad_()
    there = MASK.to_sparse()
    sparse = as_masked_tensor(x.sparse_mask(there), there)
    (sparse * sparse).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[0, 0, 4], [0, 0, 10]]
