"""Distributions against closed forms, integrals, SciPy, and recorded draws; no PyTorch needed."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
from distribution_rows import MATRIX, TABLE, Row

import backprop_ext as torch
from backprop_ext import distributions as dist

SCIPY = {
    "Normal": lambda s, p: s.norm(p["loc"], p["scale"]),
    "LogNormal": lambda s, p: s.lognorm(p["scale"], scale=np.exp(p["loc"])),
    "HalfNormal": lambda s, p: s.halfnorm(scale=p["scale"]),
    "Laplace": lambda s, p: s.laplace(p["loc"], p["scale"]),
    "Cauchy": lambda s, p: s.cauchy(p["loc"], p["scale"]),
    "HalfCauchy": lambda s, p: s.halfcauchy(scale=p["scale"]),
    "Gumbel": lambda s, p: s.gumbel_r(p["loc"], p["scale"]),
    "Uniform": lambda s, p: s.uniform(p["low"], p["high"] - p["low"]),
    "Exponential": lambda s, p: s.expon(scale=1 / p["rate"]),
    "Weibull": lambda s, p: s.weibull_min(p["concentration"], scale=p["scale"]),
    "Pareto": lambda s, p: s.pareto(p["alpha"], scale=p["scale"]),
    "Gamma": lambda s, p: s.gamma(p["concentration"], scale=1 / p["rate"]),
    "Chi2": lambda s, p: s.chi2(p["df"]),
    "InverseGamma": lambda s, p: s.invgamma(p["concentration"], scale=p["rate"]),
    "Beta": lambda s, p: s.beta(p["concentration1"], p["concentration0"]),
    "StudentT": lambda s, p: s.t(p["df"], p["loc"], p["scale"]),
    "FisherSnedecor": lambda s, p: s.f(p["df1"], p["df2"]),
    "VonMises": lambda s, p: s.vonmises(p["concentration"], loc=p["loc"]),
    "Geometric": lambda s, p: s.geom(p["probs"], loc=-1),
    "Bernoulli": lambda s, p: s.bernoulli(p["probs"]),
    "Binomial": lambda s, p: s.binom(9, p["probs"]),
    "NegativeBinomial": lambda s, p: s.nbinom(p["total_count"], 1 - p["probs"]),
    "Poisson": lambda s, p: s.poisson(p["rate"]),
}
SCALAR = [row for row in TABLE if row.name in SCIPY and "logits" not in row.parameters]

RECORDED = {  # what PyTorch 2.13 draws after manual_seed(0)
    "Gamma": ([[0.5, 2.0, 12.0], 2.0], [0.0003946791, 0.3157703, 6.111546]),
    "Beta": ([[0.4, 3.0, 7.0], 2.0], [0.00019505344, 0.74602664, 0.6349503]),
    "Binomial": ([60, [0.05, 0.4, 0.9]], [6.0, 22.0, 54.0]),
    "Dirichlet": ([[0.5, 1.0, 4.0]], [0.00019242313, 0.029004851, 0.9708027]),
    "StudentT": ([[1.0, 3.0, 9.0]], [2.2300971, -0.27902949, -1.867983]),
    "NegativeBinomial": ([5, [0.2, 0.5, 0.9]], [2.0, 4.0, 23.0]),
    "VonMises": ([[0.0, 1.0, 2.0], 3.0], [-0.27809015, 0.51389056, 1.8363382]),
    "Laplace": ([[0.0, 0.0, 0.0], 1.0], [-0.0075149266, 0.7688272, -1.7318599]),
    "Gumbel": ([[0.0, 0.0, 0.0], 1.0], [0.35572923, 1.3330306, -0.88583475]),
    "Poisson": ([[0.5, 4.0, 40.0]], [2.0, 5.0, 36.0]),
    "Geometric": ([[0.1, 0.5, 0.9]], [6.0, 0.0, 1.0]),
    "Cauchy": ([[0.0, 0.0, 0.0], 1.0], [10.59773, 0.76476729, -0.1282993]),
    "Kumaraswamy": ([[2.0, 2.0, 2.0], 3.0], [0.45638275, 0.29006979, 0.7445811]),
}


def made(row: Row, dtype: Any = torch.float64) -> Any:
    parameters = {name: torch.tensor(a).to(dtype) for name, a in row.parameters.items()}
    return getattr(dist, row.name)(**parameters, **row.fixed)


@pytest.mark.parametrize("name", RECORDED)
def test_draws_are_the_recorded_ones(name: str) -> None:
    values, expected = RECORDED[name]
    arguments = [torch.tensor(v) if isinstance(v, list) else v for v in values]
    torch.manual_seed(0)
    found = getattr(dist, name)(*arguments).sample()
    np.testing.assert_allclose(found.numpy(), np.float32(expected), rtol=2e-6)


@pytest.mark.parametrize("row", SCALAR, ids=str)
def test_densities_and_moments_are_scipys(row: Row) -> None:
    stats = pytest.importorskip("scipy.stats")
    parameters = {name: np.float64(value) for name, value in row.parameters.items()}
    frozen = SCIPY[row.name](stats, parameters)
    d = made(row)
    torch.manual_seed(0)
    x = d.sample((20,)).numpy()
    log_density = frozen.logpmf if d.support.is_discrete else frozen.logpdf
    np.testing.assert_allclose(d.log_prob(torch.tensor(x)).numpy(), log_density(x), rtol=1e-8)
    if row.name not in ("Cauchy", "HalfCauchy", "VonMises"):
        np.testing.assert_allclose(d.mean.numpy(), frozen.mean(), rtol=1e-8)
        np.testing.assert_allclose(d.variance.numpy(), frozen.var(), rtol=1e-8)
    for ours, theirs in ((d.entropy, frozen.entropy), (lambda: d.cdf(torch.tensor(x)), None)):
        try:
            found = ours().numpy()
        except NotImplementedError:
            continue
        expected = frozen.cdf(x) if theirs is None else theirs()
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)


@pytest.mark.parametrize("row", TABLE, ids=str)
def test_many_draws_have_the_moments(row: Row) -> None:
    d = made(row)
    n = 4000
    torch.manual_seed(1)
    x = d.sample((n,)).numpy()
    assert bool(d.support.check(torch.tensor(x)).all())
    try:
        mean, variance = d.mean.numpy(), d.variance.numpy()
    except NotImplementedError:
        return
    if row.name == "VonMises":  # mean and variance are of the direction
        direction = np.exp(1j * x).mean(0)
        np.testing.assert_allclose(np.angle(direction), mean, atol=0.1)
        np.testing.assert_allclose(1 - np.abs(direction), variance, atol=0.03)
    elif np.isfinite(mean).all() and np.isfinite(variance).all():
        error = 5 * np.sqrt(variance / n)
        assert (np.abs(x.mean(0) - mean) <= error + 1e-12).all()


@pytest.mark.parametrize("name", ["Categorical", "OneHotCategorical", "Bernoulli", "Binomial"])
def test_the_probabilities_of_a_support_add_up_to_one(name: str) -> None:
    for row in TABLE:
        if row.name == name:
            d = made(row)
            for events in (d.enumerate_support(), d.enumerate_support(expand=False)):
                total = d.log_prob(events).exp().sum(0)
                np.testing.assert_allclose(total.numpy(), 1.0, rtol=1e-10)


@pytest.mark.parametrize("name", ["RelaxedBernoulli", "Kumaraswamy", "LogisticNormal", "VonMises"])
def test_a_density_integrates_to_one(name: str) -> None:
    row = next(row for row in TABLE if row.name == name)
    d = made(row)
    if name == "LogisticNormal":
        d = dist.LogisticNormal(torch.tensor([0.3]).double(), torch.tensor([0.8]).double())
    nodes, weights = np.polynomial.legendre.leggauss(400)
    low, high = (-np.pi, np.pi) if name == "VonMises" else (0.0, 1.0)
    x = torch.tensor(low + (high - low) * (nodes + 1) / 2)
    weights = torch.tensor(weights * (high - low) / 2)
    if name == "LogisticNormal":  # the density over the first share
        total = (d.log_prob(torch.stack([x, 1 - x], -1)).exp() * weights).sum(0)
    else:
        total = (d.log_prob(x[:, None]).exp() * weights[:, None]).sum(0)
    np.testing.assert_allclose(total.numpy(), 1.0, rtol=2e-3)


@pytest.mark.parametrize("a", [0.02, 0.3, 1.0, 4.0, 60.0, 3000.0])
def test_a_gamma_draw_moves_as_its_quantile_does(a: float) -> None:
    special = pytest.importorskip("scipy.special")
    concentration = torch.full((200,), a, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(0)
    x = dist.Gamma(concentration, 1.0).rsample()
    x.sum().backward()
    x, h = x.detach().numpy(), 1e-4 * a / (1 + np.sqrt(a))
    low = special.gammainc(a, x)
    lower = low < 0.5
    u = np.where(lower, low, special.gammaincc(a, x))

    def quantile(b: float) -> Any:
        return np.where(lower, special.gammaincinv(b, u), special.gammainccinv(b, u))

    slope = (quantile(a + h) - quantile(a - h)) / (2 * h)
    known = x > 1e-20  # below, the quotient is the coarser one
    np.testing.assert_allclose(concentration.grad.numpy()[known], slope[known], rtol=1e-5)


@pytest.mark.parametrize(
    ("a", "b"), [(0.3, 0.5), (1.0, 1.0), (2.0, 9.0), (40.0, 3.0), (500.0, 700.0)]
)
def test_a_beta_draw_moves_as_its_quantile_does(a: float, b: float) -> None:
    special = pytest.importorskip("scipy.special")
    first, second = (torch.full((200,), v, dtype=torch.float64, requires_grad=True) for v in (a, b))
    torch.manual_seed(0)
    x = dist.Beta(first, second).rsample()
    x.sum().backward()
    x = x.detach().numpy()
    known = (x > 1e-6) & (x < 1 - 1e-6)
    u = special.betainc(a, b, x)
    for k, grad in enumerate((first.grad.numpy(), second.grad.numpy())):
        h = 1e-4 * (a, b)[k] / (1 + np.sqrt((a, b)[k]))
        ends = [special.betaincinv(a + s * (k == 0), b + s * (k == 1), u) for s in (h, -h)]
        slope = (ends[0] - ends[1]) / (2 * h)
        np.testing.assert_allclose(grad[known], slope[known], rtol=2e-4, atol=1e-6)


def test_the_share_of_a_dirichlet_takes_from_the_others() -> None:
    concentration = torch.tensor([0.7, 2.0, 5.0], dtype=torch.float64, requires_grad=True)
    torch.manual_seed(2)
    x = dist.Dirichlet(concentration).rsample()
    rows = [torch.autograd.grad(x[k], concentration, retain_graph=True)[0] for k in range(3)]
    np.testing.assert_allclose(sum(r.numpy() for r in rows), 0.0, atol=1e-12)
    assert all(rows[k][k].item() > 0 for k in range(3))


def test_binomial_is_a_function_with_a_generator() -> None:
    count, prob = torch.tensor([5.0, 40.0, 0.0, 7.0]), torch.tensor([0.3, 0.5, 0.5, 1.0])
    draws = [
        torch.binomial(count, prob, generator=torch.Generator().manual_seed(3)) for _ in range(2)
    ]
    assert draws[0].tolist() == draws[1].tolist()
    assert draws[0].tolist()[2:] == [0.0, 7.0]
    with pytest.raises(ValueError, match=r"\[binomial\] count is torch.int64"):
        torch.binomial(count.long(), prob)


def test_a_wishart_has_scipys_density_and_its_moments() -> None:
    stats = pytest.importorskip("scipy.stats")
    scale = torch.tensor(MATRIX).double()
    for given in ({"covariance_matrix": scale}, {"scale_tril": torch.linalg.cholesky(scale)}):
        d = dist.Wishart(torch.tensor(5.5).double(), **given)
        torch.manual_seed(0)
        x = d.rsample((1000,))
        frozen = stats.wishart(5.5, scale.numpy())
        expected = [frozen.logpdf(m) for m in x[:5].numpy()]
        np.testing.assert_allclose(d.log_prob(x[:5]).numpy(), expected, rtol=1e-8)
        np.testing.assert_allclose(d.entropy().item(), frozen.entropy(), rtol=1e-8)
        assert bool(((x.mean(0) - d.mean).abs() < 5 * (d.variance / 1000).sqrt()).all())
    with pytest.raises(ValueError, match=r"\[Wishart\] df is 2.0; pass more than 2"):
        dist.Wishart(2.0, scale)


def test_an_exponential_family_needs_only_its_normalizer() -> None:
    class Coin(dist.ExponentialFamily):
        arg_constraints = {"logits": dist.constraints.real}  # noqa: RUF012
        _mean_carrier_measure = 0

        def __init__(self, logits: torch.Tensor) -> None:
            self.logits = logits
            super().__init__(logits.shape)

        @property
        def _natural_params(self) -> Any:
            return (self.logits,)

        def _log_normalizer(self, x: torch.Tensor) -> torch.Tensor:
            return torch.nn.functional.softplus(x)

    logits = torch.tensor([-1.0, 0.0, 2.0])
    expected = dist.Bernoulli(logits=logits).entropy().numpy()
    np.testing.assert_allclose(Coin(logits).entropy().detach().numpy(), expected, rtol=1e-6)


def test_a_low_rank_normal_is_the_dense_one() -> None:
    torch.manual_seed(0)
    loc, w, diag = torch.randn(2, 1, 4), torch.randn(3, 4, 2), torch.rand(4) + 0.1
    low = dist.LowRankMultivariateNormal(loc, w, diag)
    dense = dist.MultivariateNormal(loc, w @ w.mT + torch.diag(diag))
    x = torch.randn(2, 3, 4)
    for ours, theirs in (
        (low.log_prob(x), dense.log_prob(x)),
        (low.entropy(), dense.entropy()),
        (low.variance, dense.variance),
        (low.scale_tril, dense.scale_tril),
        (low.precision_matrix, dense.precision_matrix),
    ):
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-3, atol=1e-4)
    np.testing.assert_allclose(dist.kl_divergence(low, dense).numpy(), 0.0, atol=1e-4)
    with pytest.raises(ValueError, match=r"pass \(\.\.\., d\), \(\.\.\., d, rank\)"):
        dist.LowRankMultivariateNormal(loc, w, torch.ones(3))


TANH = dist.transforms.TanhTransform()
TRANSFORMS = [
    (dist.ExpTransform(), (3,)),
    (dist.SigmoidTransform(), (3,)),
    (dist.SoftplusTransform(), (3,)),
    (TANH, (3,)),
    (dist.AffineTransform(torch.tensor([1.0, 2.0, 3.0]), -2.0), (3,)),
    (dist.AffineTransform(0.5, torch.tensor([1.0, -2.0, 3.0]), event_dim=1), (2, 3)),
    (dist.ComposeTransform([dist.ExpTransform(), dist.PowerTransform(torch.tensor(0.7))]), (3,)),
    (dist.ComposeTransform([TANH, dist.AffineTransform(1.0, 3.0)]).inv.inv, (3,)),
    (dist.StickBreakingTransform(), (2, 3)),
    (dist.CorrCholeskyTransform(), (2, 6)),
    (dist.ReshapeTransform((4,), (2, 2)), (3, 4)),
    (dist.IndependentTransform(dist.ExpTransform(), 1), (2, 3)),
    (dist.CatTransform([dist.ExpTransform(), TANH], 0, [2, 1]), (3,)),
    (dist.StackTransform([dist.ExpTransform(), TANH], 0), (2, 3)),
    (dist.CumulativeDistributionTransform(dist.Normal(0.3, 2.0)), (3,)),
    (dist.LowerCholeskyTransform(), (2, 3, 3)),
    (dist.PositiveDefiniteTransform(), (3, 3)),
    (dist.SoftmaxTransform(), (2, 3)),
]
IDS = [f"{k}-{type(t).__name__}" for k, (t, _) in enumerate(TRANSFORMS)]


@pytest.mark.parametrize(("transform", "shape"), TRANSFORMS, ids=IDS)
def test_the_inverse_leads_back(transform: Any, shape: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    if isinstance(transform, (dist.LowerCholeskyTransform, dist.PositiveDefiniteTransform)):
        x = x.tril()
    y = transform(x)
    assert bool(transform.codomain.check(y).all())
    assert tuple(transform.forward_shape(x.shape)) == tuple(y.shape)
    assert tuple(transform.inverse_shape(y.shape)) == tuple(x.shape)
    again = transform(transform.inv(y))
    np.testing.assert_allclose(again.numpy(), y.numpy(), rtol=1e-7, atol=1e-9)
    if transform.bijective:
        np.testing.assert_allclose(transform.inv(y).numpy(), x.numpy(), rtol=1e-6, atol=1e-9)


@pytest.mark.parametrize(
    ("transform", "shape"),
    [pytest.param(t, s, id=i) for (t, s), i in zip(TRANSFORMS, IDS, strict=True) if t.bijective],
)
def test_log_abs_det_jacobian_is_that_of_autograd(transform: Any, shape: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    y = transform(x)
    found = transform.log_abs_det_jacobian(x, y).sum().item()
    n = x.numel()

    def free(flat: torch.Tensor) -> torch.Tensor:
        """As many elements of y as x has, which determine the rest."""
        out = transform(flat.reshape(shape))
        if isinstance(transform, dist.StickBreakingTransform):
            out = out[..., :-1]
        if isinstance(transform, dist.CorrCholeskyTransform):
            out = dist.utils.tril_matrix_to_vec(out, -1)
        return out.reshape(-1)

    jacobian = torch.autograd.functional.jacobian(free, x.reshape(-1)).numpy()
    assert jacobian.shape == (n, n)
    np.testing.assert_allclose(found, np.linalg.slogdet(jacobian)[1], rtol=1e-6)
    backwards = transform.inv.log_abs_det_jacobian(y, x).sum().item()
    np.testing.assert_allclose(backwards, -found, rtol=1e-7)


def test_a_cache_gives_the_very_x_back() -> None:
    x = torch.tensor([30.0])
    plain, kept = dist.TanhTransform(), dist.TanhTransform(cache_size=1)
    assert torch.isinf(plain.inv(plain(x)))
    assert kept.inv(kept(x)) is x
    assert dist.TanhTransform().with_cache().inv._cache_size == 1
    again = pickle.loads(pickle.dumps(kept))
    assert again == kept
    assert again._cached == (None, None)
    with pytest.raises(ValueError, match="cache_size is 2; pass 0 or 1"):
        dist.TanhTransform(cache_size=2)


def test_transforms_of_a_kind_are_equal() -> None:
    affine = dist.AffineTransform
    assert affine(1.0, 2.0) == affine(1.0, torch.tensor(2.0))
    assert affine(1.0, 2.0) != affine(1.0, 3.0)
    assert dist.ExpTransform() == dist.ExpTransform() != dist.TanhTransform()
    assert dist.ExpTransform().inv == dist.ExpTransform().inv
    assert dist.PowerTransform(2.0) == dist.PowerTransform(2.0)
    assert repr(dist.ComposeTransform([dist.ExpTransform().inv])) == (
        "ComposeTransform(\n    _InverseTransform(ExpTransform())\n)"
    )


@pytest.mark.parametrize(
    ("constraint", "shape"),
    [
        (dist.constraints.real, (3,)),
        (dist.constraints.positive, (3,)),
        (dist.constraints.greater_than(2.0), (3,)),
        (dist.constraints.less_than(-1.0), (3,)),
        (dist.constraints.unit_interval, (3,)),
        (dist.constraints.interval(-3.0, 5.0), (3,)),
        (dist.constraints.simplex, (2, 3)),
        (dist.constraints.lower_cholesky, (3, 3)),
        (dist.constraints.positive_definite, (3, 3)),
        (dist.constraints.corr_cholesky, (2, 6)),
        (dist.constraints.independent(dist.constraints.positive, 1), (2, 3)),
        (dist.constraints.stack([dist.constraints.positive, dist.constraints.real]), (2, 3)),
        (dist.constraints.cat([dist.constraints.positive, dist.constraints.real]), (2, 3)),
    ],
    ids=repr,
)
def test_registries_lead_into_the_constraint(constraint: Any, shape: Any) -> None:
    torch.manual_seed(0)
    x = torch.randn(shape, dtype=torch.float64)
    for registry in (dist.transform_to, dist.biject_to):
        try:
            y = registry(constraint)(x)
        except NotImplementedError as error:
            assert "register() one" in str(error)  # noqa: PT017
            assert registry is dist.biject_to
            continue
        assert bool(constraint.check(y).all())


def test_transformed_distributions_are_those_in_closed_form() -> None:
    normal = dist.Normal(torch.tensor([0.3, -1.0]), torch.tensor([0.5, 2.0]))
    x = torch.tensor([0.7, 3.0])
    made_so = dist.TransformedDistribution(normal, [dist.ExpTransform()])
    log_normal = dist.LogNormal(normal.loc, normal.scale)
    np.testing.assert_allclose(made_so.log_prob(x).numpy(), log_normal.log_prob(x).numpy())
    np.testing.assert_allclose(made_so.icdf(made_so.cdf(x)).numpy(), x.numpy(), rtol=1e-5)
    down = dist.TransformedDistribution(normal, [dist.AffineTransform(1.0, -2.0)])
    flipped = dist.Normal(1.0 - 2.0 * normal.loc, 2.0 * normal.scale)
    np.testing.assert_allclose(down.cdf(x).numpy(), flipped.cdf(x).numpy(), rtol=1e-5)
    np.testing.assert_allclose(down.icdf(x / 4).numpy(), flipped.icdf(x / 4).numpy(), rtol=1e-5)
    vector = dist.TransformedDistribution(
        dist.MultivariateNormal(torch.zeros(3), torch.tensor(MATRIX)),
        [dist.AffineTransform(torch.ones(3), torch.tensor([1.0, 2.0, 3.0]), event_dim=1)],
    )
    scaled = torch.tensor(MATRIX) * torch.outer(*[torch.tensor([1.0, 2.0, 3.0])] * 2)
    at = torch.tensor([0.5, 1.0, -2.0])
    expected = dist.MultivariateNormal(torch.ones(3), scaled).log_prob(at)
    np.testing.assert_allclose(vector.log_prob(at).item(), expected.item(), rtol=1e-5)
    assert vector.event_shape == (3,)


def test_independent_adds_up_the_last_dimensions() -> None:
    base = dist.Normal(torch.zeros(2, 3, 4), torch.ones(2, 3, 4))
    joint = dist.Independent(base, 2)
    assert (joint.batch_shape, joint.event_shape) == ((2,), (3, 4))
    x = joint.sample((5,))
    np.testing.assert_allclose(
        joint.log_prob(x).numpy(), base.log_prob(x).sum((-1, -2)).numpy(), rtol=1e-6
    )
    assert joint.entropy().shape == (2,)
    assert joint.expand((6, 2)).sample().shape == (6, 2, 3, 4)
    assert repr(joint).startswith("Independent(Normal(")
    with pytest.raises(ValueError, match=r"\[Independent\] reinterpreted_batch_ndims is 4"):
        dist.Independent(base, 4)


def test_a_mixture_is_the_weighted_sum_of_its_components() -> None:
    weights = torch.tensor([[0.2, 0.8], [0.5, 0.5], [0.9, 0.1]])
    loc, scale = torch.randn(3, 2, 4), torch.rand(3, 2, 4) + 0.5
    mixture = dist.MixtureSameFamily(
        dist.Categorical(weights), dist.Independent(dist.Normal(loc, scale), 1)
    )
    assert (mixture.batch_shape, mixture.event_shape) == ((3,), (4,))
    x = torch.randn(3, 4)
    each = dist.Normal(loc, scale).log_prob(x[:, None]).sum(-1).exp()
    expected = (each * weights).sum(-1).log()
    np.testing.assert_allclose(mixture.log_prob(x).numpy(), expected.numpy(), rtol=1e-5)
    torch.manual_seed(0)
    draws = mixture.sample((4000,))
    assert draws.shape == (4000, 3, 4)
    error = 5 * (mixture.variance / 4000).sqrt()
    assert bool(((draws.mean(0) - mixture.mean).abs() < error).all())
    assert mixture.expand((2, 3)).log_prob(x).shape == (2, 3)
    with pytest.raises(ValueError, match="end in the same number"):
        dist.MixtureSameFamily(dist.Categorical(torch.ones(3)), dist.Normal(torch.zeros(2), 1.0))
    with pytest.raises(ValueError, match="mixture_distribution is a Normal; pass a Categorical"):
        dist.MixtureSameFamily(dist.Normal(0.0, 1.0), dist.Normal(0.0, 1.0))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("p", "q"),
    [
        (dist.Normal(0.5, 1.2), dist.Laplace(0.0, 1.0)),
        (dist.Gamma(2.0, 1.5), dist.Gumbel(0.5, 1.0)),
        (dist.Gumbel(0.2, 1.1), dist.Gumbel(0.0, 1.5)),
        (dist.Beta(2.0, 3.0), dist.Gamma(2.0, 1.0)),
        (dist.Uniform(0.1, 0.8), dist.Beta(2.0, 1.5)),
        (dist.Pareto(1.0, 6.0), dist.Exponential(0.7)),
        (dist.Exponential(2.0), dist.Normal(0.4, 1.0)),
        (dist.Poisson(3.0), dist.Poisson(5.0)),
        (dist.Geometric(0.3), dist.Geometric(0.5)),
        (dist.Dirichlet(torch.tensor([1.0, 2.0, 3.0])), dist.Dirichlet(torch.ones(3))),
        (dist.LogNormal(0.2, 0.5), dist.LogNormal(0.0, 0.7)),
        (dist.HalfNormal(1.0), dist.HalfNormal(2.0)),
        (dist.Cauchy(0.0, 1.0), dist.Cauchy(1.0, 2.0)),
        (dist.Uniform(0.0, 0.8), dist.ContinuousBernoulli(0.3)),
    ],
    ids=lambda d: type(d).__name__,
)
def test_a_divergence_is_the_mean_over_draws(p: Any, q: Any) -> None:
    torch.manual_seed(0)
    x = p.sample((20000,)) if not isinstance(p, (dist.Gamma, dist.Beta)) else p.sample((4000,))
    each = p.log_prob(x) - q.log_prob(x)
    error = 5 * (each.std() / each.numel() ** 0.5).item()
    assert abs(dist.kl_divergence(p, q).item() - each.mean().item()) < error


def test_a_divergence_can_be_registered_for_types_of_ones_own() -> None:
    class Mine(dist.Normal):
        pass

    class Other(dist.Laplace):
        pass

    assert dist.kl_divergence(Mine(0.0, 1.0), dist.Normal(0.0, 1.0)).item() == 0.0

    @dist.register_kl(Mine, Other)
    def rule(p: Any, q: Any) -> torch.Tensor:
        return torch.tensor(42.0)

    assert dist.kl_divergence(Mine(0.0, 1.0), Other(0.0, 1.0)).item() == 42.0
    dist.register_kl(Mine, int)  # what distributions may be mixed with
    with pytest.raises(TypeError, match="pass a class of distributions"):
        dist.register_kl(Mine, 1)
    with pytest.raises(NotImplementedError, match="none is known of VonMises to Normal"):
        dist.kl_divergence(dist.VonMises(0.0, 1.0), dist.Normal(0.0, 1.0))


def test_expand_of_ones_own_makes_an_empty_instance() -> None:
    class Scaled(dist.Normal):
        def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
            new = self._get_checked_instance(Scaled, _instance)
            new.factor = self.factor
            return super().expand(batch_shape, new)

        def __init__(self, loc: float, scale: float, factor: float) -> None:
            super().__init__(loc, scale)
            self.factor = factor

    class Other(Scaled):
        def __init__(self) -> None:
            super().__init__(0.0, 1.0, 3.0)

    wide = Scaled(0.0, 1.0, 2.0).expand((3,))
    assert type(wide) is Scaled
    assert (wide.factor, tuple(wide.batch_shape)) == (2.0, (3,))
    with pytest.raises(NotImplementedError, match=r"Other has an __init__ other than .* Scaled"):
        Other().expand((3,))


def test_a_module_may_be_a_distribution_too() -> None:
    class Prior(dist.Normal, torch.nn.Module):
        def __init__(self) -> None:
            torch.nn.Module.__init__(self)
            dist.Normal.__init__(self, 0.0, 1.0)
            self.weight = torch.nn.Parameter(torch.ones(1))

    assert [name for name, _ in Prior().named_parameters()] == ["weight"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: dist.Normal(0.0, -1.0), r"\[Normal\] parameter scale, of shape \(\), holds \[-1"),
        (lambda: dist.Normal(float("nan"), 1.0), r"parameter loc.*expected Real\(\)"),
        (lambda: dist.Normal("a", 1.0), r"a parameter is a str; pass numbers or tensors"),
        (lambda: dist.Uniform(1.0, 0.0), r"\[Uniform\] parameter low"),
        (lambda: dist.Bernoulli(), r"\[Bernoulli\] neither of probs and logits given"),
        (lambda: dist.Bernoulli(0.5, 0.5), r"\[Bernoulli\] both of probs and logits given"),
        (lambda: dist.Bernoulli(1.5), r"Interval\(lower_bound=0.0, upper_bound=1.0\)"),
        (lambda: dist.Geometric(0.0), r"\[Geometric\] parameter probs"),
        (lambda: dist.Categorical(torch.tensor(0.5)), r"\[Categorical\] probs is 0-d"),
        (lambda: dist.Categorical(torch.tensor([-1.0, 2.0])), r"expected Simplex\(\)"),
        (lambda: dist.Dirichlet(torch.tensor(1.0)), r"\[Dirichlet\] the concentration is 0-d"),
        (
            lambda: dist.MultivariateNormal(torch.zeros(2)),
            r"0 of covariance_matrix, precision_matrix, scale_tril are given; pass one",
        ),
        (
            lambda: dist.MultivariateNormal(torch.zeros(2), -torch.eye(2)),
            r"parameter covariance_matrix.*PositiveDefinite\(\)",
        ),
        (
            lambda: dist.MultivariateNormal(torch.zeros(2), scale_tril=torch.ones(2)),
            r"scale_tril has shape \(2,\); pass a matrix",
        ),
        (lambda: dist.Normal(0.0, 1.0).log_prob(1.0), r"\[Normal\] the value is a float"),
        (
            lambda: dist.Exponential(1.0).log_prob(torch.tensor([-1.0, 2.0])),
            r"\[Exponential\] the value, of shape \(2,\), holds \[-1.0\]; expected GreaterThanEq",
        ),
        (
            lambda: dist.Normal(torch.zeros(3), 1.0).log_prob(torch.zeros(2)),
            r"the value has shape \(2,\), the distribution \(3,\); pass shapes that broadcast",
        ),
        (
            lambda: dist.Dirichlet(torch.ones(3)).log_prob(torch.ones(2) / 2),
            r"an event has \(3,\)",
        ),
        (
            lambda: dist.TransformedDistribution(dist.Normal(0.0, 1.0), ["exp"]),  # type: ignore[list-item]
            r"pass a Transform or a list of them",
        ),
        (
            lambda: dist.TransformedDistribution(
                dist.Normal(0.0, 1.0), dist.StickBreakingTransform()
            ),
            r"the transforms work on 1 dimensions; expand the base",
        ),
        (lambda: dist.ReshapeTransform((2,), (3,)), r"different numbers of elements"),
        (lambda: dist.CorrCholeskyTransform().forward_shape((4,)), r"expected n \(n - 1\) / 2"),
        (lambda: dist.Distribution.set_default_validate_args(3), r"pass True or False"),  # type: ignore[arg-type]
    ],
)
def test_a_wrong_value_is_refused(make: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_a_distribution_lacks_says_so() -> None:
    for call in (lambda d: d.entropy(), lambda d: d.rsample(), lambda d: d.cdf(torch.zeros(()))):
        with pytest.raises(NotImplementedError, match=r"\[NegativeBinomial\] it has no "):
            call(dist.NegativeBinomial(3.0, torch.tensor(0.5)))
    with pytest.raises(NotImplementedError, match="total counts go from 2 to 3"):
        dist.Binomial(torch.tensor([2.0, 3.0]), torch.tensor(0.5)).enumerate_support()
    with pytest.raises(NotImplementedError, match="total_count is a Tensor; pass one int"):
        dist.Multinomial(torch.tensor(3), torch.ones(2))  # type: ignore[arg-type]
    with pytest.warns(FutureWarning, match="sample_n"):
        assert dist.Normal(0.0, 1.0).sample_n(4).shape == (4,)


def test_validation_can_be_switched_off() -> None:
    assert torch.isnan(dist.Normal(0.0, -1.0, validate_args=False).log_prob(torch.ones(1)))
    try:
        dist.Distribution.set_default_validate_args(False)
        dist.Normal(0.0, -1.0)
    finally:
        dist.Distribution.set_default_validate_args(True)
    with pytest.raises(ValueError, match="parameter scale"):
        dist.Normal(0.0, -1.0)


def test_a_distribution_of_ones_own_needs_only_its_density() -> None:
    class Triangle(dist.Distribution):
        arg_constraints = {"width": dist.constraints.positive}  # noqa: RUF012

        def __init__(self, width: torch.Tensor) -> None:
            self.width = width
            super().__init__(width.shape)

        @dist.constraints.dependent_property(is_discrete=False, event_dim=0)
        def support(self) -> Any:
            return dist.constraints.interval(0.0, self.width)

        def log_prob(self, value: torch.Tensor) -> torch.Tensor:
            self._validate_sample(value)
            return (2 * value / self.width**2).log()

    d = Triangle(torch.tensor([1.0, 2.0]))
    assert repr(d) == "Triangle(width: torch.Size([2]))"
    assert d.expand((3, 2)).log_prob(torch.ones(2)).shape == (3, 2)
    with pytest.raises(ValueError, match=r"\[Triangle\] the value"):
        d.log_prob(torch.tensor(3.0))
    assert Triangle.support.event_dim == 0
    assert dist.constraints.is_dependent(Triangle.support)


def test_distributions_are_copied_and_pickled() -> None:
    for row in TABLE:
        d = made(row)
        if row.name == "Gumbel" or hasattr(d, "transforms"):
            d.base_dist.sample()
        for other in (copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
            torch.manual_seed(0)
            x = d.sample()
            torch.manual_seed(0)
            assert np.array_equal(other.sample().numpy(), x.numpy())


def test_the_import_is_put_off_until_it_is_asked_for() -> None:
    import subprocess
    import sys

    code = (
        "import sys, backprop_ext as t; n = 'backprop_ext.distributions'; "
        "assert n not in sys.modules; t.distributions.Normal; assert n in sys.modules; "
        "from backprop_ext.distributions.normal import Normal; "
        "from backprop_ext.distributions.categorical import Categorical"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_exponential_families() -> None:
    for kind in ("Normal", "Gamma", "Chi2", "Beta", "Bernoulli", "Poisson", "Wishart"):
        assert issubclass(getattr(dist, kind), dist.ExponentialFamily)
    assert not issubclass(dist.Laplace, dist.ExponentialFamily)
    with pytest.raises(NotImplementedError):
        dist.Poisson(torch.tensor(2.0)).entropy()
