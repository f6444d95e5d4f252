"""Sparse gradients of tables that are looked up, and the optimizers that take them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn, optim
from backprop_ext.nn import functional as F

# -- embeddings -----------------------------------------------------------------------------------


def table(padding_idx: int | None = None) -> nn.Embedding:
    weight = bx.arange(12.0).reshape(6, 2)
    return nn.Embedding.from_pretrained(weight, freeze=False, sparse=True, padding_idx=padding_idx)


def test_an_embedding_has_a_sparse_gradient() -> None:
    e = table(padding_idx=3)
    e(bx.tensor([[1, 3], [1, 5]])).pow(2).sum().backward()
    g = e.weight.grad
    assert g._indices().tolist() == [[1, 1, 5]]
    assert g.shape == (6, 2)
    assert g._values().tolist() == [[4.0, 6.0], [4.0, 6.0], [20.0, 22.0]]
    e(bx.tensor([1])).sum().backward()
    assert g.shape == (6, 2)
    assert e.weight.grad._nnz() == 4
    e.zero_grad(set_to_none=False)
    assert e.weight.grad._nnz() == 0
    assert not e.weight.grad.to_dense().any()
    seen = []
    e.weight.register_hook(lambda g: seen.append(g.layout))
    e(bx.tensor([1])).sum().backward()
    assert seen == [bx.sparse_coo]


def test_dense_and_sparse_gradients_meet() -> None:
    e = table()
    (e(bx.tensor([1, 1])).sum() + (e.weight * 2).sum()).backward()
    assert not e.weight.grad.is_sparse
    expected = np.full((6, 2), 2.0)
    expected[1] += 2
    np.testing.assert_array_equal(e.weight.grad, expected)
    e(bx.tensor([0])).sum().backward()
    assert e.weight.grad[0].tolist() == [3.0, 3.0]
    doubled = table().weight
    F.embedding(bx.tensor([4]), doubled * 2, sparse=True).sum().backward()
    assert doubled.grad.to_dense()[4].tolist() == [2.0, 2.0]


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_bags_have_a_sparse_gradient(mode: str) -> None:
    grads = []
    for sparse in (True, False):
        bag = nn.EmbeddingBag.from_pretrained(
            bx.arange(12.0).reshape(6, 2), freeze=False, mode=mode, sparse=sparse
        )
        bag(bx.tensor([[1, 2], [1, 0]])).pow(2).sum().backward()
        assert bag.weight.grad.is_sparse is sparse
        grads.append(bag.weight.grad.to_dense())
    np.testing.assert_allclose(*grads)
    with pytest.raises(ValueError, match="max"):
        nn.EmbeddingBag(4, 2, mode="max", sparse=True)(bx.tensor([[1]]))


def test_a_captured_step_refuses_sparse_gradients() -> None:
    e = table()
    step = bx.capture(lambda i: e(i).sum().backward())
    with pytest.raises(RuntimeError, match="sparse gradient in a captured step"):
        step(bx.tensor([1]))
    assert e.weight.grad is None


# -- optimizers -----------------------------------------------------------------------------------


def trained(kind: Any, sparse: bool, batches: list[list[int]], **settings: Any) -> bx.Tensor:
    e = table()
    e.sparse = sparse
    opt = kind(e.parameters(), **settings)
    for batch in batches:
        opt.zero_grad()
        e(bx.tensor(batch)).pow(2).sum().backward()
        opt.step()
    return e.weight.detach()


EVERY_ROW = [[0, 1, 2, 3, 4, 5, 1], [5, 4, 3, 2, 1, 0], [0, 0, 1, 2, 3, 4, 5]]
RULES = [
    (optim.SGD, {"lr": 0.01}),
    (optim.SGD, {"lr": 0.01, "maximize": True}),
    (optim.SGD, {"lr": 0.01, "momentum": 0.9, "dampening": 0.5}),
    (optim.SGD, {"lr": 0.01, "momentum": 0.9, "nesterov": True}),
    (optim.Adagrad, {"lr": 0.1, "lr_decay": 0.1}),
]


@pytest.mark.parametrize(("kind", "settings"), RULES)
def test_where_every_row_is_used_it_is_the_dense_step(kind: Any, settings: Any) -> None:
    steps = [trained(kind, sparse, EVERY_ROW, **settings) for sparse in (True, False)]
    np.testing.assert_allclose(*steps, rtol=2e-6)


def test_sparse_adam_is_adam_where_every_row_is_used() -> None:
    ours = trained(optim.SparseAdam, True, EVERY_ROW, lr=0.1)
    np.testing.assert_allclose(ours, trained(optim.Adam, False, EVERY_ROW, lr=0.1), rtol=2e-6)


def test_sparse_adam_leaves_other_rows_alone() -> None:
    e = table()
    before = e.weight.detach().clone()
    opt = optim.SparseAdam(e.parameters(), lr=0.1, maximize=True)
    for batch in ([1, 2, 1], [2]):
        opt.zero_grad()
        e(bx.tensor(batch)).sum().backward()
        opt.step()
    changed = (e.weight.detach() - before).numpy()
    np.testing.assert_array_equal(changed[[0, 3, 4, 5]], 0)
    # A constant gradient moves a row by lr; in step 2 the moments of row 2 are corrected for two.
    np.testing.assert_allclose(changed[1], 0.1, rtol=1e-5)
    np.testing.assert_allclose(changed[2], 0.2, rtol=1e-5)
    assert [*opt.state[e.weight]] == ["step", "exp_avg", "exp_avg_sq"]
    again = optim.SparseAdam(e.parameters(), lr=0.1)
    again.load_state_dict(opt.state_dict())
    assert again.state[e.weight]["step"] == 2


def test_other_optimizers_refuse_and_change_nothing() -> None:
    for kind in (optim.Adam, optim.AdamW, optim.RMSprop, optim.Rprop, optim.NAdam):
        with pytest.raises(RuntimeError, match="does not support sparse gradients"):
            trained(kind, True, [[1]])
    e, other = table(), nn.Parameter(bx.ones(2))
    opt = optim.SGD([other, e.weight], lr=0.1, weight_decay=0.1)
    (e(bx.tensor([1])).sum() + other.sum()).backward()
    with pytest.raises(RuntimeError, match="weight_decay"):
        opt.step()
    assert other.tolist() == [1.0, 1.0]
    assert e.weight[1].tolist() == [2.0, 3.0]
    with pytest.raises(RuntimeError, match="does not support dense gradients"):
        optim.SparseAdam([other]).step()
    with pytest.raises(ValueError, match="sparse"):
        optim.SparseAdam([bx.ones(4, 3).to_sparse().requires_grad_()])
    for setting in ({"lr": 0.0}, {"eps": -1.0}, {"betas": (1.0, 0.9)}):
        with pytest.raises(ValueError, match=next(iter(setting))):
            optim.SparseAdam([other], **setting)
