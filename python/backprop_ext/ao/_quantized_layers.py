"""Layers of quantized tensors, and layers with quantized weights.

They compute in float32. QUANTIZED, DYNAMIC and QUANTIZED_ROWS are the classes of PyTorch's
ao.nn.quantized, ao.nn.quantized.dynamic and ao.nn.intrinsic.quantized.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Final

from .. import _core, nn
from .._core import qint8, quint8
from .._quantized import (
    QuantizedTensor,
    per_channel_affine,
    per_channel_symmetric,
    quantize_per_channel,
    quantize_per_tensor,
    quantize_per_tensor_dynamic,
    quantized,
)
from ..autograd.grad_mode import no_grad
from ..nn import functional as F
from ..nn.modules.activation import ReLU
from ..nn.modules.dropout import Dropout as _Dropout
from ..nn.modules.module import Module
from ..nn.utils.fusion import fuse_conv_bn_weights
from ..nn.utils.init import skip_init
from ._layers import FusedModule, settings

if TYPE_CHECKING:
    from .._core import Tensor

__all__ = ["DYNAMIC", "MISSING", "QUANTIZED", "QUANTIZED_ROWS", "FloatFunctional"]


class _Arithmetic(Module):
    def _done(self, op: Any, x: Any, *rest: Any, **named: Any) -> Any:
        return op(x, *rest, **named)

    def forward(self, x: Any) -> Any:
        """Raises RuntimeError: call add, mul, cat or the like."""
        raise RuntimeError(
            f"[{type(self).__name__}] has no forward; call add, mul, cat, matmul or add_relu"
        )

    def add(self, x: Any, y: Any) -> Any:
        """x + y."""
        return self._done(_core.add, x, y)

    def mul(self, x: Any, y: Any) -> Any:
        """x y."""
        return self._done(_core.mul, x, y)

    def matmul(self, x: Any, y: Any) -> Any:
        """The product of matrices."""
        return self._done(_core.matmul, x, y)

    def cat(self, x: Any, dim: int = 0) -> Any:
        """The tensors one after the other."""
        return self._done(_core.cat, x, dim=dim)

    def add_relu(self, x: Any, y: Any) -> Any:
        """max(x + y, 0)."""
        return self._done(lambda a, b: F.relu(a + b), x, y)

    def add_scalar(self, x: Any, y: float) -> Any:
        """x + y, unobserved."""
        return _core.add(x, y)

    def mul_scalar(self, x: Any, y: float) -> Any:
        """x y, unobserved."""
        return _core.mul(x, y)


class FXFloatFunctional(_Arithmetic):
    """Sums and products as methods of a module."""


class FloatFunctional(_Arithmetic):
    """Sums and products as methods of a module, whose results are observed."""

    def __init__(self) -> None:
        super().__init__()
        self.activation_post_process: Any = nn.Identity()

    def _done(self, op: Any, x: Any, *rest: Any, **named: Any) -> Any:
        return self.activation_post_process(op(x, *rest, **named))


class _Scaled(Module):
    """A scale and a zero_point of the output, numbers that are saved as tensors."""

    scale, zero_point = 1.0, 0

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        destination[f"{prefix}scale"] = _core.tensor(self.scale)
        destination[f"{prefix}zero_point"] = _core.tensor(self.zero_point)

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        self.scale = float(state_dict.pop(f"{prefix}scale"))
        self.zero_point = int(state_dict.pop(f"{prefix}zero_point"))


class QFunctional(_Scaled, FloatFunctional):
    """Sums and products of quantized tensors."""

    def _done(self, op: Any, x: Any, *rest: Any, **named: Any) -> Any:
        kind = (x[0] if isinstance(x, (list, tuple)) else x).dtype
        result = op(_plain(x), *map(_plain, rest), **named)
        return quantize_per_tensor(result, self.scale, self.zero_point, kind)

    def mul_scalar(self, x: Any, y: float) -> Any:
        """x y: the same numbers, of another scale."""
        if y > 0:
            return quantized(x.int_repr(), x.q_scale() * y, x.q_zero_point())
        return super().mul_scalar(x, y)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> QFunctional:
        """With the scale that was observed."""
        made = cls()
        made.scale, made.zero_point = _observed(mod)
        return made


def _plain(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    return value.dequantize() if isinstance(value, QuantizedTensor) else value


def _observed(mod: Any) -> tuple[float, int]:
    scale, zero_point = mod.activation_post_process.calculate_qparams()
    return float(scale), int(zero_point)


class Quantize(Module):
    """x quantized."""

    scale: Tensor
    zero_point: Tensor

    def __init__(
        self, scale: float, zero_point: int, dtype: Any, factory_kwargs: Any = None
    ) -> None:
        super().__init__()
        self.register_buffer("scale", _core.tensor([scale]))
        self.register_buffer("zero_point", _core.tensor([zero_point]))
        self.dtype = dtype

    def forward(self, X: Tensor) -> QuantizedTensor:
        return quantize_per_tensor(X, self.scale, self.zero_point, self.dtype)

    def extra_repr(self) -> str:
        return f"scale={self.scale}, zero_point={self.zero_point}, dtype={self.dtype}"

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> Quantize:
        """With the scale that was observed."""
        return Quantize(*_observed(mod), mod.activation_post_process.dtype)


class DeQuantize(Module):
    """x in float32."""

    def forward(self, Xq: Any) -> Any:
        return Xq.dequantize()

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> DeQuantize:
        """A DeQuantize."""
        return DeQuantize()


class Dropout(_Dropout):
    """x, in evaluation."""

    def _get_name(self) -> str:
        return "QuantizedDropout"

    def forward(self, input: Any) -> Any:
        return input

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Dropout:
        """The same probability."""
        return cls(mod.p, mod.inplace)


class ReLU6(ReLU):
    """min(max(x, 0), 6)."""

    def _get_name(self) -> str:
        return "QuantizedReLU6"

    def forward(self, input: Any) -> Any:
        return F.relu6(input)

    @staticmethod
    def from_float(mod: Any, use_precomputed_fake_quant: bool = False) -> ReLU6:
        """A ReLU6."""
        return ReLU6(mod.inplace)


def _quantized_weight(weight: Tensor, observer: Any) -> QuantizedTensor:
    """A weight, quantized by the scale of its observer and within its limits."""
    scale, zero_point = observer.calculate_qparams()
    if observer.qscheme in (per_channel_affine, per_channel_symmetric):
        made = quantize_per_channel(weight.float(), scale, zero_point, observer.ch_axis, qint8)
    else:
        made = quantize_per_tensor(weight.float(), float(scale), int(zero_point), qint8)
    numbers = made.int_repr().clamp(observer.quant_min, observer.quant_max)
    return quantized(numbers, *made._parameters[:3])


class _Weighed(_Scaled):
    """What quantized layers share: a quantized weight, a bias in float32, a scale of the output."""

    _layer: ClassVar[Any]
    _relu = False
    _title: ClassVar[str]
    _held: tuple[QuantizedTensor, Any]
    _like: Any
    stride: Any
    in_features: int
    out_features: int

    def __init__(self, *args: Any, dtype: Any = qint8, bias_: bool = True, **kwargs: Any) -> None:
        super().__init__()
        like = skip_init(self._layer, *args, **{"bias": bias_, **kwargs})  # draws nothing
        given = settings(like)
        given.pop("bias")
        self.__dict__.update(given)
        blank = quantize_per_tensor(_core.zeros(like.weight.shape), 1.0, 0, qint8)
        self.set_weight_bias(blank, None if like.bias is None else _core.zeros(len(like.bias)))
        self.__dict__["_like"] = like

    def set_weight_bias(self, w: QuantizedTensor, b: Tensor | None) -> None:
        """Put others in."""
        self.__dict__["_held"] = (w, b)

    def weight(self) -> QuantizedTensor:
        """The weight."""
        return self._held[0]

    def bias(self) -> Any:
        """The bias, or None."""
        return self._held[1]

    def _weight_bias(self) -> Any:
        return self._held

    def _get_name(self) -> str:
        return self._title

    def _computed(self, x: Tensor) -> Tensor:
        weight, bias = self.weight().dequantize(), self._held[1]
        if self._layer is nn.Linear:
            result = F.linear(x, weight, bias)
        else:
            result = self._like._conv_forward(x, weight, bias)
        return F.relu(result) if self._relu else result

    def forward(self, x: Any) -> Any:
        with no_grad():
            result = self._computed(x.dequantize())
        return quantize_per_tensor(result, self.scale, self.zero_point, x.dtype)

    def extra_repr(self) -> str:
        place = f"scale={self.scale}, zero_point={self.zero_point}"
        if self._layer is nn.Linear:
            sizes = f"in_features={self.in_features}, out_features={self.out_features}"
            return f"{sizes}, {place}, qscheme={self.weight().qscheme()}"
        sizes = self._like.extra_repr().partition(", stride=")[0]
        stride = f"stride={self.stride}"
        more = [
            f"{name}={getattr(self, name)}"
            for name, usual in (("padding", 0), ("dilation", 1), ("groups", 1))
            if getattr(self, name) not in (usual, (usual,) * len(self.stride))
        ]
        if self._held[1] is None:
            more.append("bias=False")
        return ", ".join([sizes, stride, place, *more])

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        held = self._held
        if self._layer is not nn.Linear:
            destination[f"{prefix}weight"], destination[f"{prefix}bias"] = held
        super()._save_to_state_dict(destination, prefix, keep_vars)
        if self._layer is nn.Linear:
            destination[f"{prefix}_packed_params.dtype"] = qint8
            destination[f"{prefix}_packed_params._packed_params"] = held

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        super()._load_from_state_dict(state_dict, prefix, *rest)
        if self._layer is nn.Linear:
            state_dict.pop(f"{prefix}_packed_params.dtype")
            self.set_weight_bias(*state_dict.pop(f"{prefix}_packed_params._packed_params"))
        else:
            self.set_weight_bias(state_dict.pop(f"{prefix}weight"), state_dict.pop(f"{prefix}bias"))

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """Of a layer that was observed, or trained with rounding."""
        observed = mod.activation_post_process
        rounding = hasattr(mod, "weight_fake_quant")
        layer: Any = mod if rounding or not isinstance(mod, FusedModule) else mod[0]
        weight, bias = layer.weight, layer.bias
        if bn := rounding and getattr(mod, "bn", None):
            weight, bias = fuse_conv_bn_weights(
                weight, bias, bn.running_mean, bn.running_var, bn.eps, bn.weight, bn.bias
            )
        observer = mod.weight_fake_quant if rounding else mod.qconfig.weight()
        if not use_precomputed_fake_quant:
            observer(weight)
        if observer.dtype is not qint8:
            raise AssertionError(f"[{cls.__name__}] weight of {observer.dtype}; take torch.qint8")
        made = cls(**settings(layer))
        made.set_weight_bias(_quantized_weight(weight, observer), bias)
        scale, zero_point = observed.calculate_qparams()
        made.scale, made.zero_point = float(scale), int(zero_point)
        return made


def _weighed(name: str, layer: Any, relu: bool = False) -> Any:
    doc = f"{name} with a quantized weight, of quantized tensors; made by from_float."
    members = {"__doc__": doc, "_layer": layer, "_relu": relu, "_title": f"Quantized{name}"}
    return type(name, (_Weighed,), members)


_KINDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear)
QUANTIZED: Final[dict[str, Any]] = {
    kind.__name__: kind
    for kind in (
        DeQuantize, Dropout, FXFloatFunctional, FloatFunctional, QFunctional, Quantize, ReLU6
    )
} | {layer.__name__: _weighed(layer.__name__, layer) for layer in _KINDS}  # fmt: skip
QUANTIZED_ROWS: Final[dict[str, Any]] = {
    name: _weighed(name, layer, True)
    for name, layer in zip(
        ("ConvReLU1d", "ConvReLU2d", "ConvReLU3d", "LinearReLU"), _KINDS, strict=True
    )
}


class _Missing(Module):
    """Stands for a quantized layer that there is not."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.from_float(self)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """Raises NotImplementedError: leave the layer in float32."""
        raise NotImplementedError(
            f"[{cls.__name__}] there is no quantized {type(mod).__name__}; set its qconfig = None, "
            "and a DeQuantStub before it"
        )


MISSING: Final = (
    *("BatchNorm2d", "BatchNorm3d", "ConvTranspose1d", "ConvTranspose2d", "ConvTranspose3d", "ELU"),
    *("Embedding", "EmbeddingBag", "GroupNorm", "Hardswish", "InstanceNorm1d", "InstanceNorm2d"),
    *("InstanceNorm3d", "LayerNorm", "LeakyReLU", "PReLU"),
)
MISSING_ROWS: Final = ("BNReLU2d", "BNReLU3d", "LinearLeakyReLU", "LinearTanh")
QUANTIZED.update((name, type(name, (_Missing,), {})) for name in MISSING)
QUANTIZED_ROWS.update((name, type(name, (_Missing,), {})) for name in MISSING_ROWS)


def _linear(x: Any, weight: Any, bias: Any) -> Any:
    """x A^T + b, x rounded to 128 levels between its extremes."""
    levels = quantize_per_tensor_dynamic(x, quint8, True)
    return F.linear(levels.dequantize(), weight.dequantize(), bias)


def _observed_weight(mod: Any, weight: Any) -> Any:
    """A weight quantized as its layer's qconfig says. NotImplementedError but for qint8."""
    observer = mod.qconfig.weight()
    if observer.dtype is not qint8:
        raise NotImplementedError(
            f"[quantize_dynamic] a weight of {observer.dtype}; take dtype=torch.qint8"
        )
    observer(weight)
    return _quantized_weight(weight, observer)


class _Recurrent(Module):
    """What cells and layers share: pairs of weight and bias, of the input and of the state."""

    _mode: ClassVar[str]
    _likeness: Any
    _held: list[tuple[Any, Any]]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise NotImplementedError(
            f"[{type(self).__name__}] it is made of a layer in float32, by quantize_dynamic"
        )

    def _draw(self, mod: Any, shapes: list[tuple[int, int]]) -> None:
        """PyTorch's layer is made with random weights first: what follows is to draw the same."""
        for gates, width in shapes:
            for size in ((gates, width), (gates, mod.hidden_size), (gates,), (gates,)):
                _core.randn(size)

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """Of a layer in float32. AssertionError for one without bias."""
        if not mod.bias:
            raise AssertionError(f"[{cls.__name__}.from_float] bias=False; pass a layer with bias")
        made = cls.__new__(cls)
        Module.__init__(made)
        names = [n.removeprefix("weight") for n, _ in mod.named_parameters() if n[0] == "w"]
        weights = [getattr(mod, f"weight{name}") for name in names]
        made._draw(mod, [tuple(weight.shape) for weight in weights[::2]])
        made.__dict__["_likeness"] = mod
        made.__dict__["_held"] = [
            (_observed_weight(mod, weight), getattr(mod, f"bias{name}"))
            for name, weight in zip(names, weights, strict=True)
        ]
        return made

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"

    def extra_repr(self) -> str:
        return str(self._likeness.extra_repr())

    def _moved(self, gates: Any, state: Any, held: Any) -> tuple[Any, ...]:
        """The state after a step; gates: what the input adds to them."""
        own = _linear(state[0], *held)
        if self._mode == "LSTM":
            i, f, g, o = (gates + own).chunk(4, -1)
            c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
            return o.sigmoid() * c.tanh(), c
        if self._mode == "GRU":
            (r, z, n), (hr, hz, hn) = gates.chunk(3, -1), own.chunk(3, -1)
            n = (n + hn * (r + hr).sigmoid()).tanh()
            return ((state[0] - n) * (z + hz).sigmoid() + n,)
        return (getattr(F, self._likeness.nonlinearity)(gates + own),)

    def _save_to_state_dict(self, destination: Any, prefix: str, keep_vars: bool) -> None:
        for name, value in zip(self._keys(), self._values_held(), strict=True):
            destination[prefix + name] = value

    def _load_from_state_dict(self, state_dict: Any, prefix: str, *rest: Any) -> None:
        values = [state_dict.pop(prefix + name) for name in self._keys()]
        self.__dict__["_held"] = [
            p for v in values for p in (v if isinstance(v[0], tuple) else [v])
        ]

    def _keys(self) -> list[str]:
        return ["_packed_weight_ih", "_packed_weight_hh"]

    def _values_held(self) -> list[Any]:
        return self._held


class _Cell(_Recurrent):
    def _draw(self, mod: Any, shapes: list[tuple[int, int]]) -> None:
        ((gates, width),) = shapes
        for size in ((gates,), (gates,), (gates, width), (gates, mod.hidden_size)):
            _core.randn(size)

    def forward(self, input: Any, hx: Any = None) -> Any:
        several = self._mode == "LSTM"
        if hx is None:
            hx = [_core.zeros(len(input), self._likeness.hidden_size)] * (1 + several)
        with no_grad():
            gates = _linear(input, *self._held[0])
            state = self._moved(
                gates, hx if several or isinstance(hx, list) else [hx], self._held[1]
            )
        return state if several else state[0]


class LSTMCell(_Cell):
    """A step of an LSTM; made by quantize_dynamic."""

    _mode = "LSTM"


class GRUCell(_Cell):
    """A step of a GRU; made by quantize_dynamic."""

    _mode = "GRU"


class RNNCell(_Cell):
    """A step of an Elman network; made by quantize_dynamic."""

    _mode = "RNN"


class _Layers(_Recurrent):
    def forward(self, input: Any, hx: Any = None) -> Any:
        like = self._likeness
        if isinstance(input, nn.utils.rnn.PackedSequence) or input.dim() != 3:
            raise NotImplementedError(
                f"[{self._get_name()}] takes (length, batch, features) only; pad what is packed"
            )
        x = input.transpose(0, 1) if like.batch_first else input
        ways = 1 + like.bidirectional
        several = self._mode == "LSTM"
        if hx is None:
            zeros = _core.zeros(like.num_layers * ways, x.shape[1], like.hidden_size)
            hx = (zeros,) * (1 + several)
        hx, last = hx if isinstance(hx, tuple) else (hx,), []
        with no_grad():
            for layer in range(like.num_layers):
                sides = []
                for way in range(ways):
                    k = layer * ways + way
                    state, rows = tuple(h[k] for h in hx), []
                    gates = _linear(x, *self._held[2 * k])
                    for row in gates.unbind(0)[:: -1 if way else 1]:
                        state = self._moved(row, state, self._held[2 * k + 1])
                        rows.append(state[0])
                    sides.append(_core.stack(rows[:: -1 if way else 1]))
                    last.append(state)
                x = _core.cat(sides, -1)
        finals = tuple(_core.stack(part) for part in zip(*last, strict=True))
        return x.transpose(0, 1) if like.batch_first else x, finals if several else finals[0]

    def _keys(self) -> list[str]:
        return [f"_all_weight_values.{k}.param" for k in range(len(self._held) // 2)]

    def _values_held(self) -> list[Any]:
        return [(self._held[k], self._held[k + 1]) for k in range(0, len(self._held), 2)]


class LSTM(_Layers):
    """An LSTM; made by quantize_dynamic."""

    _mode = "LSTM"


class GRU(_Layers):
    """A GRU; made by quantize_dynamic."""

    _mode = "GRU"


class _Linear(_Weighed):
    """y = x A^T + b, x rounded to 128 levels between its extremes, A of qint8."""

    _layer = nn.Linear
    _title = "DynamicQuantizedLinear"
    _version = 4

    def forward(self, x: Any) -> Any:
        with no_grad():
            result = _linear(x, *self._held)
        return F.relu(result) if self._relu else result

    def extra_repr(self) -> str:
        sizes = f"in_features={self.in_features}, out_features={self.out_features}"
        return f"{sizes}, dtype=torch.qint8, qscheme={self.weight().qscheme()}"

    @classmethod
    def from_float(cls, mod: Any, use_precomputed_fake_quant: bool = False) -> Any:
        """Of a layer in float32. NotImplementedError for float16."""
        layer: Any = mod[0] if isinstance(mod, FusedModule) else mod
        made = cls(**settings(layer))
        made.set_weight_bias(_observed_weight(layer, layer.weight), layer.bias)
        return made


class DynamicLinearReLU(_Linear):
    """max(x A^T + b, 0), x rounded to 128 levels between its extremes."""

    _relu = True
    _title = "DynamicQuantizedLinearReLU"


_Linear.__name__ = _Linear.__qualname__ = "Linear"
DYNAMIC: Final[dict[str, Any]] = {
    kind.__name__: kind for kind in (GRU, GRUCell, LSTM, LSTMCell, _Linear, RNNCell)
}
