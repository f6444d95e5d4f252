"""Where PyTorch is installed: the same densities, draws, gradients, divergences and classes."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from distribution_rows import MATRIX, TABLE, Row

import backprop_ext as bx

torch = pytest.importorskip("torch")

PROPERTIES = ["mean", "variance", "stddev", "mode", "entropy", "perplexity"]


def made(module: Any, row: Row, requires_grad: bool = False, dtype: str = "float32") -> Any:
    """The distribution, and its parameters."""
    parameters = {
        name: module.tensor(array.astype(dtype)).requires_grad_(requires_grad)
        for name, array in row.parameters.items()
    }
    return getattr(module.distributions, row.name)(**parameters, **row.fixed), parameters


def near(ours: Any, theirs: Any, rtol: float = 2e-5, atol: float = 2e-6) -> None:
    assert tuple(ours.shape) == tuple(theirs.shape)
    assert str(ours.dtype) == str(theirs.dtype)
    expected = theirs.detach().numpy()
    np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=rtol, atol=atol)


def both(row: Row, use: Any) -> list[Any]:
    """use(module, distribution) here and in PyTorch, with one seed."""
    found = []
    for module in (bx, torch):
        module.manual_seed(7)
        try:
            found.append(use(module, made(module, row)[0]))
        except NotImplementedError:
            found.append(NotImplementedError)
    return found


def drawn(row: Row, shape: tuple[int, ...] = (5,)) -> Any:
    torch.manual_seed(3)
    return made(torch, row)[0].sample(shape).numpy()


def gradients(parameters: Any) -> list[Any]:
    return [p.grad for p in parameters.values()]


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_shapes_and_repr_are_torchs(row: Row) -> None:
    ours, theirs = made(bx, row)[0], made(torch, row)[0]
    assert repr(ours) == repr(theirs)
    for d in (lambda d: d, lambda d: d.expand((4, *d.batch_shape))):
        assert (d(ours).batch_shape, d(ours).event_shape) == (
            d(theirs).batch_shape,
            d(theirs).event_shape,
        )
    assert ours.has_rsample == theirs.has_rsample
    assert ours.has_enumerate_support == theirs.has_enumerate_support
    assert repr(ours.support) == repr(theirs.support)
    assert (ours.support.event_dim, ours.support.is_discrete) == (
        theirs.support.event_dim,
        theirs.support.is_discrete,
    )


@pytest.mark.parametrize("name", PROPERTIES)
@pytest.mark.parametrize("row", TABLE, ids=str)
def test_moments_are_torchs(row: Row, name: str) -> None:
    def use(module: Any, d: Any) -> Any:
        found = getattr(d, name)
        return found() if callable(found) else found

    ours, theirs = both(row, use)
    if theirs is NotImplementedError:
        assert ours is NotImplementedError
    else:
        near(ours, theirs, 2e-4, 1e-5)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_densities_and_their_gradients_are_torchs(row: Row) -> None:
    value, found = drawn(row), []
    for module in (bx, torch):
        d, parameters = made(module, row, requires_grad=True)
        x = module.tensor(value)
        if not d.support.is_discrete:
            parameters["value"] = x.requires_grad_()
        log_prob = d.log_prob(x)
        log_prob.sum().backward()
        found.append((log_prob, gradients(parameters)))
    near(found[0][0], found[1][0], 1e-4, 2e-5)
    for ours, theirs in zip(found[0][1], found[1][1], strict=True):
        assert (ours is None) == (theirs is None)
        if ours is not None:
            near(ours, theirs, 2e-3, 2e-4)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_one_seed_draws_the_same(row: Row) -> None:
    ours, theirs = both(row, lambda module, d: [d.sample((40,)), module.rand(3)])
    near(ours[0], theirs[0], 2e-5, row.draws)
    near(ours[1], theirs[1])  # and the stream is left at the same place
    assert not ours[0].requires_grad


@pytest.mark.parametrize("row", [r for r in TABLE if r.name != "VonMises"], ids=str)
def test_gradients_of_draws_are_torchs(row: Row) -> None:
    found = []
    for module in (bx, torch):
        d, parameters = made(module, row, requires_grad=True)
        module.manual_seed(11)
        try:
            x = d.rsample((6,))
        except NotImplementedError:
            found.append(None)
            continue
        (x * module.arange(float(x.numel())).reshape(x.shape)).sum().backward()
        found.append((x, gradients(parameters)))
    ours, theirs = found
    assert (ours is None) == (theirs is None)
    if ours is not None:
        near(ours[0], theirs[0])
        for g, expected in zip(ours[1], theirs[1], strict=True):
            near(g, expected, row.slope, row.slope * float(expected.abs().max()))


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_distribution_functions_are_torchs(row: Row) -> None:
    value = drawn(row)
    for use in (
        lambda module, d: d.cdf(module.tensor(value)),
        lambda module, d: d.icdf(module.linspace(0.1, 0.8, 6).reshape(2, 3)),
        lambda module, d: d.enumerate_support(),
        lambda module, d: d.enumerate_support(expand=False),
    ):
        ours, theirs = both(row, use)
        if theirs is NotImplementedError:
            assert ours is NotImplementedError
        else:
            near(ours, theirs, 1e-4, 1e-5)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_an_expanded_distribution_is_torchs(row: Row) -> None:
    def use(module: Any, d: Any) -> Any:
        wide = d.expand((2, *d.batch_shape))
        x = wide.sample((3,))
        return x, wide.log_prob(x)

    ours, theirs = both(row, use)
    near(ours[0], theirs[0], 2e-5, 2e-6)
    near(ours[1], theirs[1], 1e-4, 1e-4)


# PyTorch calls the last one infinite also where the ends of both just meet.
APART = {
    ("Poisson", "Bernoulli"),
    ("Poisson", "Binomial"),
    ("Uniform", "ContinuousBernoulli"),
}


def _pairs() -> list[Any]:
    from torch.distributions.kl import _KL_REGISTRY

    known = {(p.__name__, q.__name__) for p, q in _KL_REGISTRY}
    rows = {str(row): row for row in TABLE}.values()
    pairs = [(p, q) for p, q in itertools.product(rows, rows) if (p.name, q.name) in known]
    return [pytest.param(p, q, id=f"{p}-{q}") for p, q in pairs if (p.name, q.name) not in APART]


@pytest.mark.parametrize(("p", "q"), _pairs())
def test_divergences_are_torchs(p: Row, q: Row) -> None:
    shifted = q._replace(parameters={k: v * np.float32(1.25) for k, v in q.parameters.items()})
    if "probs" in q.parameters or q.name == "Geometric":
        shifted = q
    found = []
    for module in (bx, torch):
        made_p, made_q = made(module, p)[0], made(module, shifted)[0]
        try:
            found.append(module.distributions.kl_divergence(made_p, made_q))
        except (NotImplementedError, RuntimeError) as error:
            found.append(type(error))
    if isinstance(found[1], torch.Tensor):
        near(found[0], found[1], 1e-4, 1e-5)
    else:
        assert found[0] == found[1]


def test_a_wishart_is_torchs_but_for_the_draws() -> None:
    found, shown = [], []
    for module in (bx, torch):
        d = module.distributions.Wishart(
            module.tensor([4.5, 6.0]), covariance_matrix=module.tensor(MATRIX)
        )
        x = module.tensor(MATRIX * 3 + np.eye(3, dtype=np.float32))
        found.append([d.log_prob(x), d.entropy(), d.mean, d.mode, d.variance, d.precision_matrix])
        shown.append(repr(d))
    assert shown[0] == shown[1]
    for ours, theirs in zip(*found, strict=True):
        near(ours, theirs, 1e-4, 1e-5)
