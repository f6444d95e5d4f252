"""Recurrent layers with quantized weights, whose input and state are quantized as they come."""

from __future__ import annotations

from typing import Any, ClassVar

from .... import _core, nn
from ...._core import qint8, quint8
from ...._quantized import quantize_per_tensor_dynamic
from ....autograd.grad_mode import no_grad
from ....nn import functional as F
from ....nn.modules.module import Module
from . import quantized_weight

__all__ = ["GRU", "LSTM", "GRUCell", "LSTMCell", "RNNCell", "linear", "observed"]


def linear(x: Any, weight: Any, bias: Any) -> Any:
    """x A^T + b, x rounded to 128 levels between its extremes."""
    levels = quantize_per_tensor_dynamic(x, quint8, True)
    return F.linear(levels.dequantize(), weight.dequantize(), bias)


def observed(mod: Any, weight: Any) -> Any:
    """A weight quantized as its layer's qconfig says. NotImplementedError but for qint8."""
    observer = mod.qconfig.weight()
    if observer.dtype is not qint8:
        raise NotImplementedError(
            f"[quantize_dynamic] a weight of {observer.dtype}; take dtype=torch.qint8"
        )
    observer(weight)
    return quantized_weight(weight, observer)


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
            (observed(mod, weight), getattr(mod, f"bias{name}"))
            for name, weight in zip(names, weights, strict=True)
        ]
        return made

    def _get_name(self) -> str:
        return f"DynamicQuantized{type(self).__name__}"

    def extra_repr(self) -> str:
        return str(self._likeness.extra_repr())

    def _moved(self, gates: Any, state: Any, held: Any) -> tuple[Any, ...]:
        """The state after a step; gates: what the input adds to them."""
        own = linear(state[0], *held)
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
            gates = linear(input, *self._held[0])
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
                    gates = linear(x, *self._held[2 * k])
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
