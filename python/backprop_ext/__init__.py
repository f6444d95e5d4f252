"""PyTorch's training API for small networks on the CPU: `import backprop_ext as torch`."""

from __future__ import annotations

from math import e, inf, nan, pi
from typing import TYPE_CHECKING, Any

from . import _core, autograd, linalg, nn, optim, random, special
from ._core import *  # noqa: F403 (every registered op, under its own name)
from ._core import Tensor
from ._device import cuda, device
from ._legacy import BoolTensor, DoubleTensor, FloatTensor, IntTensor, LongTensor
from ._size import Size
from ._tensor import is_tensor, numel
from ._tensor_str import get_printoptions, printoptions, set_printoptions
from .autograd.anomaly_mode import is_anomaly_enabled
from .autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .serialization import load, save

if TYPE_CHECKING:
    from . import func as func
    from . import utils as utils

__version__ = "0.1.0"

float = _core.float32  # PyTorch's names: from here on they hide the builtins
double = _core.float64
int = _core.int32
long = _core.int64

__all__ = [
    "BoolTensor",
    "DoubleTensor",
    "FloatTensor",
    "IntTensor",
    "LongTensor",
    "Size",
    "Tensor",
    "autograd",
    "cuda",
    "device",
    "double",
    "e",
    "enable_grad",
    "float",
    "get_printoptions",
    "get_rng_state",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "linalg",
    "load",
    "long",
    "manual_seed",
    "nan",
    "nn",
    "no_grad",
    "numel",
    "optim",
    "pi",
    "printoptions",
    "random",
    "save",
    "seed",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "special",
]
__all__ += _core.__all__


def __getattr__(name: str) -> Any:
    """`func`, `testing`, `types`, `utils` on first use; for another name, the nearest there is."""
    if name in ("func", "testing", "types", "utils"):
        from importlib import import_module

        return import_module(f"{__name__}.{name}")
    from difflib import get_close_matches

    near = get_close_matches(name, __all__, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"dir({__name__}) lists what there is"
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}; {hint}")
