"""Observers: modules that hand on what they are given and remember which range it has.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections import OrderedDict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final

import numpy as np

from .. import _core
from .._core import float16, float32, qint8, qint32, quint4x2, quint8
from .._quantized import (
    per_channel_affine,
    per_channel_affine_float_qparams,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
)
from .._switches import iinfo
from ..nn.modules.module import Module

if TYPE_CHECKING:
    from .._core import Tensor
    from .._quantized import qscheme as QScheme


_EPS: Final = 2.0**-23
_PER_TENSOR: Final = (per_tensor_affine, per_tensor_symmetric)
_PER_CHANNEL: Final = (per_channel_affine, per_channel_symmetric, per_channel_affine_float_qparams)
_DTYPES: Final = (qint8, quint8, qint32, quint4x2, *map(_core.__dict__.get, ("int8", "uint8")))


class _PartialWrapper:
    """A class with arguments, and with others that are made by functions at each call."""

    def __init__(self, p: Any) -> None:
        self.p = p
        self.callable_args: dict[str, Any] = {}

    def __call__(self, *args: Any, **keywords: Any) -> Any:
        made = {name: make() for name, make in self.callable_args.items() if name not in keywords}
        return self.p(*args, **keywords, **made)

    def __repr__(self) -> str:
        return repr(self.p) + repr(self.callable_args)

    def with_args(self, **kwargs: Any) -> _PartialWrapper:
        return _with_args(self, **kwargs)

    def with_callable_args(self, **kwargs: Any) -> _PartialWrapper:
        result = _PartialWrapper(self.p)
        result.callable_args = {**self.callable_args, **kwargs}
        return result


def _with_args(cls_or_self: Any, /, **kwargs: Any) -> _PartialWrapper:
    return _PartialWrapper(partial(cls_or_self, **kwargs))


def _with_callable_args(cls_or_self: Any, /, **kwargs: Any) -> _PartialWrapper:
    return _PartialWrapper(partial(cls_or_self)).with_callable_args(**kwargs)


class ObserverBase(ABC, Module):
    """What observers have: forward(x) returns x, calculate_qparams() (scale, zero_point)."""

    def __init__(self, dtype: Any, is_dynamic: bool = False) -> None:
        super().__init__()
        self.dtype, self.is_dynamic = dtype, is_dynamic

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The input, observed."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """(scale, zero_point)."""

    with_args = classmethod(_with_args)
    with_callable_args = classmethod(_with_callable_args)


def _range(op: str, low: Any, high: Any, dtype: Any, halved: bool) -> tuple[int, int]:
    if low is None or high is None:
        if dtype is quint4x2:
            return 0, 15
        limits = iinfo(dtype)
        low, high = limits.min, limits.max
    elif not low <= 0 <= high or low == high:
        raise AssertionError(f"[{op}] quant_min={low}, quant_max={high}; 0 must lie between them")
    elif dtype in (qint8, _core.int8) and high - low > 255:
        raise AssertionError(f"[{op}] quant_min={low}, quant_max={high} are more than 256 levels")
    return (low // 2, high // 2) if halved and dtype is not qint32 else (low, high)


class UniformQuantizationObserverBase(ObserverBase):
    """An observer of evenly spaced levels quant_min to quant_max, all those of dtype by default.

    Raises NotImplementedError for a qscheme that the observer does not know.
    """

    _version = 3
    _schemes: ClassVar[tuple[QScheme, ...]] = (*_PER_TENSOR, *_PER_CHANNEL)
    _dynamic = True  # whether it may stand for a range that is taken anew from each input
    eps: Tensor
    min_val: Tensor
    max_val: Tensor
    ch_axis: int

    def __init__(
        self,
        dtype: Any = quint8,
        qscheme: QScheme | None = None,
        reduce_range: bool = False,
        quant_min: int | None = None,
        quant_max: int | None = None,
        factory_kwargs: dict[str, Any] | None = None,
        eps: float = _EPS,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype, is_dynamic)
        op = type(self).__name__
        self.qscheme = self._schemes[0] if qscheme is None else qscheme
        if self.qscheme not in self._schemes:
            raise NotImplementedError(f"[{op}] {qscheme=}; take one of {self._schemes}")
        if dtype not in _DTYPES:
            raise AssertionError(f"[{op}] {dtype=}; take one of {_DTYPES}")
        if is_dynamic and not (self._dynamic and getattr(self, "averaging_constant", 1) == 1):
            raise NotImplementedError(
                f"[{op}] is_dynamic=True of what averages; take MovingAverageMinMaxObserver with "
                "averaging_constant=1"
            )
        if reduce_range:
            warnings.warn(f"[{op}] reduce_range; use quant_min and quant_max", stacklevel=3)
        self.reduce_range = reduce_range
        factory = factory_kwargs or {}
        self.register_buffer("eps", _core.tensor([eps], **factory))
        for name, start in (("min_val", float("inf")), ("max_val", float("-inf"))):
            value: Any = [] if self._schemes == _PER_CHANNEL else start
            self.register_buffer(name, _core.tensor(value, **factory))
        self.has_customized_qrange = quant_min is not None and quant_max is not None
        self.quant_min, self.quant_max = _range(op, quant_min, quant_max, dtype, reduce_range)

    def _extremes(self, x: Tensor) -> Any:
        """The extremes, of each channel where there are channels."""
        x = x.to(self.min_val.dtype)
        if self._schemes == _PER_CHANNEL:
            return _core.aminmax(x.transpose(0, self.ch_axis).flatten(1), dim=1)
        return _core.aminmax(x)

    def _unseen(self) -> bool:
        if self.min_val.dim():
            return not self.min_val.numel()
        return (self.min_val.item(), self.max_val.item()) == (float("inf"), float("-inf"))

    def _keep(self, low: Tensor, high: Tensor) -> None:
        for held, new in ((self.min_val, low), (self.max_val, high)):
            held.resize_(new.shape).copy_(new)

    def _merged(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        """The extremes so far and those of another input in one."""
        return _core.minimum(self.min_val, low), _core.maximum(self.max_val, high)

    def forward(self, x_orig: Tensor) -> Tensor:
        if x_orig.numel():
            now = self._extremes(x_orig.detach())
            self._keep(*(now if self._unseen() else self._merged(*now)))
        return x_orig

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero_point), one for each channel."""
        return self._calculate_qparams(self.min_val, self.max_val)

    def _calculate_qparams(self, min_val: Tensor, max_val: Tensor) -> tuple[Tensor, Tensor]:
        if self._unseen():
            warnings.warn(
                "must run observer before calling calculate_qparams. Returning default values.",
                stacklevel=2,
            )
            return _core.tensor([1.0]), _core.tensor([0])
        if (min_val > max_val).any():
            raise AssertionError(f"[calculate_qparams] {min_val=} is above {max_val=}; reset them")
        low, high, steps = (
            min_val.clamp(max=0),
            max_val.clamp(min=0),
            self.quant_max - self.quant_min,
        )
        if self.qscheme in (per_tensor_symmetric, per_channel_symmetric):
            scale = _core.maximum(_core.maximum(-low, high) / (steps / 2), self.eps)
            middle = (self.quant_min + self.quant_max) // 2 if self.has_customized_qrange else 128
            zero = middle if self.dtype in (quint8, _core.uint8) else 0
            zero_point = _core.full(scale.shape, zero, dtype=_core.int64)
        elif self.qscheme is per_channel_affine_float_qparams:
            scale = (max_val - min_val) / steps
            scale = _core.where(scale > self.eps, scale, _core.ones_like(scale))
            zero_point = -1 * min_val / scale
        else:
            scale = _core.maximum((high - low) / steps, self.eps)
            zero_point = self.quant_min - (low / scale).round().to(_core.int32)
            zero_point = zero_point.clamp(self.quant_min, self.quant_max)
        return scale.reshape(-1), zero_point.reshape(-1)

    def reset_min_max_vals(self) -> None:
        """Forget what was observed."""
        if self.min_val.dim():
            self.min_val, self.max_val = _core.rand(0), _core.rand(0)
        else:
            self._keep(_core.tensor(float("inf")), _core.tensor(float("-inf")))

    def extra_repr(self) -> str:
        return f"min_val={self.min_val}, max_val={self.max_val}"

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any, **named: Any
    ) -> None:
        if (local_metadata.get("version") or 1) < 2:  # files from before eps was kept
            state_dict.setdefault(prefix + "eps", _core.tensor([_EPS]))
        _resize(self, ("min_val", "max_val"), state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest, **named)


def _resize(module: Module, names: tuple[str, ...], state: Any, prefix: str) -> None:
    """Give buffers the shapes of those in a state, which are known only after a first input."""
    for name in names:
        if prefix + name in state:
            getattr(module, name).resize_(state[prefix + name].shape)


_ObserverBase = UniformQuantizationObserverBase


class MinMaxObserver(UniformQuantizationObserverBase):
    """The range is that of all inputs: scale = (max - min) / (quant_max - quant_min)."""

    _schemes = _PER_TENSOR


class MovingAverageMinMaxObserver(MinMaxObserver):
    """min += c (min(x) - min), and max alike, c the averaging_constant."""

    def __init__(self, averaging_constant: float = 0.01, *args: Any, **kwargs: Any) -> None:
        self.__dict__["averaging_constant"] = averaging_constant
        super().__init__(*args, **kwargs)

    def _merged(self, low: Tensor, high: Tensor) -> tuple[Tensor, Tensor]:
        rate = self.averaging_constant  # type: ignore[attr-defined]
        old, most = self.min_val, self.max_val
        return old + rate * (low - old), most + rate * (high - most)


class PerChannelMinMaxObserver(UniformQuantizationObserverBase):
    """A range for each index of dimension ch_axis."""

    _schemes, _dynamic = _PER_CHANNEL, False

    def __init__(self, ch_axis: int = 0, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.ch_axis = ch_axis


class MovingAveragePerChannelMinMaxObserver(PerChannelMinMaxObserver):
    """A moving average of the range for each index of dimension ch_axis."""

    _merged = MovingAverageMinMaxObserver._merged

    def __init__(self, averaging_constant: float = 0.01, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.averaging_constant = averaging_constant


class FixedQParamsObserver(ObserverBase):
    """A scale and a zero_point that are known beforehand."""

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self,
        scale: float,
        zero_point: int,
        dtype: Any = quint8,
        qscheme: QScheme = per_tensor_affine,
        quant_min: int = 0,
        quant_max: int = 255,
        is_dynamic: bool = False,
    ) -> None:
        if is_dynamic:
            raise NotImplementedError(
                "[FixedQParamsObserver] is_dynamic=True; what is fixed is not"
            )
        super().__init__(dtype)
        self.qscheme, self.quant_min, self.quant_max = qscheme, quant_min, quant_max
        self.register_buffer("scale", _core.tensor([scale], dtype=float32))
        self.register_buffer("zero_point", _core.tensor([zero_point], dtype=_core.int32))

    def forward(self, x: Tensor) -> Tensor:
        return x

    def calculate_qparams(self, **kwargs: Any) -> tuple[Tensor, Tensor]:
        """(scale, zero_point)."""
        return self.scale, self.zero_point


class _Unobserved(ObserverBase):
    def forward(self, x: Tensor) -> Tensor:
        return x

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """Raises Exception: nothing was observed."""
        raise Exception(
            f"[calculate_qparams] a {type(self).__name__} knows no range; take a MinMaxObserver"
        )


class PlaceholderObserver(_Unobserved):
    """Only carries settings, such as dtype=torch.float16 or is_dynamic=True."""

    def __init__(
        self,
        dtype: Any = float32,
        custom_op_name: str = "",
        compute_dtype: Any = None,
        quant_min: int | None = None,
        quant_max: int | None = None,
        qscheme: QScheme | None = None,
        eps: float | None = None,
        is_dynamic: bool = False,
    ) -> None:
        super().__init__(dtype, is_dynamic)
        self.qscheme, self.eps = qscheme or per_tensor_affine, eps or _EPS
        self.quant_min, self.quant_max, self.custom_op = quant_min, quant_max, custom_op_name
        if compute_dtype:
            warnings.warn("[PlaceholderObserver] compute_dtype; use is_dynamic", stacklevel=2)

    def extra_repr(self) -> str:
        return f"dtype={self.dtype}, is_dynamic={self.is_dynamic}"


class RecordingObserver(_Unobserved):
    """Keeps a copy of each input."""

    def __init__(self, dtype: Any = quint8) -> None:
        super().__init__(dtype)
        self.tensor_val: list[Tensor] = []

    def forward(self, x: Tensor) -> Tensor:
        self.tensor_val.append(x.clone())
        return x

    def get_tensor_value(self) -> list[Tensor]:
        """The inputs."""
        return self.tensor_val


class NoopObserver(_Unobserved):
    """Only carries a dtype."""

    def __init__(self, dtype: Any = float16, custom_op_name: str = "") -> None:
        super().__init__(dtype)
        self.custom_op = custom_op_name


class ReuseInputObserver(_Unobserved):
    """Says that the output has the range of the input."""

    def __init__(self) -> None:
        super().__init__(quint8)


def get_observer_state_dict(mod: Module) -> Any:
    """The part of the state_dict that observers of activations hold."""
    state = mod.state_dict()
    found: Any = OrderedDict((k, v) for k, v in state.items() if "activation_post_process" in k)
    found._metadata = state._metadata  # type: ignore[attr-defined]
    return found


def load_observer_state_dict(mod: Module, obs_dict: Any) -> None:
    """Put it back. Raises Exception where keys are missing."""
    missing: list[str] = []
    unexpected: list[str] = []
    for name, module in mod.named_modules():
        if isinstance(module, ObserverBase) or hasattr(module, "fake_quant_enabled"):
            module._load_from_state_dict(
                obs_dict, f"{name}.", {"version": 3}, False, missing, unexpected, []
            )
    if keys := [k for k in missing if "activation_post_process" in k]:
        raise Exception(
            f"[load_observer_state_dict] {keys} are missing; load what get_observer_state_dict gave"
        )


_FINER = 16  # what a histogram is divided by before it is dealt out to other bins
_STEP = 1e-5


class HistogramObserver(UniformQuantizationObserverBase):
    """A histogram of all inputs; the range leaves out the ends where that lessens the L2 error."""

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


_weights = {"dtype": qint8, "qscheme": per_tensor_symmetric}
_channels = {"dtype": qint8, "qscheme": per_channel_symmetric}
_narrow = {"quant_min": -127, "quant_max": 127, "eps": 2**-12}
_rows = {"qscheme": per_channel_affine_float_qparams, "ch_axis": 0}
_bytes = {"dtype": quint8, "quant_min": 0, "quant_max": 255}
default_observer = MinMaxObserver.with_args(quant_min=0, quant_max=127)
default_placeholder_observer = PlaceholderObserver
default_debug_observer = RecordingObserver
default_weight_observer = MinMaxObserver.with_args(**_weights)
weight_observer_range_neg_127_to_127 = MinMaxObserver.with_args(**_weights, **_narrow)
default_histogram_observer = HistogramObserver.with_args(quant_min=0, quant_max=127)
default_per_channel_weight_observer = PerChannelMinMaxObserver.with_args(**_channels)
per_channel_weight_observer_range_neg_127_to_127 = PerChannelMinMaxObserver.with_args(
    **_channels, **_narrow
)
default_dynamic_quant_observer = PlaceholderObserver.with_args(**_bytes, is_dynamic=True)
default_float_qparams_observer = PerChannelMinMaxObserver.with_args(dtype=quint8, **_rows)
default_float_qparams_observer_4bit = PerChannelMinMaxObserver.with_args(dtype=quint4x2, **_rows)
default_fixed_qparams_range_neg1to1_observer = FixedQParamsObserver.with_args(
    scale=2.0 / 256.0, zero_point=128, **_bytes
)
default_fixed_qparams_range_0to1_observer = FixedQParamsObserver.with_args(
    scale=1.0 / 256.0, zero_point=0, **_bytes
)
default_symmetric_fixed_qparams_observer = default_fixed_qparams_range_neg1to1_observer
default_affine_fixed_qparams_observer = default_fixed_qparams_range_0to1_observer
default_reuse_input_observer = ReuseInputObserver
