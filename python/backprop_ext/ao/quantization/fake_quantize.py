"""Modules that observe, and round as a quantized tensor would be, for training.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from ... import _core
from ..._core import float32, int32, qint8, quint4x2, quint8, uint8
from ..._fake_quantize import (
    fake_quantize_per_channel_affine,
    fake_quantize_per_tensor_affine,
    fused_moving_avg_obs_fake_quant,
)
from ..._quantized import (
    per_channel_affine_float_qparams,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
)
from ..._switches import iinfo
from ...nn.modules.module import Module
from .observer import (
    _PER_TENSOR,
    FixedQParamsObserver,
    HistogramObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    _PartialWrapper,
    _with_args,
    default_fixed_qparams_range_0to1_observer,
    default_fixed_qparams_range_neg1to1_observer,
    resize,
)

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = [
    "FakeQuantize",
    "FakeQuantizeBase",
    "FixedQParamsFakeQuantize",
    "FusedMovingAvgObsFakeQuantize",
    "default_affine_fixed_qparams_fake_quant",
    "default_dynamic_fake_quant",
    "default_embedding_fake_quant",
    "default_embedding_fake_quant_4bit",
    "default_fake_quant",
    "default_fixed_qparams_range_0to1_fake_quant",
    "default_fixed_qparams_range_neg1to1_fake_quant",
    "default_fused_act_fake_quant",
    "default_fused_per_channel_wt_fake_quant",
    "default_fused_wt_fake_quant",
    "default_histogram_fake_quant",
    "default_per_channel_weight_fake_quant",
    "default_symmetric_fixed_qparams_fake_quant",
    "default_weight_fake_quant",
    "disable_fake_quant",
    "disable_observer",
    "enable_fake_quant",
    "enable_observer",
    "fused_per_channel_wt_fake_quant_range_neg_127_to_127",
    "fused_wt_fake_quant_range_neg_127_to_127",
]


class FakeQuantizeBase(ABC, Module):
    """Rounding and observing, each of which can be switched off."""

    fake_quant_enabled: Tensor
    observer_enabled: Tensor

    def __init__(self) -> None:
        super().__init__()
        self._switches(uint8)

    def _switches(self, dtype: Any) -> None:
        for name in ("fake_quant_enabled", "observer_enabled"):
            self.register_buffer(name, _core.tensor([1], dtype=dtype))

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """The input rounded."""

    @abstractmethod
    def calculate_qparams(self, **kwargs: Any) -> Any:
        """(scale, zero_point)."""

    def enable_fake_quant(self, enabled: bool = True) -> None:
        """Round from now on, or not."""
        self.fake_quant_enabled[0] = int(enabled)

    def disable_fake_quant(self) -> None:
        """Round no more."""
        self.enable_fake_quant(False)

    def enable_observer(self, enabled: bool = True) -> None:
        """Observe from now on, or not."""
        self.observer_enabled[0] = int(enabled)

    def disable_observer(self) -> None:
        """Observe no more."""
        self.enable_observer(False)

    with_args = classmethod(_with_args)


class FakeQuantize(FakeQuantizeBase):
    """(clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) scale.

    scale and zero_point are those of the observer. Raises AssertionError for a range that its
    dtype does not hold.
    """

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int | None = None,
        quant_max: int | None = None,
        is_dynamic: bool = False,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__()
        if quant_min is not None and quant_max is not None:
            dtype = observer_kwargs.get("dtype", quint8)
            if isinstance(observer, _PartialWrapper):
                dtype = getattr(observer.p, "keywords", {}).get("dtype", dtype)
            limits = iinfo(dtype)
            if not limits.min <= quant_min <= quant_max <= limits.max:
                raise AssertionError(
                    f"[{type(self).__name__}] {quant_min=} and {quant_max=}; take numbers between "
                    f"{limits.min} and {limits.max}, in order"
                )
            observer_kwargs.update(quant_min=quant_min, quant_max=quant_max)
        made = observer(**observer_kwargs, is_dynamic=is_dynamic)
        self.activation_post_process = made
        self.quant_min, self.quant_max = made.quant_min, made.quant_max
        self.is_dynamic, self.dtype, self.qscheme = made.is_dynamic, made.dtype, made.qscheme
        kind = float32 if self.qscheme is per_channel_affine_float_qparams else int32
        self.register_buffer("scale", _core.tensor([1.0], dtype=float32))
        self.register_buffer("zero_point", _core.tensor([0], dtype=kind))
        self.ch_axis = getattr(made, "ch_axis", -1)
        self.is_per_channel = self.qscheme not in _PER_TENSOR

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """(scale, zero_point) of what was observed."""
        return self.activation_post_process.calculate_qparams()

    def forward(self, X: Tensor) -> Tensor:
        observer = self.activation_post_process
        if self.observer_enabled[0] == 1:
            observer(X.detach())
            found = self.calculate_qparams()
            for held, new in zip((self.scale, self.zero_point), found, strict=True):
                held.resize_(new.shape).copy_(new)
        if self.fake_quant_enabled[0] != 1:
            return X
        ends = (observer.quant_min, observer.quant_max)
        if self.is_per_channel:
            return fake_quantize_per_channel_affine(
                X, self.scale, self.zero_point, self.ch_axis, *ends
            )
        return fake_quantize_per_tensor_affine(X, self.scale, self.zero_point, *ends)

    # What is printed, in PyTorch's order.
    _shown: tuple[str, ...] = (
        "quant_min",
        "quant_max",
        "dtype",
        "qscheme",
        "ch_axis",
        "scale",
        "zero_point",
    )

    def extra_repr(self) -> str:
        names = ("fake_quant_enabled", "observer_enabled", *self._shown)
        held = [getattr(self, n, getattr(self.activation_post_process, n, None)) for n in names]
        return ", ".join(f"{name}={value}" for name, value in zip(names, held, strict=True))

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any, **named: Any) -> None:
        resize(self, ("scale", "zero_point"), state_dict, prefix)
        super()._load_from_state_dict(state_dict, prefix, *rest, **named)


class FixedQParamsFakeQuantize(FakeQuantize):
    """Rounding by a scale and a zero_point that are known beforehand."""

    _shown = ("scale", "zero_point", "dtype", "quant_min", "quant_max", "qscheme")

    def __init__(self, observer: Any) -> None:
        super().__init__(observer)
        if type(self.activation_post_process) is not FixedQParamsObserver:
            raise AssertionError(
                f"[FixedQParamsFakeQuantize] {observer=}; take one of FixedQParamsObserver"
            )
        self._observer_ctr = observer
        self.scale = self.activation_post_process.scale
        self.zero_point = self.activation_post_process.zero_point

    def calculate_qparams(self, **kwargs: Any) -> Any:
        """(scale, zero_point)."""
        return self.scale, self.zero_point


class FusedMovingAvgObsFakeQuantize(FakeQuantize):
    """FakeQuantize by moving averages of the extremes, in one step."""

    _shown = (
        "scale", "zero_point", "dtype", "quant_min", "quant_max", "qscheme", "reduce_range"
    )  # fmt: skip

    def __init__(
        self,
        observer: Any = MovingAverageMinMaxObserver,
        quant_min: int = 0,
        quant_max: int = 255,
        **observer_kwargs: Any,
    ) -> None:
        super().__init__(observer, quant_min, quant_max, **observer_kwargs)
        kinds = (MovingAverageMinMaxObserver, MovingAveragePerChannelMinMaxObserver)
        if not isinstance(self.activation_post_process, kinds):
            raise AssertionError(
                f"[FusedMovingAvgObsFakeQuantize] {observer=}; take one that averages, "
                "MovingAverageMinMaxObserver"
            )
        self._switches(_core.int64)
        self.is_symmetric_quant = self.qscheme in (per_tensor_symmetric, per_channel_symmetric)

    def forward(self, X: Tensor) -> Tensor:
        observer = self.activation_post_process
        return fused_moving_avg_obs_fake_quant(
            X,
            self.observer_enabled,
            self.fake_quant_enabled,
            observer.min_val,
            observer.max_val,
            self.scale,
            self.zero_point,
            observer.averaging_constant,
            observer.quant_min,
            observer.quant_max,
            self.ch_axis,
            self.is_per_channel,
            self.is_symmetric_quant,
        )


_average: dict[str, Any] = {"observer": MovingAverageMinMaxObserver}
_channels: dict[str, Any] = {"observer": MovingAveragePerChannelMinMaxObserver}
_bytes: dict[str, Any] = {"quant_min": 0, "quant_max": 255, "dtype": quint8}
_signed: dict[str, Any] = {"quant_min": -128, "quant_max": 127, "dtype": qint8}
_narrow: dict[str, Any] = {"quant_min": -127, "quant_max": 127, "dtype": qint8}
_one: dict[str, Any] = {"qscheme": per_tensor_symmetric}
_each: dict[str, Any] = {"qscheme": per_channel_symmetric}
_rows: dict[str, Any] = {"qscheme": per_channel_affine_float_qparams, "ch_axis": 0}
default_fake_quant = FakeQuantize.with_args(
    **_average, **_bytes, qscheme=per_tensor_affine, reduce_range=True
)
default_weight_fake_quant = FakeQuantize.with_args(
    **_average, **_signed, **_one, reduce_range=False
)
default_dynamic_fake_quant = FakeQuantize.with_args(
    **_average, quant_min=0, quant_max=255, is_dynamic=True, dtype=quint8, averaging_constant=1
)
default_fixed_qparams_range_neg1to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=default_fixed_qparams_range_neg1to1_observer
)
default_fixed_qparams_range_0to1_fake_quant = FixedQParamsFakeQuantize.with_args(
    observer=default_fixed_qparams_range_0to1_observer
)
default_symmetric_fixed_qparams_fake_quant = default_fixed_qparams_range_neg1to1_fake_quant
default_affine_fixed_qparams_fake_quant = default_fixed_qparams_range_0to1_fake_quant
default_per_channel_weight_fake_quant = FakeQuantize.with_args(
    **_channels, **_signed, **_each, reduce_range=False, ch_axis=0
)
default_embedding_fake_quant = FakeQuantize.with_args(
    **_channels,
    qscheme=per_channel_affine_float_qparams,
    **{"dtype": quint8, "quant_min": 0, "quant_max": 255},
    ch_axis=0,
    averaging_constant=1,
)
default_embedding_fake_quant_4bit = FakeQuantize.with_args(
    **_channels, **_rows, dtype=quint4x2, averaging_constant=1
)
default_histogram_fake_quant = FakeQuantize.with_args(
    observer=HistogramObserver, **_bytes, qscheme=per_tensor_affine, reduce_range=True
)
default_fused_act_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(**_average, **_bytes)
default_fused_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(**_average, **_signed, **_one)
default_fused_per_channel_wt_fake_quant = FusedMovingAvgObsFakeQuantize.with_args(
    **_channels, **_signed, **_each
)
fused_wt_fake_quant_range_neg_127_to_127 = FusedMovingAvgObsFakeQuantize.with_args(
    **_average, **_narrow, **_one, eps=2**-12
)
fused_per_channel_wt_fake_quant_range_neg_127_to_127 = FusedMovingAvgObsFakeQuantize.with_args(
    **_channels, **_narrow, **_each, eps=2**-12
)


def disable_fake_quant(mod: Module) -> None:
    """Round no more, for `model.apply`."""
    if isinstance(mod, FakeQuantizeBase):
        mod.disable_fake_quant()


def enable_fake_quant(mod: Module) -> None:
    """Round from now on, for `model.apply`."""
    if isinstance(mod, FakeQuantizeBase):
        mod.enable_fake_quant()


def disable_observer(mod: Module) -> None:
    """Observe no more, for `model.apply`."""
    if isinstance(mod, FakeQuantizeBase):
        mod.disable_observer()


def enable_observer(mod: Module) -> None:
    """Observe from now on, for `model.apply`."""
    if isinstance(mod, FakeQuantizeBase):
        mod.enable_observer()
