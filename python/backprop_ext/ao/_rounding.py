"""Modules that observe, and round as a quantized tensor would be, for training.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import namedtuple
from typing import TYPE_CHECKING, Any, Final

from .. import _core
from .._core import float16, float32, int32, qint8, quint4x2, quint8, uint8
from .._fake_quantize import (
    fake_quantize_per_channel_affine,
    fake_quantize_per_tensor_affine,
    fused_moving_avg_obs_fake_quant,
)
from .._quantized import (
    per_channel_affine_float_qparams,
    per_channel_symmetric,
    per_tensor_affine,
    per_tensor_symmetric,
)
from .._switches import iinfo
from ..nn.modules.linear import Identity
from ..nn.modules.module import Module
from . import _observers as ob
from ._observers import (
    _PER_TENSOR,
    FixedQParamsObserver,
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    MovingAveragePerChannelMinMaxObserver,
    NoopObserver,
    PlaceholderObserver,
    _PartialWrapper,
    _resize,
    _with_args,
    default_fixed_qparams_range_0to1_observer,
    default_fixed_qparams_range_neg1to1_observer,
)

if TYPE_CHECKING:
    from .._core import Tensor


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
        _resize(self, ("scale", "zero_point"), state_dict, prefix)
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


class QConfig(namedtuple("QConfig", ["activation", "weight"])):
    """Classes of observers, or what makes them (`with_args`). ValueError for observers."""

    __slots__ = ()

    def __new__(cls, activation: Any, weight: Any) -> QConfig:
        if isinstance(activation, Module) or isinstance(weight, Module):
            raise ValueError(
                f"[QConfig] {activation=}, {weight=}; pass classes, MinMaxObserver.with_args(...)"
            )
        return super().__new__(cls, activation, weight)


QConfigAny = QConfig | None

_half, _float = ({"dtype": dtype} for dtype in (float16, float32))
_wide: Final[dict[str, Any]] = {"dtype": qint8, "reduce_range": False, "eps": 2**-12}
_act: Final[dict[str, Any]] = {
    "observer": MovingAverageMinMaxObserver,
    "quant_min": 0,
    "quant_max": 255,
}
default_qconfig = QConfig(ob.default_observer, ob.default_weight_observer)
default_debug_qconfig = QConfig(ob.default_debug_observer, ob.default_weight_observer)
default_per_channel_qconfig = QConfig(ob.default_observer, ob.default_per_channel_weight_observer)
default_dynamic_qconfig = QConfig(ob.default_dynamic_quant_observer, ob.default_weight_observer)
float16_dynamic_qconfig = QConfig(
    PlaceholderObserver.with_args(**_half, is_dynamic=True), PlaceholderObserver.with_args(**_half)
)
float16_static_qconfig = QConfig(*(PlaceholderObserver.with_args(**_half) for _ in range(2)))
per_channel_dynamic_qconfig = QConfig(
    ob.default_dynamic_quant_observer, ob.default_per_channel_weight_observer
)
float_qparams_weight_only_qconfig = QConfig(
    ob.default_placeholder_observer, ob.default_float_qparams_observer
)
float_qparams_weight_only_qconfig_4bit = QConfig(
    ob.default_placeholder_observer, ob.default_float_qparams_observer_4bit
)
default_qat_qconfig = QConfig(default_fake_quant, default_weight_fake_quant)
default_dynamic_qat_qconfig = QConfig(default_dynamic_fake_quant, default_weight_fake_quant)
default_weight_only_qconfig = QConfig(Identity, default_weight_fake_quant)
default_activation_only_qconfig = QConfig(default_fake_quant, Identity)
default_qat_qconfig_v2 = QConfig(default_fused_act_fake_quant, default_fused_wt_fake_quant)
default_reuse_input_qconfig = QConfig(ob.default_reuse_input_observer, NoopObserver)
default_symmetric_qnnpack_qconfig, default_per_channel_symmetric_qnnpack_qconfig = (
    QConfig(HistogramObserver.with_args(**_wide), weight)
    for weight in (
        ob.weight_observer_range_neg_127_to_127,
        ob.per_channel_weight_observer_range_neg_127_to_127,
    )
)
default_symmetric_qnnpack_qat_qconfig, default_per_channel_symmetric_qnnpack_qat_qconfig = (
    QConfig(
        FusedMovingAvgObsFakeQuantize.with_args(
            observer=MovingAverageMinMaxObserver, quant_min=-128, quant_max=127, **_wide
        ),
        weight,
    )
    for weight in (
        fused_wt_fake_quant_range_neg_127_to_127,
        fused_per_channel_wt_fake_quant_range_neg_127_to_127,
    )
)
default_embedding_qat_qconfig, default_embedding_qat_qconfig_4bit = (
    QConfig(NoopObserver.with_args(**_float), weight)
    for weight in (default_embedding_fake_quant, default_embedding_fake_quant_4bit)
)
default_quint8_weight_qconfig = QConfig(HistogramObserver, MinMaxObserver)

# What the backends of PyTorch take: half the range or not, a scale for each channel or one.
_BACKENDS: Final[dict[str, tuple[bool | None, bool]]] = {
    "x86": (True, True),
    "fbgemm": (True, True),
    "qnnpack": (False, False),
    "onednn": (None, True),
}


def _backend(op: str, backend: str, version: int, versions: tuple[int, ...]) -> tuple[Any, bool]:
    if backend not in _BACKENDS:
        raise AssertionError(f"[{op}] {backend=}; take one of {[*_BACKENDS]}")
    if version not in versions:
        raise AssertionError(f"[{op}] {version=}; take one of {versions}")
    return _BACKENDS[backend]


def get_default_qconfig(backend: str = "x86", version: int = 0) -> QConfig:
    """The QConfig for quantization after training."""
    halved, each = _backend("get_default_qconfig", backend, version, (0,))
    return QConfig(
        HistogramObserver.with_args(reduce_range=bool(halved)),
        ob.default_per_channel_weight_observer if each else ob.default_weight_observer,
    )


def get_default_qat_qconfig(backend: str = "x86", version: int = 1) -> QConfig:
    """The QConfig for training with rounding; version 1 observes and rounds in one step."""
    halved, each = _backend("get_default_qat_qconfig", backend, version, (0, 1))
    kind = FusedMovingAvgObsFakeQuantize if version else FakeQuantize
    names = (
        ("default_weight_fake_quant", "default_per_channel_weight_fake_quant"),
        ("default_fused_wt_fake_quant", "default_fused_per_channel_wt_fake_quant"),
    )
    given = _act if halved is None else {**_act, "reduce_range": halved}
    return QConfig(kind.with_args(**given), globals()[names[version][each]])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, ob._PartialWrapper) and isinstance(b, ob._PartialWrapper):
        one, other = dict(a.p.keywords), dict(b.p.keywords)
        both = _same(one.pop("observer", None), other.pop("observer", None))
        return both and one == other and (a.p.func, a.p.args) == (b.p.func, b.p.args)
    return bool(a == b)


def qconfig_equals(q1: Any, q2: Any) -> bool:
    """Whether two make the same observers."""
    if q1 is None or q2 is None:
        return q1 is q2
    return _same(q1.activation, q2.activation) and _same(q1.weight, q2.weight)


def _activation_is_memoryless(qconfig: Any) -> bool:
    made = qconfig.activation()
    return getattr(getattr(made, "activation_post_process", made), "averaging_constant", 0) == 1
