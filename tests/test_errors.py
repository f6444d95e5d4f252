"""Bad input: the class of the error, what its message tells, and that nothing was changed."""

from __future__ import annotations

import pickle
import re
import traceback
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

F = bx.nn.functional


def ones(*shape: int, **options: Any) -> bx.Tensor:
    return bx.ones(shape, **options)


# (call, class, parts of the message: the operation, both values, the cure)
MISTAKES: list[tuple[Any, type[Exception], tuple[str, ...]]] = [
    # shapes
    (lambda a: a + ones(4), RuntimeError, ("[add]", "(2, 3)", "(4,)", "broadcast", "reshape")),
    (lambda a: a * ones(3, 3), RuntimeError, ("[mul]", "(2, 3)", "(3, 3)", "dimension 0")),
    (lambda a: a @ ones(5, 6), RuntimeError, ("[matmul]", "(2, 3) @ (5, 6)", "3 and 5")),
    (lambda a: a @ 2, TypeError, ("@",)),
    (lambda a: a @ bx.tensor(2.0), RuntimeError, ("[matmul]", "()", "use *")),
    (lambda a: a.bmm(a), RuntimeError, ("[bmm]", "3-d", "(2, 3)", "matmul")),
    (lambda a: a.dot(a), RuntimeError, ("[dot]", "1-d", "(2, 3)")),
    (lambda a: a.view(4), RuntimeError, ("[view]", "(4,)", "size 6")),
    (lambda a: a.view(-1, -1), RuntimeError, ("[view]", "-1", "(-1, -1)")),
    (lambda a: a.reshape(-1, 4), RuntimeError, ("[reshape]", "(-1, 4)", "size 6")),
    (lambda a: a.reshape(2, -3), RuntimeError, ("[reshape]", "-3")),
    (lambda a: a.permute(0, 0), RuntimeError, ("[permute]", "0", "twice", "once")),
    (lambda a: a.permute(0), RuntimeError, ("[permute]", "(2, 3)")),
    (lambda a: a.transpose(0, 2), IndexError, ("[transpose]", "2", "-2 to 1")),
    (lambda a: a.sum(5), IndexError, ("[sum]", "5", "2-d")),
    (lambda a: a.sum((0, 0)), RuntimeError, ("[sum]", "twice")),
    (lambda a: a.expand(4, 3), RuntimeError, ("[expand]", "2", "4", "only sizes of 1")),
    (lambda a: a.expand(3), RuntimeError, ("[expand]", "(3,)", "(2, 3)")),
    (lambda a: a.unflatten(0, (2, 2)), RuntimeError, ("[unflatten]", "(2, 2)", "2")),
    (lambda a: a.flatten(1, 0), RuntimeError, ("[flatten]", "1", "0", "swap")),
    (lambda a: a.split((1, 2)), RuntimeError, ("[split]", "(1, 2)", "3", "(2, 3)")),
    (lambda a: a.narrow(1, 2, 2), RuntimeError, ("[narrow]", "2", "(2, 3)")),
    (lambda a: a.narrow(1, 4, 0), IndexError, ("[narrow]", "4", "(2, 3)")),
    (lambda a: a[0, 0].unbind(), IndexError, ("[unbind]",)),
    (lambda a: a.chunk(0), RuntimeError, ("[chunk]", "0")),
    (lambda a: bx.cat([a, ones(2, 2)]), RuntimeError, ("[cat]", "(2, 3)", "(2, 2)")),
    (lambda a: bx.cat([]), ValueError, ("[cat]", "at least one")),
    (lambda a: bx.stack([a, ones(3)]), RuntimeError, ("[stack]", "(2, 3)", "(3,)")),
    (lambda a: F.linear(a, ones(4, 5)), RuntimeError, ("[linear]", "(2, 3)", "(4, 5)")),
    (lambda a: F.linear(a, ones(4, 3), ones(3)), RuntimeError, ("[linear]", "(3,)", "(4,)")),
    (lambda a: a.copy_(ones(3, 3)), RuntimeError, ("[copy_]", "(3, 3)", "(2, 3)")),
    (lambda a: a.fill_(ones(2)), RuntimeError, ("[fill_]", "(2,)", "copy_")),
    (lambda a: a.prelu(ones(2)), RuntimeError, ("[prelu]", "(2,)", "3")),
    (lambda a: a.max(0).values + ones(2), RuntimeError, ("[add]", "(3,)", "(2,)")),
    # types
    (lambda a: a @ ones(3, 2, dtype=bx.float64), RuntimeError, ("float32", "float64", ".to(")),
    (lambda a: a & a, RuntimeError, ("[bitwise_and]", "float32", "integer")),
    (lambda a: bx.where(a, a, a), RuntimeError, ("[where]", "float32", "bool")),
    (lambda a: a.long().mean(), RuntimeError, ("[mean]", "int64", ".float()")),
    (lambda a: a.long().softmax(0), RuntimeError, ("[softmax]", "int64", ".float()")),
    (lambda a: a.long().requires_grad_(), RuntimeError, ("int64", ".float()")),
    (lambda a: (a > 0) - (a > 0), RuntimeError, ("[sub]", "bool")),
    (lambda a: a.long() ** -1, RuntimeError, ("[pow]", "-1", ".float()")),
    (lambda a: a.long() // 0, RuntimeError, ("[floor_divide]", "division by zero")),
    (lambda a: a.long() % 0, RuntimeError, ("[remainder]", "division by zero")),
    (lambda a: a.add_("x"), TypeError, ("[add_]", "other", "str")),
    (lambda a: a.sum(dim="x"), TypeError, ("[sum]", "dim", "str")),
    (lambda a: a.sum(frob=1), TypeError, ("[sum]", "frob", "dim")),
    (lambda a: bx.exp(), TypeError, ("[exp]", "input", "exp(input)")),
    (lambda a: bx.exp(a, a, a), TypeError, ("[exp]", "at most 1", "3 given")),
    (lambda a: bx.exp(a, input=a), TypeError, ("[exp]", "multiple values", "input")),
    (lambda a: a + "x", TypeError, ("unsupported operand",)),
    (lambda a: "x" - a, TypeError, ("unsupported operand",)),
    (lambda a: a < "x", TypeError, ("not supported",)),
    # numbers out of range
    (lambda a: bx.zeros(-1), RuntimeError, ("-1", "0 or more")),
    (lambda a: bx.zeros(10**12, 10**12), RuntimeError, ("1000000000000", "overflow")),
    (lambda a: bx.zeros(10**15), RuntimeError, ("[memory]", "4000000000000000", "smaller")),
    (lambda a: a.expand(10**9, 2, 3).clone(), RuntimeError, ("[memory]", "24000000000")),
    (lambda a: bx.zeros(*[1] * 13), RuntimeError, ("12 dimensions",)),
    (lambda a: bx.arange(0, 5, 0), RuntimeError, ("[arange]", "0")),
    (lambda a: bx.arange(0, float("inf")), RuntimeError, ("[arange]", "inf")),
    (lambda a: bx.arange(float("nan")), RuntimeError, ("[arange]", "nan")),
    (lambda a: bx.linspace(0, 1, -1), RuntimeError, ("[linspace]", "-1")),
    (lambda a: bx.eye(-1), RuntimeError, ("[eye]", "-1")),
    (lambda a: bx.randint(5, 5, (2,)), RuntimeError, ("[randint]", "5")),
    (lambda a: bx.randperm(-1), RuntimeError, ("[randperm]", "-1")),
    (lambda a: a.uniform_(1, 0), RuntimeError, ("[uniform_]", "1", "0")),
    (lambda a: a.normal_(0, -1), RuntimeError, ("[normal_]", "-1")),
    (lambda a: a.bernoulli_(2), RuntimeError, ("[bernoulli_]", "2", "0 to 1")),
    (lambda a: F.dropout(a, 1.5), ValueError, ("[dropout]", "1.5")),
    (lambda a: a.as_strided((5, 5), (1, 1), 0).sum(), RuntimeError, ("[as_strided]", "6")),
    (lambda a: a.as_strided((2,), (-1,), 2), RuntimeError, ("[as_strided]", "-1")),
    (lambda a: a.clamp(), RuntimeError, ("[clamp]", "None")),
    (lambda a: bx.tensor(2**64), (RuntimeError, ValueError, OverflowError), ("int64",)),
    # indices
    (lambda a: a[2], IndexError, ("index 2", "dimension 0", "size 2", "-2 to 1")),
    (lambda a: a[0, -4], IndexError, ("index -4", "dimension", "size 3")),
    (lambda a: a[0, 0, 0], IndexError, ("too many indices", "2", "3")),
    (lambda a: a[1.5], (IndexError, TypeError), ("integers", "float")),
    (lambda a: a[::-1], ValueError, ("step -1", "flip()")),
    (lambda a: a[::0], ValueError, ("step 0",)),
    (lambda a: a[bx.tensor([0, 7])], IndexError, ("index 7", "size 2", "-2 to 1")),
    (lambda a: a[[0, 1], [0, 1, 2]], IndexError, ("(2,)", "(3,)", "broadcast")),
    (lambda a: a[bx.tensor([True, False, True])], IndexError, ("mask", "(3,)", "(2, 3)")),
    (lambda a: a[bx.tensor([0.5])], IndexError, ("float32", "int64")),
    (lambda a: a.__setitem__(5, 1.0), IndexError, ("index 5", "size 2")),
    (lambda a: a.__setitem__(0, ones(2)), RuntimeError, ("(2,)", "(3,)")),
    (lambda a: a.__setitem__(bx.tensor([0, 9]), 1.0), IndexError, ("index 9", "size 2")),
    (lambda a: a.__setitem__(a > 0, ones(5)), RuntimeError, ("[index_put_]", "(5,)", "(6,)")),
    (lambda a: a.__delitem__(0), TypeError, ("deleting",)),
    (lambda a: a.index_select(0, bx.tensor([2])), IndexError, ("index 2", "size 2")),
    (lambda a: a[10**30], ValueError, ("int64",)),
    (lambda a: bx.tensor(1.0)[0], IndexError, ("0-d", "item()")),
    # numbers from tensors
    (lambda a: a.item(), RuntimeError, ("[item]", "(2, 3)", "6")),
    (lambda a: bool(a), RuntimeError, ("[bool]", "(2, 3)", ".any()")),
    (lambda a: int(a), (RuntimeError, ValueError), ("(2, 3)",)),
    (lambda a: [1, 2][a], TypeError, ("float32", "whole number")),
    (lambda a: len(bx.tensor(1.0)), TypeError, ("0-d", "item()")),
    (lambda a: list(bx.tensor(1.0)), TypeError, ("0-d", "item()")),
    (lambda a: bx.zeros(0).max(), RuntimeError, ("[max]", "(0,)", "not empty")),
    (lambda a: bx.zeros(0, 3).amax(0), IndexError, ("[amax]", "(0, 3)")),
    (lambda a: bx.zeros(3, 0).argmin(1), IndexError, ("[argmin]", "(3, 0)")),
    # losses
    (lambda a: F.mse_loss(a, a, reduction="avg"), ValueError, ("'avg'", "'mean'", "'sum'")),
    (lambda a: F.cross_entropy(a, bx.tensor([0, 3])), IndexError, ("index 3", "expected 0 to 2")),
    (lambda a: F.embedding(bx.tensor([-1]), a), IndexError, ("index -1", "expected 0 to 1")),
    (lambda a: F.cross_entropy(a, bx.tensor([0])), ValueError, ("(1,)", "(2, 3)", "(2,)")),
    (lambda a: F.cross_entropy(a, ones(2)), RuntimeError, ("float32", ".long()")),
    (lambda a: F.nll_loss(a, ones(2)), RuntimeError, ("[nll_loss]", "float32", ".long()")),
    (lambda a: F.binary_cross_entropy(a, ones(2)), ValueError, ("(2,)", "(2, 3)")),
    (lambda a: F.binary_cross_entropy(a * 2, a), RuntimeError, ("2 to 12", "0 to 1", "_with_")),
    (lambda a: F.binary_cross_entropy(a / 0 * 0, a), RuntimeError, ("nan", "0 to 1")),
    (lambda a: bx.nn.MSELoss(a, a), RuntimeError, ("[loss]", "nn.MSELoss()")),
    (lambda a: bx.nn.CrossEntropyLoss(a, a.long()), RuntimeError, ("[loss]", "(input, target)")),
    (lambda a: F.mse_loss(a.long(), a.long()), RuntimeError, ("int64", ".float()")),
    # devices, types, modules
    (lambda a: bx.zeros(2, device="cuda"), AssertionError, ("cuda", "cpu")),
    (lambda a: a.to("cuda"), AssertionError, ("cuda", "cpu")),
    (lambda a: a.cuda(), AssertionError, ("cuda", "cpu")),
    (lambda a: bx.zeros(2, dtype="float16"), TypeError, ("dtype", "str")),
    (lambda a: bx.relux, AttributeError, ("relux", "relu")),
    (lambda a: bx.tensor([[1, 2], [3]]), ValueError, ("length 2", "dim 1", "got 1")),
    (lambda a: bx.tensor([[1], 2]), (TypeError, ValueError), ("depth",)),
    (lambda a: bx.tensor("x"), (TypeError, ValueError), ("str",)),
    (lambda a: bx.Tensor(2, "x"), TypeError, ("[Tensor]",)),
]  # fmt: skip


@pytest.mark.parametrize(("call", "kind", "parts"), MISTAKES, ids=range(len(MISTAKES)))
def test_mistake_is_named_with_both_values_and_the_cure(
    call: Any, kind: Any, parts: tuple[str, ...]
) -> None:
    a = bx.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    before, version = a.tolist(), a._version
    with pytest.raises(kind) as caught:
        call(a)
    text = str(caught.value)
    for part in parts:
        assert part in text
    assert a.tolist() == before
    assert a._version == version
    assert tuple(a.shape) == (2, 3)


def test_message_of_a_product_is_the_documented_one() -> None:
    with pytest.raises(RuntimeError) as caught:
        bx.ones(3, 4) @ bx.ones(5, 6)
    assert str(caught.value) in (
        "[matmul] (3, 4) @ (5, 6): inner dimensions 4 and 5 differ; transpose one operand?",
    )


BACKWARD_MISTAKES: list[tuple[Any, type[Exception], tuple[str, ...]]] = [
    (lambda x: (x * 2).backward(), RuntimeError, ("(2,)", ".sum()")),
    (lambda x: x.detach().sum().backward(), RuntimeError, ("does not require grad",)),
    (lambda x: (x * 2).backward(ones(3)), RuntimeError, ("(3,)", "(2,)")),
    (lambda x: (x * 2).backward(2.0), TypeError, ("float", "Tensor")),
    (lambda x: bx.autograd.backward([x.sum(), x], [None]), RuntimeError, ("2 outputs", "1")),
    (lambda x: x.sum().backward(inputs=[]), RuntimeError, ("empty",)),
    (lambda x: bx.autograd.grad(x.sum(), [ones(1)]), RuntimeError, ("input 0", "require grad")),
    (lambda x: x.numpy(), RuntimeError, ("[numpy]", "requires grad", "detach()")),
    (lambda x: np.asarray(x), RuntimeError, ("[numpy]", "detach()")),
    (lambda x: setattr(x * 2, "requires_grad", False), RuntimeError, ("non-leaf", "detach()")),
    (lambda x: setattr(x, "grad", ones(3)), RuntimeError, ("(3,)", "(2,)")),
    (lambda x: setattr(x, "grad", 1.0), TypeError, ("float",)),
    (lambda x: setattr(x, "grad", x), RuntimeError, ("clone()",)),
    (lambda x: setattr(x, "grad", x.detach().double()), RuntimeError, ("float64", "float32")),
    (lambda x: bx.nn.Parameter(bx.tensor([1])), RuntimeError, ("int64",)),
]


@pytest.mark.parametrize(("call", "kind", "parts"), BACKWARD_MISTAKES, ids=range(15))
def test_mistake_in_differentiation_is_named(call: Any, kind: Any, parts: tuple[str, ...]) -> None:
    x = bx.tensor([1.0, 2.0], requires_grad=True)
    with pytest.raises(kind) as caught:
        call(x)
    for part in parts:
        assert part in str(caught.value)
    assert x.tolist() == [1.0, 2.0]
    assert x.grad is None
    assert x.requires_grad


def test_failed_write_at_indices_leaves_the_tensor() -> None:
    t = bx.zeros(4)
    for write in (
        lambda: t.__setitem__(bx.tensor([0, 1, 9]), bx.ones(3)),
        lambda: t.index_put_((bx.tensor([0, 1, -5]),), bx.ones(3), accumulate=True),
    ):
        with pytest.raises(IndexError, match=r"index (9|-5) is out of range"):
            write()
        assert t.tolist() == [0.0] * 4


def test_failed_division_of_integers_in_place_leaves_the_tensor() -> None:
    t = bx.tensor([6, 8, 10])
    with pytest.raises(RuntimeError, match="division by zero"):
        t.floor_divide_(bx.tensor([2, 0, 5]))
    assert t.tolist() == [6, 8, 10]


def test_failure_inside_backward_leaves_every_gradient() -> None:
    a = bx.tensor([1.0, 2.0], requires_grad=True)
    b = bx.tensor([3.0, 4.0], requires_grad=True)
    early = a * 2
    late = early * b
    early.data.add_(0)
    early.detach().add_(1)  # now stale for b's gradient
    with pytest.raises(RuntimeError, match="inplace operation"):
        (late + b * 5).sum().backward()
    assert (a.grad is None, b.grad is None) == (True, True)
    assert bx.is_grad_enabled()


def test_loss_of_shapes_that_broadcast_warns() -> None:
    with pytest.warns(UserWarning, match=re.escape("(5, 1)") + ".*" + re.escape("(5,)")):
        F.mse_loss(bx.ones(5, 1), bx.ones(5))
    with pytest.warns(UserWarning, match="broadcast"):
        bx.nn.L1Loss()(bx.ones(5, 1), bx.ones(5))


def test_mean_of_nothing_is_nan_as_in_pytorch() -> None:
    assert np.isnan(bx.zeros(0).mean().item())
    assert np.isnan(F.mse_loss(bx.zeros(0), bx.zeros(0)).item())
    assert np.isnan(F.cross_entropy(bx.zeros(0, 3), bx.zeros(0, dtype=bx.int64)).item())


SHOWN: dict[str, tuple[Any, type[Exception], tuple[type[Exception], ...]]] = {
    "no tensor": (lambda: F.relu(3), TypeError, (AttributeError,)),
    "no optimizer": (lambda: bx.optim.lr_scheduler.StepLR(3, 1), TypeError, (AttributeError,)),
    "no number": (lambda: bx.full((2,), bx.ones(2)), TypeError, (ValueError, RuntimeError)),
    "truth": (lambda: bool(bx.ones(2)), RuntimeError, (TypeError, ValueError)),
    "item": (lambda: bx.ones(2).item(), RuntimeError, (TypeError, ValueError)),
    "float": (lambda: float(bx.ones(2)), ValueError, (TypeError, RuntimeError)),
    "index": (lambda: bx.ones(2)[bx.tensor([5])], IndexError, (RuntimeError,)),
    "embedding": (lambda: F.embedding(bx.tensor([5]), bx.eye(2)), IndexError, (RuntimeError,)),
    "class": (lambda: F.nll_loss(bx.ones(1, 2), bx.tensor([5])), IndexError, (RuntimeError,)),
    "gather": (lambda: bx.ones(2).gather(0, bx.tensor([5])), RuntimeError, (IndexError,)),
    "scatter": (lambda: bx.ones(2).scatter(0, bx.tensor([5]), 1.0), RuntimeError, (IndexError,)),
    "bool": (lambda: bx.tensor(True) - bx.tensor(True), RuntimeError, ()),
    "matrix": (lambda: bx.linalg.inv(bx.ones(2, 2).long()), RuntimeError, ()),
}


@pytest.mark.parametrize(("call", "shown", "others"), SHOWN.values(), ids=SHOWN)
def test_an_error_of_several_classes_bears_the_name_of_the_usual_one(
    call: Any, shown: type[Exception], others: tuple[type[Exception], ...]
) -> None:
    with pytest.raises(shown) as caught:
        call()
    assert caught.type.__name__ == shown.__name__
    assert caught.type.__module__ == "builtins"
    assert all(isinstance(caught.value, other) for other in others)
    assert traceback.format_exception_only(caught.value)[0].startswith(f"{shown.__name__}: [")
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is shown
    assert str(again) == str(caught.value)
