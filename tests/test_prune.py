"""Pruning: which elements go, what is left of them through rounds, training and removal."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn.utils import prune


def layer(rows: int = 4, columns: int = 5) -> nn.Linear:
    bx.manual_seed(0)
    return nn.Linear(columns, rows)


def test_the_smallest_elements_go_and_stay_away_through_training() -> None:
    m = layer()
    before = m.weight.detach().numpy().copy()
    assert prune.l1_unstructured(m, "weight", amount=0.3) is m
    assert sorted(n for n, _ in m.named_parameters()) == ["bias", "weight_orig"]
    assert [n for n, _ in m.named_buffers()] == ["weight_mask"]
    gone = m.weight_mask.numpy() == 0
    assert gone.sum() == 6
    assert np.abs(before[gone]).max() < np.abs(before[~gone]).min()
    optimizer = bx.optim.SGD(m.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        m(bx.ones(2, 5)).square().sum().backward()
        optimizer.step()
    assert (m.weight_orig.grad.numpy()[gone] == 0).all()
    m(bx.ones(1, 5))
    assert (m.weight.detach().numpy()[gone] == 0).all()
    assert (m.weight.detach().numpy()[~gone] != before[~gone]).any()


def test_removing_leaves_a_parameter_with_the_zeros() -> None:
    m = layer()
    prune.l1_unstructured(m, "weight", amount=6)
    assert prune.is_pruned(nn.Sequential(m))
    pruned = m.weight.detach().numpy().copy()
    prune.remove(m, "weight")
    assert not prune.is_pruned(m)
    assert sorted(m.state_dict()) == ["bias", "weight"]
    assert isinstance(m.weight, nn.Parameter)
    assert np.array_equal(m.weight.detach().numpy(), pruned)
    assert m(bx.ones(1, 5)).requires_grad


def test_a_second_round_goes_on_from_what_is_left() -> None:
    m = layer()
    prune.random_unstructured(m, "weight", amount=10)
    first = m.weight_mask.numpy().copy()
    method = prune.L1Unstructured.apply(m, "weight", 0.5)
    assert isinstance(method, prune.PruningContainer)
    assert [type(k).__name__ for k in method] == ["RandomUnstructured", "L1Unstructured"]
    assert len(m._forward_pre_hooks) == 1
    second = m.weight_mask.numpy()
    assert (second <= first).all()
    assert second.sum() == 5
    prune.ln_structured(m, "weight", amount=1, n=2, dim=0)
    assert (m.weight_mask.numpy() <= second).all()
    assert (m.weight_mask.numpy().sum(1) == 0).sum() >= 1


@pytest.mark.parametrize(("dim", "n"), [(0, 2), (1, 1), (-1, float("inf"))])
def test_whole_channels_of_the_smallest_norm_go(dim: int, n: float) -> None:
    m = layer()
    norms = np.linalg.norm(m.weight.detach().numpy(), n, axis=1 if dim == 0 else 0)
    prune.ln_structured(m, "weight", amount=2, n=n, dim=dim)
    kept = m.weight_mask.numpy().any(1 if dim == 0 else 0)
    assert sorted(np.flatnonzero(~kept)) == sorted(np.argsort(norms)[:2])
    assert set(np.unique(m.weight_mask.numpy()[kept] if dim == 0 else 1)) == {1}


def test_modules_are_ranked_together() -> None:
    small, large = layer(), layer()
    with bx.no_grad():
        small.weight.mul_(1e-6)
    pairs = [(small, "weight"), (large, "weight")]
    prune.global_unstructured(pairs, prune.L1Unstructured, amount=0.5)
    assert small.weight_mask.sum() == 0
    assert large.weight_mask.sum() == 20
    scores = {(large, "weight"): bx.arange(20.0).reshape(4, 5)}
    prune.global_unstructured(pairs, prune.L1Unstructured, importance_scores=scores, amount=5)
    assert large.weight_mask.reshape(-1).tolist() == [0.0] * 5 + [1.0] * 15


def test_a_method_of_ones_own_and_a_mask_of_ones_own() -> None:
    class EveryOther(prune.BasePruningMethod):
        PRUNING_TYPE = "unstructured"

        def compute_mask(self, t: bx.Tensor, default_mask: bx.Tensor) -> bx.Tensor:
            mask = default_mask.clone()
            mask.view(-1)[::2] = 0
            return mask

    m = layer()
    EveryOther.apply(m, "bias")
    assert m.bias_mask.tolist() == [0.0, 1.0, 0.0, 1.0]
    prune.custom_from_mask(m, "bias", bx.tensor([1, 1, 1, 0]))
    assert m.bias_mask.tolist() == [0.0, 1.0, 0.0, 0.0]
    assert EveryOther().prune(bx.ones(4)).tolist() == [0.0, 1.0, 0.0, 1.0]
    prune.identity(m, "weight")
    assert m.weight_mask.sum() == 20


def test_a_pruned_state_is_loaded_into_a_pruned_module() -> None:
    m, other = layer(), layer()
    prune.l1_unstructured(m, "weight", amount=0.4)
    prune.identity(other, "weight")
    other.load_state_dict(m.state_dict())
    x = bx.randn(3, 5)
    assert bx.equal(other(x), m(x))


@pytest.mark.parametrize(
    ("use", "error", "message"),
    [
        (
            lambda m: prune.l1_unstructured(m, "weight", "a"),
            TypeError,
            "amount is 'a'; pass an int",
        ),
        (lambda m: prune.l1_unstructured(m, "weight", 1.5), ValueError, "amount is 1.5; pass a"),
        (lambda m: prune.l1_unstructured(m, "weight", -1), ValueError, "amount is -1; pass a"),
        (
            lambda m: prune.l1_unstructured(m, "weight", 21),
            ValueError,
            "amount is 21, there are 20",
        ),
        (lambda m: prune.ln_structured(m, "weight", 1, 2, 2), IndexError, "dim is 2, the tensor"),
        (lambda m: prune.ln_structured(m, "bias", 1, 2, 0), ValueError, r"shape \(4,\); channels"),
        (lambda m: prune.l1_unstructured(m, "weights", 1), AttributeError, "weights"),
        (lambda m: prune.remove(m, "weight"), ValueError, "'weight' of Linear is not pruned"),
        (
            lambda m: prune.l1_unstructured(m, "weight", 1, importance_scores=bx.ones(3)),
            AssertionError,
            r"importance_scores have shape \(3,\), weight \(4, 5\)",
        ),
        (
            lambda m: prune.custom_from_mask(m, "weight", bx.ones(3)),
            AssertionError,
            r"the mask has shape \(3,\), the tensor \(4, 5\)",
        ),
        (
            lambda m: prune.global_unstructured([(m, "weight")], prune.LnStructured, amount=1, n=2),
            TypeError,
            "LnStructured is structured; pass an unstructured method",
        ),
        (
            lambda m: prune.global_unstructured([(m, "weight")], prune.Identity, [1]),
            TypeError,
            "importance_scores is a list; pass a dict",
        ),
        (lambda m: prune.PruningContainer().add_pruning_method(3), TypeError, "a int was added"),
        (lambda m: prune.Identity().remove(m), AssertionError, "it is on no module yet"),
    ],
)
def test_what_is_wrong_is_refused_and_changes_nothing(use: Any, error: Any, message: str) -> None:
    m = layer()
    before = {name: t.clone() for name, t in m.state_dict().items()}
    with pytest.raises(error, match=message):
        use(m)
    after = m.state_dict()
    assert list(after) == list(before)
    assert all(bx.equal(after[name], before[name]) for name in before)
    assert not m._forward_pre_hooks


def test_a_round_that_fails_leaves_the_earlier_one() -> None:
    m = layer()
    prune.l1_unstructured(m, "weight", amount=6)
    with pytest.raises(ValueError, match="amount is 15, there are 14"):
        prune.l1_unstructured(m, "weight", amount=15)
    assert m.weight_mask.sum() == 14
    assert len(m._forward_pre_hooks) == 1


STEPS = {
    "l1": lambda p, m: p.l1_unstructured(m, "weight", amount=0.35),
    "random": lambda p, m: p.random_unstructured(m, "weight", amount=0.35),
    "random_structured": lambda p, m: p.random_structured(m, "weight", amount=0.5, dim=1),
    "ln": lambda p, m: p.ln_structured(m, "weight", amount=0.5, n=2, dim=0),
    "bias": lambda p, m: p.random_unstructured(m, "bias", amount=1),
    "global": lambda p, m: p.global_unstructured(
        [(m, "weight"), (m, "bias")], p.L1Unstructured, amount=0.2
    ),
}


@pytest.mark.parametrize("first", STEPS)
@pytest.mark.parametrize("second", STEPS)
def test_masks_of_one_seed_are_torchs(first: str, second: str) -> None:
    torch = pytest.importorskip("torch")
    from torch.nn.utils import prune as theirs

    found = []
    for module, pruning in ((bx, prune), (torch, theirs)):
        module.manual_seed(5)
        m = module.nn.Linear(6, 8)
        STEPS[first](pruning, m)
        STEPS[second](pruning, m)
        state = {name: value.numpy() for name, value in m.state_dict().items()}
        found.append((state, m(module.ones(2, 6)).detach().numpy()))
    (ours, y), (expected, y_expected) = found
    assert list(ours) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-6, err_msg=name)
    np.testing.assert_allclose(y, y_expected, rtol=1e-5, atol=1e-6)
