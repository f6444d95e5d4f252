"""Mixed precision: blocks whose products compute in bfloat16 or float16, and scaled losses.

Scripts that are written for GPUs run as PyTorch runs them where there is none: with a warning,
and in float32. Source: https://docs.pytorch.org/docs/stable/amp.html
"""

from __future__ import annotations

import warnings
from contextlib import ContextDecorator
from typing import TYPE_CHECKING, Any

from . import _core
from ._checks import is_number
from ._core import Tensor
from ._names import keep_also, missing_from
from .autograd.grad_mode import no_grad

if TYPE_CHECKING:
    from .optim.optimizer import Optimizer

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

__getattr__ = missing_from("torch.amp", globals())

_DEVICES = ("cpu", "cuda", "mps", "xpu")
_TYPES = (_core.bfloat16, _core.float16)


def is_autocast_available(device_type: str) -> bool:
    """Whether autocast does something there: on "cpu"."""
    _require_device("is_autocast_available", device_type)
    return device_type == "cpu"


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether this is inside of a block of autocast that is for the device."""
    return device_type == "cpu" and _core._get_autocast() != _core.float32


def is_autocast_cpu_enabled() -> bool:
    """Whether this is inside of a block of autocast for the CPU."""
    return is_autocast_enabled("cpu")


def is_autocast_cache_enabled() -> bool:
    """False: weights are cast at each use."""
    return False


def clear_autocast_cache() -> None:
    """Nothing: there is none."""


def get_autocast_dtype(device_type: str) -> _core.dtype:
    """The type of the block, or what one has by default: bfloat16 on the CPU, float16 elsewhere.

    Raises RuntimeError for a device_type that PyTorch has not.
    """
    _require_device("get_autocast_dtype", device_type)
    if device_type != "cpu":
        return _core.float16
    now = _core._get_autocast()
    return _core.bfloat16 if now == _core.float32 else now


def _require_device(op: str, device_type: str) -> None:
    if device_type not in _DEVICES:
        raise RuntimeError(f"[{op}] device_type is {device_type!r}; one of {_DEVICES}")


def custom_fwd(fwd: Any = None, *, device_type: str = "cpu", cast_inputs: Any = None) -> Any:
    """The forward of an autograd.Function itself; a decorator without one."""
    return (lambda function: function) if fwd is None else fwd


def custom_bwd(bwd: Any = None, *, device_type: str = "cpu") -> Any:
    """The backward of an autograd.Function itself; a decorator without one."""
    return custom_fwd(bwd)


class autocast(ContextDecorator):  # noqa: N801 (PyTorch's name)
    """A `with` block or a decorator in which products take and give `dtype`, on the CPU bfloat16.

    Matrix products, linear layers and convolutions cast their inputs to it, losses and others that
    want precision theirs to float32, all else computes in what it is given; float64 stays. Without
    effect for another device than "cpu" or another dtype than bfloat16 and float16, with a warning.
    Raises ValueError for a device_type that is no string, RuntimeError for one that PyTorch has
    not either. Source: PyTorch's torch.amp.autocast.
    """

    def __init__(
        self,
        device_type: str,
        dtype: Any = None,
        enabled: bool = True,
        cache_enabled: bool | None = None,
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"[autocast] device_type is {device_type!r}; pass a string, as 'cpu'")
        _require_device("autocast", device_type)
        self.device = device_type
        self.fast_dtype = get_autocast_dtype(device_type) if dtype is None else dtype
        if enabled and (missing := self._missing()):
            warnings.warn(
                f"[autocast] there is no {missing}; everything stays in float32, pass "
                "enabled=False",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._before: list[_core.dtype] = []

    def _missing(self) -> str:
        if self.device != "cpu":
            return "GPU here"
        if isinstance(self.fast_dtype, _core.dtype) and self.fast_dtype not in _TYPES:
            return f"product in {self.fast_dtype}, but in bfloat16 and float16"
        return ""

    def __enter__(self) -> autocast:
        if not isinstance(self.fast_dtype, _core.dtype):
            raise TypeError(f"[autocast] dtype={self.fast_dtype!r}; pass a dtype")
        if self.device == "cpu":
            now = self.fast_dtype if self._enabled else _core.float32
            self._before.append(_core._set_autocast(now))
        return self

    def __exit__(self, *exception: object) -> None:
        if self._before:
            _core._set_autocast(self._before.pop())


class GradScaler:
    """Multiplies a loss by a scale, and gradients by its inverse before a step.

    A step with infinite gradients is left out and the scale multiplied by backoff_factor; after
    growth_interval good ones it is multiplied by growth_factor. For device="cuda", the default,
    it warns and does nothing. Raises AssertionError for factors on the wrong side of 1.
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        growth_factor: float = 2.0,
        backoff_factor: float = 0.5,
        growth_interval: int = 2000,
        enabled: bool = True,
    ) -> None:
        if enabled and device == "cuda":
            warnings.warn(
                "[GradScaler] there is no GPU here; it does nothing, pass enabled=False",
                stacklevel=2,
            )
            enabled = False
        if enabled and not backoff_factor < 1.0 < growth_factor:
            raise AssertionError(
                f"[GradScaler] growth_factor={growth_factor}, backoff_factor={backoff_factor}; "
                "the first must be above 1, the second below"
            )
        if not is_number(init_scale) or (isinstance(init_scale, Tensor) and init_scale.ndim):
            raise TypeError(f"[GradScaler] {init_scale=}; pass a number")
        self._enabled = enabled
        self._scale, self._growth_tracker = init_scale, 0
        self._growth_factor, self._backoff_factor = growth_factor, backoff_factor
        self._growth_interval = growth_interval
        # Of each optimizer since the last update: whether its gradients were infinite.
        self._unscaled: dict[int, bool] = {}
        self._used = False
        self._stepped: set[int] = set()

    def is_enabled(self) -> bool:
        """Whether it does anything."""
        return self._enabled

    def get_scale(self) -> float:
        """The scale, 1 when disabled."""
        return self._scale if self._enabled else 1.0

    def get_growth_factor(self) -> float:
        """What the scale is multiplied by when it grows."""
        return self._growth_factor

    def set_growth_factor(self, new_factor: float) -> None:
        """Grow by another factor."""
        self._growth_factor = new_factor

    def get_backoff_factor(self) -> float:
        """What the scale is multiplied by after infinite gradients."""
        return self._backoff_factor

    def set_backoff_factor(self, new_factor: float) -> None:
        """Back off by another factor."""
        self._backoff_factor = new_factor

    def get_growth_interval(self) -> int:
        """After how many good steps the scale grows."""
        return self._growth_interval

    def set_growth_interval(self, new_interval: int) -> None:
        """Grow after another number of good steps."""
        self._growth_interval = new_interval

    def scale(self, outputs: Any) -> Any:
        """outputs * scale, of a tensor or of a list or tuple of them."""
        if not self._enabled:
            return outputs
        self._used = True
        if isinstance(outputs, Tensor):
            return outputs * self._scale
        if not isinstance(outputs, (list, tuple)):
            raise ValueError(
                f"[scale] a {type(outputs).__name__} was given; pass a tensor or a list of them"
            )
        return type(outputs)(self.scale(output) for output in outputs)

    def unscale_(self, optimizer: Optimizer) -> None:
        """Divide the gradients by the scale, to clip them before `step`.

        Raises RuntimeError for a second time since the last update, or after step; AssertionError
        where nothing was scaled.
        """
        if not self._enabled:
            return
        if not self._used:  # the steps would be as much too small
            raise AssertionError(
                "[GradScaler] no loss was scaled; call scaler.scale(loss).backward()"
            )
        key = id(optimizer)
        if key in self._unscaled or key in self._stepped:
            when = "after step()" if key in self._stepped else "twice"
            raise RuntimeError(f"[unscale_] it was called {when}; call update() in between")
        grads = [p.grad for group in optimizer.param_groups for p in group["params"]]
        infinite = False
        with no_grad():
            for grad in grads:
                if grad is not None:
                    infinite = infinite or not bool(_core.isfinite(grad).all())
                    grad.mul_(1.0 / self._scale)
        self._unscaled[key] = infinite

    def step(self, optimizer: Optimizer, *args: Any, **kwargs: Any) -> Any:
        """optimizer.step(), unless a gradient is infinite or NaN.

        Raises RuntimeError for a second step since the last update, or a closure.
        """
        if not self._enabled:
            return optimizer.step(*args, **kwargs)
        if "closure" in kwargs:
            raise RuntimeError("[GradScaler] a closure cannot be scaled; call step without one")
        if id(optimizer) in self._stepped:
            raise RuntimeError("[GradScaler] step() was called twice; call update() in between")
        if id(optimizer) not in self._unscaled:
            self.unscale_(optimizer)
        self._stepped.add(id(optimizer))
        return None if self._unscaled[id(optimizer)] else optimizer.step(*args, **kwargs)

    def update(self, new_scale: float | Tensor | None = None) -> None:
        """The scale for the next step. Raises AssertionError when no gradients were looked at."""
        if not self._enabled:
            return
        if new_scale is not None and not self._used:
            raise AssertionError("[update] no loss was scaled; call scaler.scale(loss).backward()")
        if new_scale is not None:
            self._scale = float(new_scale)
        elif not self._unscaled:
            raise AssertionError("[update] no step() since the last update(); call it first")
        elif any(self._unscaled.values()):
            self._scale *= self._backoff_factor
            self._growth_tracker = 0
        else:
            self._growth_tracker += 1
            if self._growth_tracker == self._growth_interval:
                self._scale *= self._growth_factor
                self._growth_tracker = 0
        self._unscaled, self._stepped = {}, set()

    def state_dict(self) -> dict[str, Any]:
        """The scale and how it changes; empty when disabled."""
        if not self._enabled:
            return {}
        return {
            "scale": self._scale,
            "growth_factor": self._growth_factor,
            "backoff_factor": self._backoff_factor,
            "growth_interval": self._growth_interval,
            "_growth_tracker": self._growth_tracker,
        }

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state_dict. Raises RuntimeError for an empty one."""
        if not self._enabled:
            return
        if not state_dict:
            raise RuntimeError("[load_state_dict] the state is empty; it was saved when disabled")
        self._scale = state_dict["scale"]
        self._growth_factor = state_dict["growth_factor"]
        self._backoff_factor = state_dict["backoff_factor"]
        self._growth_interval = state_dict["growth_interval"]
        self._growth_tracker = state_dict["_growth_tracker"]


keep_also(
    globals(),
    {"autocast_mode": "autocast custom_bwd custom_fwd", "grad_scaler": "GradScaler"},
)
