"""Lookups in a table of rows, one by one or summed up in bags."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ... import _core
from ..._checks import the_tensor
from ...autograd.grad_mode import no_grad
from .. import functional as F
from .. import init
from .._vision import embedding_bag
from ..parameter import Parameter
from .module import Module

if TYPE_CHECKING:
    from ..._core import Tensor
    from ...types import Device

__all__ = ["Embedding", "EmbeddingBag"]


class _Table(Module):
    """A weight (num_embeddings, embedding_dim), drawn from N(0, 1), its padding row 0."""

    weight: Parameter

    def _build(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None,
        given: Tensor | None,
        freeze: bool,
        factory: dict[str, Any],
    ) -> None:
        op = type(self).__name__
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        if padding_idx is not None:
            if padding_idx >= num_embeddings or padding_idx < -num_embeddings:
                raise AssertionError(
                    f"[{op}] padding_idx={padding_idx} is no row of {num_embeddings}; pass one"
                )
            padding_idx %= num_embeddings
        self.padding_idx = padding_idx
        shape = (num_embeddings, embedding_dim)
        if given is None:
            self.weight = Parameter(_core.empty(shape, **factory), requires_grad=not freeze)
            self.reset_parameters()
            return
        if tuple(given.shape) != shape:
            raise AssertionError(
                f"[{op}] the weight has shape {tuple(given.shape)}, the layer {shape}; "
                "make them equal"
            )
        self.weight = Parameter(given, requires_grad=not freeze)

    def reset_parameters(self) -> None:
        """Draw every row, then clear the padding row."""
        init.normal_(self.weight)
        if self.padding_idx is not None:
            with no_grad():
                self.weight[self.padding_idx].fill_(0)

    def _settings(self, **defaults: Any) -> list[str]:
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name, default in defaults.items():
            value = getattr(self, name)
            if value != default:
                parts.append(f"{name}={value!r}")
        return parts


def _check_rows(op: str, embeddings: Tensor) -> tuple[int, int]:
    if the_tensor("from_pretrained", embeddings).ndim != 2:
        raise AssertionError(
            f"[{op}] the embeddings have shape {tuple(embeddings.shape)}; expected two dimensions"
        )
    rows, width = embeddings.shape
    return rows, width


class Embedding(_Table):
    """y (..., embedding_dim) = rows of the weight at the indices x (...).

    The row padding_idx starts at 0 and gets no gradient; rows in use are shortened to max_norm.
    Raises AssertionError for a padding_idx that is no row.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
        _weight: Tensor | None = None,
        _freeze: bool = False,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        factory = {"device": device, "dtype": dtype}
        self._build(num_embeddings, embedding_dim, padding_idx, _weight, _freeze, factory)

    def forward(self, input: Tensor) -> Tensor:
        return F.embedding(
            input,
            self.weight,
            self.padding_idx,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.sparse,
        )

    def extra_repr(self) -> str:
        shown = self._settings(
            padding_idx=None,
            max_norm=None,
            norm_type=2.0,
            scale_grad_by_freq=False,
            sparse=False,
        )
        return ", ".join(shown)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        padding_idx: int | None = None,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        sparse: bool = False,
    ) -> Embedding:
        """A layer on given rows (rows, width), which are not trained while `freeze`."""
        rows, width = _check_rows("Embedding.from_pretrained", embeddings)
        options = (padding_idx, max_norm, norm_type, scale_grad_by_freq, sparse)
        return cls(rows, width, *options, _weight=embeddings, _freeze=freeze)


class EmbeddingBag(_Table):
    """y (bags, embedding_dim) = sums, means or maxima of rows of the weight.

    Bags are the rows of x (bags, n), or begin at `offsets` (bags) in x (n). per_sample_weights
    scale the rows of sums.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        _weight: Tensor | None = None,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.mode, self.include_last_offset = mode, include_last_offset
        factory = {"device": device, "dtype": dtype}
        self._build(num_embeddings, embedding_dim, padding_idx, _weight, False, factory)

    def forward(
        self,
        input: Tensor,
        offsets: Tensor | None = None,
        per_sample_weights: Tensor | None = None,
    ) -> Tensor:
        return embedding_bag(
            input,
            self.weight,
            offsets,
            self.max_norm,
            self.norm_type,
            self.scale_grad_by_freq,
            self.mode,
            self.sparse,
            per_sample_weights,
            self.include_last_offset,
            self.padding_idx,
        )

    def extra_repr(self) -> str:
        shown = self._settings(max_norm=None, norm_type=2.0, scale_grad_by_freq=False, mode=None)
        if self.padding_idx is not None:
            shown.append(f"padding_idx={self.padding_idx}")
        return ", ".join(shown)

    @classmethod
    def from_pretrained(
        cls,
        embeddings: Tensor,
        freeze: bool = True,
        max_norm: float | None = None,
        norm_type: float = 2.0,
        scale_grad_by_freq: bool = False,
        mode: str = "mean",
        sparse: bool = False,
        include_last_offset: bool = False,
        padding_idx: int | None = None,
    ) -> EmbeddingBag:
        """A layer on given rows (rows, width), which are not trained while `freeze`."""
        rows, width = _check_rows("EmbeddingBag.from_pretrained", embeddings)
        options = (max_norm, norm_type, scale_grad_by_freq, mode, sparse)
        layer = cls(rows, width, *options, embeddings, include_last_offset, padding_idx)
        layer.weight.requires_grad = not freeze
        return layer
