"""A row for each distribution: how it is made, in this package and in PyTorch alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Row(NamedTuple):
    """`name(**parameters)`, with parameters that are arrays, or `fixed` and not differentiable."""

    name: str
    parameters: dict[str, Any]
    fixed: dict[str, Any] = {}  # noqa: RUF012
    draws: float = 1e-6  # how near the draws of one seed are to PyTorch's; nan: another stream
    slope: float = 1e-4  # how near the gradients of draws are, relative

    def __str__(self) -> str:
        shown = [k for k in (*self.parameters, *self.fixed) if k in ("probs", "logits")]
        return "-".join([self.name, *shown])


def _a(*values: float) -> Any:
    return np.array(values, np.float32)


PAIR = {"loc": _a(-0.5, 0.3, 2.0), "scale": _a(0.5, 1.0, 2.5)}
PROBS = _a(0.2, 0.5, 0.9)
LOGITS = _a(-1.5, 0.2, 2.0)
CLASSES = np.array([[0.1, 0.2, 0.7], [0.3, 0.3, 0.4]], np.float32)
SCORES = np.array([[0.5, -1.0, 2.0], [0.0, 0.1, -0.3]], np.float32)
TWO = {"concentration1": _a(0.4, 2.0, 7.0), "concentration0": _a(0.6, 3.0, 1.5)}
MATRIX = np.array([[2.0, 0.3, 0.1], [0.3, 1.0, -0.2], [0.1, -0.2, 0.7]], np.float32)
LOWER = np.linalg.cholesky(MATRIX).astype(np.float32)
HALF = {"temperature": np.array(0.7, np.float32)}
# PyTorch's derivative of a gamma or beta draw is an approximation, good to some 1e-3.
ROUGH = 5e-3

TABLE = [
    Row("Normal", PAIR),
    Row("LogNormal", PAIR),
    Row("HalfNormal", {"scale": _a(0.5, 1.0, 2.5)}),
    Row("Laplace", PAIR),
    Row("Cauchy", PAIR),
    Row("HalfCauchy", {"scale": _a(0.5, 1.0, 2.5)}),
    Row("Gumbel", PAIR),
    Row("Uniform", {"low": _a(-1.0, 0.0, 2.0), "high": _a(1.0, 0.5, 7.0)}),
    Row("Exponential", {"rate": _a(0.3, 1.0, 4.0)}),
    Row("Weibull", {"scale": _a(0.5, 1.0, 2.0), "concentration": _a(1.5, 2.0, 5.0)}),
    Row("Pareto", {"scale": _a(0.5, 1.0, 2.0), "alpha": _a(2.5, 3.0, 4.0)}),
    Row("Kumaraswamy", {"concentration1": _a(1.2, 2.0, 3.0), "concentration0": _a(1.5, 3.0, 2.0)}),
    Row("Gamma", {"concentration": _a(0.5, 2.0, 12.0), "rate": _a(1.0, 0.5, 3.0)}, slope=ROUGH),
    Row("Chi2", {"df": _a(1.0, 4.0, 9.0)}, slope=ROUGH),
    Row(
        "InverseGamma",
        {"concentration": _a(3.0, 4.0, 12.0), "rate": _a(1.0, 0.5, 3.0)},
        slope=ROUGH,
    ),
    Row("Beta", TWO, slope=ROUGH),
    Row("Dirichlet", {"concentration": CLASSES * 8}, slope=ROUGH),
    Row("StudentT", {"df": _a(3.0, 5.0, 20.0), **PAIR}, slope=ROUGH),
    Row("FisherSnedecor", {"df1": _a(3.0, 4.0, 5.0), "df2": _a(5.0, 6.0, 12.0)}, slope=ROUGH),
    Row("VonMises", {"loc": _a(-0.5, 0.3, 2.0), "concentration": _a(0.5, 2.0, 9.0)}),
    Row("MultivariateNormal", {"loc": PAIR["loc"], "covariance_matrix": MATRIX}),
    Row("MultivariateNormal", {"loc": PAIR["loc"], "scale_tril": LOWER}),
    Row("MultivariateNormal", {"loc": PAIR["loc"], "precision_matrix": MATRIX}),
    Row("LogisticNormal", PAIR),
    Row(
        "LowRankMultivariateNormal",
        {"loc": PAIR["loc"], "cov_factor": MATRIX[:, :2], "cov_diag": _a(0.5, 1.0, 2.0)},
    ),
    Row("GeneralizedPareto", {**PAIR, "concentration": _a(-0.4, 0.0, 0.3)}),
    Row("LKJCholesky", {"concentration": _a(0.7, 1.0, 3.0)}, {"dim": 3}),
    Row("ContinuousBernoulli", {"probs": PROBS}),
    Row("ContinuousBernoulli", {"logits": LOGITS}),
    Row("Bernoulli", {"probs": PROBS}),
    Row("Bernoulli", {"logits": LOGITS}),
    Row("Geometric", {"probs": PROBS}),
    Row("Geometric", {"logits": LOGITS}),
    Row("Binomial", {"probs": PROBS}, {"total_count": 9}),
    Row("Binomial", {"logits": LOGITS}, {"total_count": 60}),
    Row("NegativeBinomial", {"total_count": _a(2.0, 3.5, 8.0), "probs": PROBS}),
    Row("NegativeBinomial", {"total_count": _a(2.0, 3.5, 8.0), "logits": LOGITS}),
    Row("Poisson", {"rate": _a(0.4, 3.0, 25.0)}),
    Row("Categorical", {"probs": CLASSES}),
    Row("Categorical", {"logits": SCORES}),
    Row("OneHotCategorical", {"probs": CLASSES}),
    Row("OneHotCategorical", {"logits": SCORES}),
    Row("OneHotCategoricalStraightThrough", {"logits": SCORES}),
    Row("Multinomial", {"probs": CLASSES}, {"total_count": 7}),
    Row("Multinomial", {"logits": SCORES}, {"total_count": 7}),
    Row("RelaxedBernoulli", {**HALF, "probs": PROBS}),
    Row("RelaxedBernoulli", {**HALF, "logits": LOGITS}),
    Row("RelaxedOneHotCategorical", {**HALF, "probs": CLASSES}),
    Row("RelaxedOneHotCategorical", {**HALF, "logits": SCORES}),
]
