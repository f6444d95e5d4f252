"""Which observers a layer gets, for what it computes and for its weight.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

from collections import namedtuple
from typing import Any, Final

from ..._core import float16, float32, qint8
from ...nn.modules.linear import Identity
from ...nn.modules.module import Module
from . import fake_quantize as fq
from . import observer as ob
from .fake_quantize import FakeQuantize, FusedMovingAvgObsFakeQuantize
from .observer import (
    HistogramObserver,
    MinMaxObserver,
    MovingAverageMinMaxObserver,
    NoopObserver,
    PlaceholderObserver,
)

__all__ = [
    "QConfig",
    "QConfigAny",
    "default_activation_only_qconfig",
    "default_debug_qconfig",
    "default_dynamic_qat_qconfig",
    "default_dynamic_qconfig",
    "default_embedding_qat_qconfig",
    "default_embedding_qat_qconfig_4bit",
    "default_per_channel_qconfig",
    "default_per_channel_symmetric_qnnpack_qat_qconfig",
    "default_per_channel_symmetric_qnnpack_qconfig",
    "default_qat_qconfig",
    "default_qat_qconfig_v2",
    "default_qconfig",
    "default_quint8_weight_qconfig",
    "default_reuse_input_qconfig",
    "default_symmetric_qnnpack_qat_qconfig",
    "default_symmetric_qnnpack_qconfig",
    "default_weight_only_qconfig",
    "float16_dynamic_qconfig",
    "float16_static_qconfig",
    "float_qparams_weight_only_qconfig",
    "float_qparams_weight_only_qconfig_4bit",
    "get_default_qat_qconfig",
    "get_default_qconfig",
    "per_channel_dynamic_qconfig",
    "qconfig_equals",
]


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
default_qat_qconfig = QConfig(fq.default_fake_quant, fq.default_weight_fake_quant)
default_dynamic_qat_qconfig = QConfig(fq.default_dynamic_fake_quant, fq.default_weight_fake_quant)
default_weight_only_qconfig = QConfig(Identity, fq.default_weight_fake_quant)
default_activation_only_qconfig = QConfig(fq.default_fake_quant, Identity)
default_qat_qconfig_v2 = QConfig(fq.default_fused_act_fake_quant, fq.default_fused_wt_fake_quant)
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
        fq.fused_wt_fake_quant_range_neg_127_to_127,
        fq.fused_per_channel_wt_fake_quant_range_neg_127_to_127,
    )
)
default_embedding_qat_qconfig, default_embedding_qat_qconfig_4bit = (
    QConfig(NoopObserver.with_args(**_float), weight)
    for weight in (fq.default_embedding_fake_quant, fq.default_embedding_fake_quant_4bit)
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
    return QConfig(kind.with_args(**given), getattr(fq, names[version][each]))


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
