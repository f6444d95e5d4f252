"""The observer that looks for the range with the least error of rounding."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from ... import _core
from ..._switches import iinfo
from .observer import _PER_TENSOR, UniformQuantizationObserverBase

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["HistogramObserver"]

_FINER = 16  # what a histogram is divided by before it is dealt out to other bins
_STEP = 1e-5


class HistogramObserver(UniformQuantizationObserverBase):
    """A histogram of all inputs; the range leaves out the ends where that lessens the L2 error."""

    __module__ = f"{__package__}.observer"
    _schemes, _dynamic = _PER_TENSOR, False
    histogram: Tensor

    def __init__(self, bins: int = 2048, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # The buffers in PyTorch's order.
        low, high = self.min_val, self.max_val
        del self.min_val, self.max_val
        self.bins = bins
        factory = kwargs.get("factory_kwargs") or {}
        self.register_buffer("histogram", _core.zeros(bins, **factory))
        self.register_buffer("min_val", low)
        self.register_buffer("max_val", high)
        self.dst_nbins = 2 ** iinfo(self.dtype).bits
        self.upsample_rate = _FINER

    def forward(self, x_orig: Tensor) -> Tensor:
        x = x_orig.detach()
        if x.isinf().any():
            warnings.warn("torch.inf detected in input tensor, ignoring input", stacklevel=2)
            x = x[~x.isinf()]
        if not x.numel():
            return x_orig
        now = _core.aminmax(x)
        ends = now if self._unseen() else self._merged(*now)
        low, high = (end.item() for end in ends)
        counts = _core.histc(x, self.bins, min=low, max=high)
        if not self._unseen():
            counts = self._moved(low, high) + counts
        self.histogram.copy_(counts)
        self._keep(*ends)
        return x_orig

    def _moved(self, low: float, high: float) -> Tensor:
        """The histogram so far over the bins of another range."""
        old, first, last = self.histogram, self.min_val.item(), self.max_val.item()
        if (first, last) == (low, high):
            return old
        if first == last:
            return _core.histc(self.min_val, self.bins, min=low, max=high) * old.sum()
        pieces = self.bins * _FINER
        width = (self.max_val - self.min_val) / pieces
        middles = _core.linspace(first, last, pieces + 1)[:-1] + 0.5 * width
        edges = _core.linspace(low, high, self.bins + 1)
        bins = (_core.bucketize(middles, edges, right=True) - 1).clamp(0, self.bins - 1)
        shares = old.repeat_interleave(_FINER) / _FINER
        return _core.bincount(bins, weights=shares, minlength=self.bins)

    def _error(self, first: int, last: int) -> float:
        """The sum of squares of what rounding to the levels of bins first to last does."""
        width = (self.max_val.item() - self.min_val.item()) / self.bins
        wide = width * (last - first + 1) / self.dst_nbins
        if wide == 0.0:
            return 0.0
        begin = (_core.arange(self.bins) - first) * width
        end = begin + width
        top = self.dst_nbins - 1
        of_begin, of_end = (
            _core.div(t, wide, rounding_mode="floor").clamp(0, top) for t in (begin, end)
        )
        density = self.histogram / width

        def norm(a: Any, b: Any) -> Tensor:
            return density * ((b * b * b - a * a * a) / 3)  # type: ignore[no-any-return]

        half = _core.tensor(wide / 2)
        total = norm(begin - (of_begin + 0.5) * wide, half)
        total = total + (of_end - of_begin - 1) * norm(-half, half)
        total = total + norm(-half, end - (of_end * wide + wide / 2))
        return float(total.sum().item())

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero_point)."""
        if self._unseen():
            return self._calculate_qparams(self.min_val, self.max_val)
        sums = self.histogram.cumsum(0).numpy()
        total = self.histogram.sum().item()
        alpha, beta, first, last, least = 0.0, 1.0, 0, self.bins - 1, float("inf")
        while alpha < beta:
            left, right = first, last
            low, high = np.float32((alpha + _STEP) * total), np.float32((beta - _STEP) * total)
            while left < last and sums[left] < low:
                left += 1
            while right > first and sums[right] > high:
                right -= 1
            if left - first > last - right:
                next_first, next_last, alpha = left, last, alpha + _STEP
            else:
                next_first, next_last, beta = first, right, beta - _STEP
            if (next_first, next_last) == (first, last):
                continue
            if (error := self._error(next_first, next_last)) > least:
                break
            least, first, last = error, next_first, next_last
        width = (self.max_val - self.min_val) / self.bins
        low, high = self.min_val + width * first, self.min_val + width * (last + 1)
        return self._calculate_qparams(low, high)
