"""Recurrent networks and their single steps."""

from __future__ import annotations

import warnings
from math import sqrt
from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from ..._checks import the_tensor
from ..._core import Tensor
from .. import init
from ..parameter import Parameter
from ..utils.rnn import PackedSequence
from .module import Module

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...types import Device

__all__ = ["GRU", "LSTM", "RNN", "GRUCell", "LSTMCell", "RNNBase", "RNNCell", "RNNCellBase"]

_GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "LSTM": 4, "GRU": 3}


def _reset(module: Module, hidden_size: int) -> None:
    bound = 1.0 / sqrt(hidden_size) if hidden_size > 0 else 0.0
    for weight in module.parameters():
        init.uniform_(weight, -bound, bound)


def _pair(name: str, hx: Any) -> list[Any]:
    """h and c."""
    for k in range(2):
        if len(hx) <= k:
            raise IndexError(f"[{name}] hx holds {len(hx)} tensors; pass two, (h, c)")
        the_tensor(name, hx[k], "hx")
    if len(hx) > 2:
        raise RuntimeError(f"[{name}] hx holds {len(hx)} tensors; pass two, (h, c)")
    return list(hx)


class RNNBase(Module):
    """What the networks share: weights weight_ih_l0, ..., bias_hh_l1_reverse, and the shapes.

    input (time, batch, features), (batch, time, features) with batch_first, (time, features), or a
    PackedSequence; the initial state (layers * directions, batch, size), zeros when left out. All
    weights start from U(-k, k), k = 1 / sqrt(hidden_size).
    Source: https://docs.pytorch.org/docs/stable/generated/torch.nn.RNN.html
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        if mode not in _GATES:
            raise ValueError(f"[RNNBase] mode={mode!r} is not one of {sorted(_GATES)}; take one")
        self.mode, self.input_size, self.hidden_size = mode, input_size, hidden_size
        self.num_layers, self.bias, self.batch_first = num_layers, bias, batch_first
        self.dropout, self.bidirectional, self.proj_size = float(dropout), bidirectional, proj_size
        self._check_sizes(dropout)
        out = proj_size or hidden_size
        gates = hidden_size if mode.startswith("RNN") else _GATES[mode] * hidden_size
        directions = 2 if bidirectional else 1
        self._flat_weights_names: list[str] = []
        for layer in range(num_layers):
            inputs = input_size if layer == 0 else out * directions
            for suffix in ("", "_reverse")[:directions]:
                shapes: dict[str, tuple[int, ...]] = {
                    "weight_ih": (gates, inputs),
                    "weight_hh": (gates, out),
                }
                if bias:
                    shapes |= {"bias_ih": (gates,), "bias_hh": (gates,)}
                if proj_size:
                    shapes["weight_hr"] = (proj_size, hidden_size)
                for name, shape in shapes.items():
                    weight = Parameter(_core.empty(shape, dtype=dtype, device=device))
                    self._flat_weights_names.append(f"{name}_l{layer}{suffix}")
                    self.register_parameter(self._flat_weights_names[-1], weight)
        self.reset_parameters()

    def _check_sizes(self, dropout: Any) -> None:
        name = type(self).__name__
        if isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"[{name}] dropout={dropout} is outside [0, 1]; pass a probability")
        if dropout > 0 and self.num_layers == 1:
            warnings.warn(
                f"[{name}] dropout={dropout} acts between layers, and num_layers=1; leave it out",
                stacklevel=4,
            )
        for what in ("bias", "batch_first"):
            if not isinstance(getattr(self, what), bool):
                raise TypeError(f"[{name}] {what}={getattr(self, what)!r} is not a bool; pass one")
        for what in ("input_size", "hidden_size", "num_layers"):
            value = getattr(self, what)
            if not isinstance(value, int):
                raise TypeError(f"[{name}] {what}={value!r} is not an int; pass a whole number")
            if value <= 0:
                raise ValueError(f"[{name}] {what}={value}; pass 1 or more")
        if not 0 <= self.proj_size < self.hidden_size:
            raise ValueError(
                f"[{name}] proj_size={self.proj_size} must be from 0 to below "
                f"hidden_size={self.hidden_size}"
            )

    def reset_parameters(self) -> None:
        """Draw all weights, in order."""
        _reset(self, self.hidden_size)

    def flatten_parameters(self) -> None:
        """Nothing: the weights need no common memory on a CPU."""

    @property
    def _flat_weights(self) -> list[Any]:
        """The weights in order, also those that are computed from other parameters."""
        own = self._parameters
        return [own[n] if n in own else getattr(self, n) for n in self._flat_weights_names]

    @property
    def all_weights(self) -> list[list[Parameter]]:
        """The weights of each layer and direction."""
        weights = self._flat_weights
        each = len(weights) // (self.num_layers * (2 if self.bidirectional else 1))
        return [weights[k : k + each] for k in range(0, len(weights), each)]

    @property
    def _all_weights(self) -> list[list[str]]:
        """The names of the weights of each layer and direction."""
        names = self._flat_weights_names
        each = len(names) // len(self.all_weights)
        return [names[k : k + each] for k in range(0, len(names), each)]

    def _state(self, name: str, given: Tensor | None, batch: int, size: int, like: Tensor) -> Any:
        shape = (self.num_layers * (2 if self.bidirectional else 1), batch, size)
        if given is None:
            return _core.zeros(shape, dtype=like.dtype)
        if tuple(given.shape) != shape:
            raise RuntimeError(
                f"[{type(self).__name__}] Expected {name} size {shape}, got "
                f"{tuple(given.shape)}; it is (layers * directions, batch, size)"
            )
        return given

    def _run(self, input: Any, hx: Any) -> tuple[Any, tuple[Tensor, ...]]:
        """(output, states), the states in the order of the input."""
        name, lstm = type(self).__name__, self.mode == "LSTM"
        packed = isinstance(input, PackedSequence)
        data = input.data if packed else the_tensor(name, input)
        if not packed and data.ndim not in (2, 3):
            raise ValueError(
                f"[{name}] Expected input to be 2D or 3D, got shape {tuple(data.shape)}; it is "
                "(time, batch, features)"
            )
        if data.dtype != self._flat_weights[0].dtype:
            raise ValueError(
                f"[{name}] the input is {data.dtype}, the weights {self._flat_weights[0].dtype}; "
                "convert one of them with .to()"
            )
        if data.shape[-1] != self.input_size:
            raise RuntimeError(
                f"[{name}] input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {data.shape[-1]}; the last dimension holds the features"
            )
        if lstm and isinstance(hx, Tensor):
            raise (RuntimeError if len(hx) > 1 else IndexError)(
                f"[{name}] hx is a Tensor; pass two, (h, c)"
            )
        states: list[Any] = [hx]
        if lstm:
            states = [None, None] if hx is None else _pair(name, hx)
        single = not packed and data.ndim == 2
        if hx is not None and not packed:
            for state in states:
                if the_tensor(name, state, "hx").ndim != data.ndim:
                    raise RuntimeError(
                        f"[{name}] For {'un' if single else ''}batched {data.ndim}-D input, hx "
                        f"should also be {data.ndim}-D, got shape {tuple(state.shape)}"
                    )
        if single:
            data = data.unsqueeze(1)
            states = [s if s is None else s.unsqueeze(1) for s in states]
        if packed:
            batch = int(input.batch_sizes[0].item())
            if input.sorted_indices is not None:
                states = [
                    s if s is None else s.index_select(1, input.sorted_indices) for s in states
                ]
        else:
            batch = data.shape[0 if self.batch_first and not single else 1]
        sizes = (self.proj_size or self.hidden_size, self.hidden_size)
        states = [
            self._state(f"hidden[{k}]", s, batch, sizes[k], data) for k, s in enumerate(states)
        ]
        arguments: list[Any] = [
            states if lstm else states[0], self._flat_weights, self.bias,
            self.num_layers, self.dropout, self.training, self.bidirectional,
        ]  # fmt: skip
        network = getattr(_core, self.mode.lower())
        if packed:
            out, *states = network(data, input.batch_sizes, *arguments)
            output: Any = PackedSequence(out, *input[1:])
            if input.unsorted_indices is not None:
                states = [s.index_select(1, input.unsorted_indices) for s in states]
        else:
            output, *states = network(data, *arguments, self.batch_first and not single)
        if single:
            output, states = output.squeeze(1), [s.squeeze(1) for s in states]
        return output, tuple(states)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        output, states = self._run(input, hx)
        return output, states[0]

    def extra_repr(self) -> str:
        defaults = {"proj_size": 0, "num_layers": 1, "bias": True, "batch_first": False,
                    "dropout": 0, "bidirectional": False}  # fmt: skip
        shown = [f"{n}={getattr(self, n)}" for n, v in defaults.items() if getattr(self, n) != v]
        return ", ".join([f"{self.input_size}, {self.hidden_size}", *shown])


class RNN(RNNBase):
    """h_t = tanh(W_ih x_t + b_ih + W_hh h_(t-1) + b_hh), or max(0, .); (output, h_n).

    Source: Elman, Finding structure in time, Cognitive Science 14 (1990) 179.
    """

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        nonlinearity: str = "tanh",
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"[RNN] Unknown nonlinearity {nonlinearity!r}; pass 'tanh' or 'relu'")
        self.__dict__["nonlinearity"] = nonlinearity
        super().__init__(
            f"RNN_{nonlinearity.upper()}", input_size, hidden_size, num_layers, bias, batch_first,
            dropout, bidirectional, 0, device, dtype,
        )  # fmt: skip


class LSTM(RNNBase):
    """c_t = f c_(t-1) + i g, h_t = o tanh(c_t), gates i, f, g, o; (output, (h_n, c_n)).

    With proj_size, h_t = W_hr (o tanh(c_t)). Source: Hochreiter and Schmidhuber, Neural Computation
    9 (1997) 1735; projections: arXiv:1402.1128.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(self, input: Any, hx: Any = None) -> tuple[Any, Any]:
        return self._run(input, hx)


class GRU(RNNBase):
    """h_t = (1 - z) n + z h_(t-1), gates r, z, n; (output, h_n).

    Source: Cho et al., arXiv:1406.1078.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if "proj_size" in kwargs:
            raise ValueError("[GRU] proj_size is for LSTM only; leave it out")
        super().__init__("GRU", *args, **kwargs)


class RNNCellBase(Module):
    """What the single steps share: weight_ih, weight_hh, bias_ih, bias_hh from U(-k, k)."""

    step: ClassVar[Any]
    weight_ih: Parameter
    weight_hh: Parameter
    bias_ih: Parameter | None
    bias_hh: Parameter | None

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool,
        num_chunks: int,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        for name, shape in (
            ("weight_ih", (rows, input_size)),
            ("weight_hh", (rows, hidden_size)),
            ("bias_ih", (rows,)),
            ("bias_hh", (rows,)),
        ):
            wanted = bias or not name.startswith("bias")
            weight = _core.empty(shape, dtype=dtype, device=device) if wanted else None
            self.register_parameter(name, weight if weight is None else Parameter(weight))
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw all weights, in order."""
        _reset(self, self.hidden_size)

    def _run(self, input: Tensor, given: Sequence[Tensor] | None, count: int = 1) -> list[Tensor]:
        """The next states, `count` of them, from the ones given, or from zeros."""
        name = type(self).__name__
        if the_tensor(name, input).ndim not in (1, 2):
            raise ValueError(
                f"[{name}] Expected input to be 1D or 2D, got {input.ndim}D instead: shape "
                f"{tuple(input.shape)}"
            )
        for state in given or ():
            if the_tensor(name, state, "hx").ndim != input.ndim:
                error = RuntimeError if state.ndim in (1, 2) else ValueError
                raise error(
                    f"[{name}] hidden has shape {tuple(state.shape)}, the input "
                    f"{tuple(input.shape)}; a batch has a state in each row, 2D, and one input 1D"
                )
        x = input if input.ndim == 2 else input.unsqueeze(0)
        if given is None:
            states = [_core.zeros(x.shape[0], self.hidden_size, dtype=input.dtype)] * count
        else:
            states = [state if input.ndim == 2 else state.unsqueeze(0) for state in given]
        hx: Any = states if count > 1 else states[0]
        found = self.step(x, hx, self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        results = list(found) if isinstance(found, tuple) else [found]
        return results if input.ndim == 2 else [r.squeeze(0) for r in results]

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        return self._run(input, None if hx is None else [hx])[0]

    def extra_repr(self) -> str:
        shown = [f"{self.input_size}, {self.hidden_size}"]
        if not self.bias:
            shown.append(f"bias={self.bias}")
        if getattr(self, "nonlinearity", "tanh") != "tanh":
            shown.append(f"nonlinearity={self.nonlinearity}")  # type: ignore[attr-defined]
        return ", ".join(shown)


class RNNCell(RNNCellBase):
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh), or max(0, .)."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def step(self, *args: Any) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(
                f"[RNNCell] Unknown nonlinearity: {self.nonlinearity}; take 'tanh' or 'relu'"
            )
        cell = _core.rnn_relu_cell if self.nonlinearity == "relu" else _core.rnn_tanh_cell
        return cell(*args)


class LSTMCell(RNNCellBase):
    """(h', c') of one step of an LSTM, from (h, c)."""

    step = staticmethod(_core.lstm_cell)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: Any = None) -> tuple[Tensor, Tensor]:
        if isinstance(hx, Tensor):
            raise TypeError("[LSTMCell] hx is a Tensor; pass the pair (h, c)")
        h, c = self._run(input, None if hx is None else _pair("LSTMCell", hx), 2)
        return h, c


class GRUCell(RNNCellBase):
    """h' of one step of a GRU."""

    step = staticmethod(_core.gru_cell)

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        device: Device = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)
