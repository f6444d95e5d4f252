"""Layers in a row that become one: a convolution and what follows it.

Source: https://docs.pytorch.org/docs/stable/quantization-support.html
"""

from __future__ import annotations

from typing import Any, ClassVar

from ...._names import keep_also, missing_from
from ....nn.modules.activation import LeakyReLU, ReLU, Tanh
from ....nn.modules.batchnorm import BatchNorm1d, BatchNorm2d, BatchNorm3d
from ....nn.modules.container import Sequential
from ....nn.modules.conv import Conv1d, Conv2d, Conv3d
from ....nn.modules.linear import Linear
from ....nn.modules.module import Module
from ....nn.utils.parametrize import type_before_parametrizations

__all__ = [
    "BNReLU2d",
    "BNReLU3d",
    "ConvBn1d",
    "ConvBn2d",
    "ConvBn3d",
    "ConvBnReLU1d",
    "ConvBnReLU2d",
    "ConvBnReLU3d",
    "ConvReLU1d",
    "ConvReLU2d",
    "ConvReLU3d",
    "LinearBn1d",
    "LinearLeakyReLU",
    "LinearReLU",
    "LinearTanh",
]


class _FusedModule(Sequential):
    """What is taken for one layer."""


class _Row(_FusedModule):
    _parts: ClassVar[tuple[type[Module], ...]]

    def __init__(self, *modules: Module) -> None:
        kinds = tuple(map(type_before_parametrizations, modules))
        if kinds != self._parts:
            names = [[kind.__name__ for kind in row] for row in (kinds, self._parts)]
            raise AssertionError(f"[{type(self).__name__}] of {names[0]}; pass {names[1]}")
        super().__init__(*modules)


def _row(name: str, *parts: type[Module]) -> Any:
    doc = f"{', '.join(part.__name__ for part in parts)}, one after the other."
    return type(name, (_Row,), {"_parts": parts, "__doc__": doc, "__module__": __name__})


_NORMED = ((Conv1d, BatchNorm1d), (Conv2d, BatchNorm2d), (Conv3d, BatchNorm3d))
ConvReLU1d, ConvReLU2d, ConvReLU3d = (
    _row(f"ConvReLU{d}d", conv, ReLU) for d, (conv, _) in enumerate(_NORMED, 1)
)
ConvBn1d, ConvBn2d, ConvBn3d = (_row(f"ConvBn{d}d", *parts) for d, parts in enumerate(_NORMED, 1))
ConvBnReLU1d, ConvBnReLU2d, ConvBnReLU3d = (
    _row(f"ConvBnReLU{d}d", *parts, ReLU) for d, parts in enumerate(_NORMED, 1)
)
BNReLU2d, BNReLU3d = _row("BNReLU2d", BatchNorm2d, ReLU), _row("BNReLU3d", BatchNorm3d, ReLU)
LinearReLU, LinearBn1d = _row("LinearReLU", Linear, ReLU), _row("LinearBn1d", Linear, BatchNorm1d)
LinearLeakyReLU = _row("LinearLeakyReLU", Linear, LeakyReLU)
LinearTanh = _row("LinearTanh", Linear, Tanh)

keep_also(
    globals(),
    {"modules": " ".join(__all__), "modules.fused": " ".join(["_FusedModule", *__all__])},
)
__getattr__ = missing_from(
    "torch.ao.nn.intrinsic", globals(), {"qat": ".qat", "quantized": ".quantized"}
)
