"""What scripts ask and set once at their start, about types, threads and modes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from . import _core, _device
from ._checks import the_bool, the_tensor
from ._core import Tensor
from ._device import current, device, set_default

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "_assert",
    "are_deterministic_algorithms_enabled",
    "can_cast",
    "compile",
    "finfo",
    "get_default_device",
    "get_deterministic_debug_mode",
    "get_float32_matmul_precision",
    "get_num_interop_threads",
    "has_cuda",
    "iinfo",
    "is_complex",
    "is_deterministic_algorithms_warn_only_enabled",
    "is_floating_point",
    "set_default_device",
    "set_default_tensor_type",
    "set_deterministic_debug_mode",
    "set_float32_matmul_precision",
    "set_flush_denormal",
    "set_num_interop_threads",
    "typename",
    "use_deterministic_algorithms",
]

has_cuda = False

_MODES = ("default", "lite", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")
_BACKENDS = {
    *("aot_eager", "aot_eager_decomp_partition", "aot_eager_default_partitioner", "aot_ts"),
    *("cudagraphs", "eager", "eager_debug", "eager_noexcept", "inductor", "openxla"),
    *("openxla_eval", "pre_dispatch_eager", "ts", "tvm"),
}
_state: dict[str, Any] = {
    "deterministic": False,
    "warn_only": False,
    "matmul": "highest",
    "compile": False,
}


def _the_dtype(op: str, value: Any) -> _core.dtype:
    if isinstance(value, _core.dtype):
        return value
    raise TypeError(f"[{op}] {value!r} is a {type(value).__name__}; pass a type, as torch.float32")


class _Limits:
    """What finfo and iinfo share: NumPy's numbers for a type of ours."""

    bits: int
    dtype: str
    _shown: tuple[str, ...]

    def __repr__(self) -> str:
        shown = (f"{name}={getattr(self, name):{self._spec}}" for name in self._shown)
        return f"{type(self).__name__}({', '.join(shown)}, dtype={self.dtype})"

    _spec = "g"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and other.dtype == self.dtype

    def __hash__(self) -> int:
        return hash(self.dtype)


class finfo(_Limits):  # noqa: N801 (PyTorch's name)
    """Limits of a floating-point type: bits, eps, max, min, tiny, smallest_normal, resolution.

    Of a complex type those of its parts. Raises TypeError for an integer type.
    Source: PyTorch's torch.finfo.
    """

    _shown = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")

    def __init__(self, type: Any = None) -> None:
        kind = _the_dtype("finfo", _core.get_default_dtype() if type is None else type)
        kind = kind.to_real() if kind.is_complex else kind
        if not kind.is_floating_point:
            raise TypeError(f"[finfo] {kind} is no floating-point type; use iinfo")
        self.dtype = str(kind).removeprefix("torch.")
        self.bits = 8 * kind.itemsize
        if kind is _core.bfloat16:  # float32 with 8 digits of 24
            self.eps, self.max, self.resolution = 2.0**-7, (2 - 2.0**-7) * 2.0**127, 0.01
            self.tiny = float(np.finfo(np.float32).smallest_normal)
        else:
            limits = np.finfo(self.dtype)
            self.eps, self.max = float(limits.eps), float(limits.max)
            self.tiny = float(limits.smallest_normal)
            self.resolution = float(str(limits.resolution))
        self.min, self.smallest_normal = -self.max, self.tiny


class iinfo(_Limits):  # noqa: N801 (PyTorch's name)
    """Limits of an integer type: bits, max, min.

    Raises TypeError for another type. Source: PyTorch's torch.iinfo.
    """

    _shown, _spec = ("min", "max"), "d"

    def __init__(self, type: Any) -> None:
        kind = _the_dtype("iinfo", type)
        if kind.is_floating_point or kind.is_complex or kind == _core.bool:
            raise TypeError(f"[iinfo] {kind} is no integer type; use finfo")
        # Of a quantized type the limits of its numbers, or of the bytes that hold several.
        name = str(kind).removeprefix("torch.").removeprefix("q")
        limits = np.iinfo("uint8" if "x" in name else name)
        self.bits, self.max, self.min = limits.bits, int(limits.max), int(limits.min)
        self.dtype = str(kind).removeprefix("torch.")


def _assert(condition: Any, message: str) -> None:
    """AssertionError unless the condition holds; in PyTorch a tracer sees it."""
    if not condition:
        raise AssertionError(message)


def can_cast(from_: Any, to: Any) -> bool:
    """Whether a type goes into another without a loss of kind: not float to int, nor to bool."""
    types = [_the_dtype("can_cast", t) for t in (from_, to)]
    kinds = [
        3 if t.is_complex else 2 if t.is_floating_point else int(t is not _core.bool) for t in types
    ]
    return kinds[0] <= kinds[1]


def is_floating_point(input: Tensor) -> bool:
    """Whether the elements are floats. TypeError for what is no tensor."""
    return the_tensor("is_floating_point", input).is_floating_point()


def is_complex(input: Tensor) -> bool:
    """Whether the elements are complex. TypeError for what is no tensor."""
    return the_tensor("is_complex", input).is_complex()


def typename(obj: Any) -> str:
    """The name of a type, or of an object's; `torch.FloatTensor` for a tensor."""
    if isinstance(obj, Tensor):
        return str(obj.type())
    kind = obj if isinstance(obj, type) else type(obj)
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def set_default_tensor_type(t: Any, /) -> None:
    """set_default_dtype of old: a typed tensor class, or its name `torch.DoubleTensor`."""
    warnings.warn("[set_default_tensor_type] is deprecated; use set_default_dtype", stacklevel=2)
    if isinstance(t, str):
        from . import _legacy

        t = getattr(_legacy, t.removeprefix("torch."), t)
    _core.set_default_dtype(getattr(t, "dtype", t))


def get_default_device() -> device:
    """Where new tensors are made: the CPU, or what was said last."""
    return current()


def set_default_device(device: Any) -> None:
    """Where new tensors are made: the CPU or the meta device. RuntimeError for another."""
    set_default(_device.device("cpu" if device is None else device))


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Remembered only: every kernel gives the same bits each time, and for any thread count."""
    _state["deterministic"] = the_bool("use_deterministic_algorithms", mode, "mode")
    _state["warn_only"] = bool(warn_only)


def are_deterministic_algorithms_enabled() -> bool:
    """What use_deterministic_algorithms set."""
    return bool(_state["deterministic"])


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """What use_deterministic_algorithms set as warn_only."""
    return bool(_state["warn_only"])


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """use_deterministic_algorithms by number or name: 0 default, 1 warn, 2 error."""
    modes = {"default": 0, "warn": 1, "error": 2}
    mode = modes.get(debug_mode, -1) if isinstance(debug_mode, str) else debug_mode
    if mode not in (0, 1, 2):
        raise RuntimeError(
            f"[set_deterministic_debug_mode] {debug_mode!r}; 0, 1, 2, or one of {sorted(modes)}"
        )
    use_deterministic_algorithms(mode > 0, warn_only=mode == 1)


def get_deterministic_debug_mode() -> int:
    """0 default, 1 warn, 2 error: what was set."""
    return int(_state["deterministic"] and 2 - _state["warn_only"])


def set_flush_denormal(mode: bool) -> bool:
    """False: the smallest numbers are kept as they are."""
    return False


def set_float32_matmul_precision(precision: str) -> None:
    """Remembered only: products of float32 are computed in float32.

    Raises RuntimeError for another word than highest, high, medium.
    """
    if precision not in ("highest", "high", "medium"):
        raise RuntimeError(
            f"[set_float32_matmul_precision] {precision!r}; 'highest', 'high' or 'medium'"
        )
    _state["matmul"] = precision


def get_float32_matmul_precision() -> str:
    """What set_float32_matmul_precision set."""
    return str(_state["matmul"])


def set_num_interop_threads(num: int) -> None:
    """Accepts a number from 1 and changes nothing: one operation runs at a time."""
    if num < 1:
        raise RuntimeError(f"[set_num_interop_threads] {num} threads; 1 or more are needed")


def get_num_interop_threads() -> int:
    """1: one operation runs at a time."""
    return 1


def compile(
    model: Callable[..., Any] | None = None,
    *,
    fullgraph: bool = False,
    dynamic: bool | None = None,
    backend: Any = None,
    mode: str | None = None,
    options: dict[str, Any] | None = None,
    name: str | None = None,
    disable: bool = False,
    recompile_limit: int | None = None,
    isolate_recompiles: bool = False,
    shapes_spec: Any = None,
) -> Any:
    """The model itself, with one warning: there is no compiler. A decorator without a model.

    AssertionError for what cannot be called, RuntimeError for a backend or a mode that PyTorch has
    not, and for a mode beside options.

    Source of the signature: PyTorch's torch.compile, whose options are accepted.
    """
    if model is not None and not callable(model):
        raise AssertionError(f"[compile] {type(model).__name__} cannot be called; pass a module")
    if isinstance(backend, str) and backend not in _BACKENDS:
        raise RuntimeError(f"[compile] Invalid backend: {backend!r}; leave it out")
    if mode is not None and options is not None:
        raise RuntimeError(f"[compile] {mode=} and {options=}; pass one of them")
    if backend in (None, "inductor") and mode not in (None, *_MODES):
        raise RuntimeError(f"[compile] {mode=} is none of {_MODES}; leave it out")
    if not _state["compile"]:
        _state["compile"] = True
        warnings.warn(
            "[compile] there is no compiler here: the model is returned unchanged and runs as it "
            "is; leave compile out",
            stacklevel=2,
        )
    return (lambda function: function) if model is None else model
