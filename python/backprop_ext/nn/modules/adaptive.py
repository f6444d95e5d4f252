"""A softmax over many classes, the rare ones in clusters."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from ... import _core
from ..._core import Tensor
from .. import functional as F
from .container import ModuleList, Sequential
from .linear import Linear
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...types import Device

__all__ = ["AdaptiveLogSoftmaxWithLoss"]


class _ASMoutput(NamedTuple):
    output: Tensor
    loss: Tensor


class AdaptiveLogSoftmaxWithLoss(Module):
    """log p(t) = log p(cluster of t) + log p(t | cluster), and the loss -mean log p(t).

    input (N, in_features) and target (N,), or one of each. Classes are sorted by frequency: those
    below cutoffs[0] are in the head; cluster i has in_features / div_value^(i + 1) features.
    Source: Grave et al., Efficient softmax approximation for GPUs, arXiv:1609.04309.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        rising = all(a < b for a, b in pairwise([0, *cutoffs, n_classes]))
        if not cutoffs or not rising or any(int(c) != c for c in cutoffs):
            raise ValueError(
                f"[AdaptiveLogSoftmaxWithLoss] cutoffs={cutoffs} should be a sequence of unique, "
                f"positive integers sorted in an increasing order, each between 1 and "
                f"n_classes-1={n_classes - 1}"
            )
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        kind: dict[str, Any] = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **kind)
        self.tail = ModuleList()
        for i in range(self.n_clusters):
            width = int(in_features // (div_value ** (i + 1)))
            size = self.cutoffs[i + 1] - self.cutoffs[i]
            self.tail.append(
                Sequential(
                    Linear(in_features, width, bias=False, **kind),
                    Linear(width, size, bias=False, **kind),
                )
            )

    def reset_parameters(self) -> None:
        """Draw all weights, in order."""
        self.head.reset_parameters()
        for cluster in self.tail:
            for layer in cluster.children():
                cast("Linear", layer).reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        single = input_.ndim == 1
        x = input_.unsqueeze(0) if single else input_
        target = target_.unsqueeze(0) if single else target_
        if target_.ndim not in (0, 1) or x.shape[0] != target.shape[0]:
            raise RuntimeError(
                f"[AdaptiveLogSoftmaxWithLoss] input of shape {tuple(input_.shape)} against target "
                f"of shape {tuple(target_.shape)}; Input and target should have the same size in "
                "the batch dimension"
            )
        low, high = int(target.min().item()), int(target.max().item())
        if low < 0 or high >= self.n_classes:
            raise RuntimeError(
                f"[AdaptiveLogSoftmaxWithLoss] target values should be in [0, "
                f"{self.n_classes - 1}], but values in range [{low}, {high}] were found"
            )
        head = F.log_softmax(self.head(x), 1)
        place = target
        log_p = _core.zeros(target.shape, dtype=head.dtype)
        for i, cluster in enumerate(self.tail):
            inside = (target >= self.cutoffs[i]) & (target < self.cutoffs[i + 1])
            if not bool(inside.any()):
                continue
            place = place.masked_fill(inside, self.shortlist_size + i)
            within = F.log_softmax(cluster(x[inside]), 1)
            chosen = target[inside] - self.cutoffs[i]
            log_p[inside] = within[_core.arange(chosen.numel()), chosen]
        log_p = log_p + head[_core.arange(place.numel()), place]
        loss = (-log_p).mean()
        return _ASMoutput(log_p.squeeze(0) if single else log_p, loss)

    def log_prob(self, input: Tensor) -> Tensor:
        """log p of every class: (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            place = self.shortlist_size + i
            parts.append(F.log_softmax(cluster(input), 1) + head[:, place : place + 1])
        return _core.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The likeliest class of each row: (N,)."""
        return self.log_prob(input).argmax(1)
