"""Training with the rounding of int8 in the forward pass, and what it leads to, in eager mode.

Source: https://docs.pytorch.org/docs/stable/quantization.html
"""

from __future__ import annotations

from typing import Any

from ..._names import keep_also, missing_from
from .fake_quantize import *  # noqa: F403
from .fuse_modules import *  # noqa: F403
from .observer import *  # noqa: F403
from .qconfig import *  # noqa: F403
from .quantization_mappings import *  # noqa: F403
from .quantize import *  # noqa: F403
from .stubs import *  # noqa: F403


def default_eval_fn(model: Any, calib_data: Any) -> None:
    """Run the model on the inputs of pairs."""
    for data, _ in calib_data:
        model(data)


keep_also(
    globals(),
    {
        "fuser_method_mappings": "fuse_conv_bn fuse_conv_bn_relu fuse_linear_bn "
        "fuse_convtranspose_bn get_fuser_method",
    },
)
__getattr__ = missing_from("torch.ao.quantization", globals())
