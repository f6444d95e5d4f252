"""Names that scripts and research code take from PyTorch's corners: here, and with its results."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

EXPRESSIONS = [
    "torch.embedding(w, i)",
    "torch.embedding(w, i, 1)",
    "torch.batch_norm(w, None, None, None, None, True, 0.1, 1e-5, False)",
    "torch.batch_norm(w, v, v, v, v, False, 0.1, 1e-5, False)",
    "torch.instance_norm(w[None], None, None, None, None, True, 0.1, 1e-5, False)",
    "torch.range(0, 1, 0.3)",
    "torch.range(1, 4)",
    "torch.range(3, 0, -1)",
    "torch.range(0, 3, dtype=torch.int64)",
    "torch.get_device(w)",
    "torch.is_signed(w), torch.is_signed(w > 0), w.is_signed()",
    "w.is_nonzero() if w.numel() == 1 else w.is_same_size(w)",
    "w.is_inference(), w.is_conj(), w.is_neg(), w.is_shared()",
    "w._is_view(), w[0]._is_view(), w.t()._is_view(), (w + 1)._is_view()",
    "w.real",
    "w.histogram(3).hist",
    "w.clone().apply_(lambda x: 2 * x + 1)",
    "w.clone().map_(v, lambda x, y: x - y)",
    "i.clone().apply_(lambda x: x + 1)",
    "nn.init._calculate_fan_in_and_fan_out(w)",
    "nn.init._calculate_correct_fan(torch.ones(2, 3, 4, 5), 'fan_out')",
    "module('nn.modules.utils')._pair(3), module('nn.modules.utils')._triple((1, 2, 3))",
    "module('nn.modules.utils')._single(3), module('nn.modules.utils')._ntuple(5)(0)",
    "issubclass(nn.CrossEntropyLoss, nn.modules.loss._WeightedLoss)",
    "isinstance(nn.Dropout2d(), nn.modules.dropout._DropoutNd)",
    "isinstance(nn.BatchNorm1d(2), nn.modules.batchnorm._NormBase)",
    "repr(module('optim.optimizer').required)",
    "module('utils.hooks').RemovableHandle.__name__",
    "nn.Linear(2, 2).compile()",
]
EXPRESSIONS += [
    f"torch.segment_reduce({data}, '{reduce}', lengths=torch.tensor([2, 0, 1]), initial={initial})"
    for data in ("w", "w[:, 0]")
    for reduce in ("sum", "mean", "max", "min", "prod")
    for initial in (None, 0.5)
]
EXPRESSIONS += ["torch.segment_reduce(w, 'max', offsets=torch.tensor([0, 1, 3]))"]


def run(lib: Any, text: str) -> Any:
    names = {
        "torch": lib, "nn": lib.nn, "i": lib.tensor([2, 0]), "v": lib.tensor([1.0, 2, 3, 4]),
        "w": lib.tensor([[1.0, -2, 3, 0.5], [4, 5, -6, 2], [7, 8, 9, -1]]),
        "module": lambda path: importlib.import_module(f"{lib.__name__}.{path}"),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, names)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_name_is_here_and_gives_what_pytorch_gives(text: str) -> None:
    ours = run(bx, text)
    torch = pytest.importorskip("torch")
    theirs = run(torch, text)
    if isinstance(theirs, torch.Tensor):
        assert str(ours.dtype) == str(theirs.dtype)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    else:
        assert ours == theirs


def test_gradient_of_segments_goes_to_their_elements() -> None:
    x = bx.tensor([1.0, 3.0, 2.0, 5.0], requires_grad=True)
    means = bx.segment_reduce(x, "mean", lengths=bx.tensor([3, 1]))
    (means * bx.tensor([3.0, 2.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "kind", "part"),
    [
        (lambda x: bx.segment_reduce(x, "sum"), RuntimeError, "lengths"),
        (lambda x: bx.segment_reduce(x, "last", lengths=bx.tensor([3])), RuntimeError, "'last'"),
        (lambda x: bx.segment_reduce(x, "sum", lengths=bx.tensor([2])), RuntimeError, "up to 2"),
        (lambda x: bx.range(3, 0), RuntimeError, "3 to 0"),
        (lambda x: x.requires_grad_().apply_(abs), TypeError, "requires grad"),
        (lambda x: x.map_(2, max), TypeError, "must be Tensor"),
        (lambda x: bx.optim.Optimizer([x], {"lr": bx.optim.optimizer.required}), ValueError, "lr="),
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_misuse_of_these_names_is_told(call: Any, kind: type[Exception], part: str) -> None:
    with pytest.raises(kind, match=part):
        call(bx.tensor([1.0, 2.0, 3.0]))
