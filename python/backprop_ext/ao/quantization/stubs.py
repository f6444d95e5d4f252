"""Marks in a model: from here on numbers are quantized, up to there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ...nn.modules.module import Module

if TYPE_CHECKING:
    from ..._core import Tensor

__all__ = ["DeQuantStub", "QuantStub", "QuantWrapper"]


class _Stub(Module):
    def __init__(self, qconfig: Any = None) -> None:
        super().__init__()
        if qconfig:
            self.qconfig = qconfig

    def forward(self, x: Tensor) -> Tensor:
        return x


class QuantStub(_Stub):
    """y = x, observed; after `convert` y is x quantized."""


class DeQuantStub(_Stub):
    """y = x; after `convert` y is x in float32."""


class QuantWrapper(Module):
    """A module between a QuantStub and a DeQuantStub."""

    def __init__(self, module: Module) -> None:
        super().__init__()
        qconfig = getattr(module, "qconfig", None)
        self.add_module("quant", QuantStub(qconfig))
        self.add_module("dequant", DeQuantStub(qconfig))
        self.add_module("module", module)
        self.train(module.training)

    def forward(self, X: Tensor) -> Any:
        return self.dequant(self.module(self.quant(X)))  # type: ignore[attr-defined]
