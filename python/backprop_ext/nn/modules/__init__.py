"""The layers, a file per family; each enters its names in its own `__all__`."""

from __future__ import annotations

from ..._names import keep_also
from . import (
    activation,
    adaptive,
    attention,
    batchnorm,
    container,
    conv,
    distance,
    dropout,
    fractional_pooling,
    image,
    lazy,
    linear,
    loss,
    margin_loss,
    module,
    normalization,
    padding,
    parameter_container,
    pooling,
    rnn,
    shrink,
    sparse,
    transformer,
)
from . import utils as utils
from .activation import *  # noqa: F403
from .adaptive import *  # noqa: F403
from .attention import *  # noqa: F403
from .batchnorm import *  # noqa: F403
from .batchnorm import _InstanceNorm as _InstanceNorm
from .container import *  # noqa: F403
from .conv import *  # noqa: F403
from .distance import *  # noqa: F403
from .dropout import *  # noqa: F403
from .fractional_pooling import *  # noqa: F403
from .image import *  # noqa: F403
from .lazy import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .margin_loss import *  # noqa: F403
from .module import *  # noqa: F403
from .normalization import *  # noqa: F403
from .padding import *  # noqa: F403
from .parameter_container import *  # noqa: F403
from .pooling import *  # noqa: F403
from .rnn import *  # noqa: F403
from .shrink import *  # noqa: F403
from .sparse import *  # noqa: F403
from .transformer import *  # noqa: F403

__all__: list[str] = []
__all__ += activation.__all__
__all__ += adaptive.__all__
__all__ += attention.__all__
__all__ += batchnorm.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += distance.__all__
__all__ += dropout.__all__
__all__ += fractional_pooling.__all__
__all__ += image.__all__
__all__ += lazy.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += margin_loss.__all__
__all__ += module.__all__
__all__ += normalization.__all__
__all__ += padding.__all__
__all__ += parameter_container.__all__
__all__ += pooling.__all__
__all__ += rnn.__all__
__all__ += shrink.__all__
__all__ += sparse.__all__
__all__ += transformer.__all__

keep_also(
    globals(),
    {
        "activation": "GLU Hardshrink MultiheadAttention RReLU Softmax2d Softshrink Threshold",
        "batchnorm": "LazyBatchNorm1d LazyBatchNorm2d LazyBatchNorm3d",
        "channelshuffle": "ChannelShuffle",
        "container": "ParameterDict ParameterList",
        "conv": "LazyConv1d LazyConv2d LazyConv3d LazyConvTranspose1d LazyConvTranspose2d "
        "LazyConvTranspose3d",
        "flatten": "Flatten Unflatten",
        "fold": "Fold Unfold",
        "instancenorm": "InstanceNorm1d InstanceNorm2d InstanceNorm3d LazyInstanceNorm1d "
        "LazyInstanceNorm2d LazyInstanceNorm3d _InstanceNorm",
        "linear": "LazyLinear",
        "loss": " ".join(margin_loss.__all__),
        "pixelshuffle": "PixelShuffle PixelUnshuffle",
        "pooling": "FractionalMaxPool2d FractionalMaxPool3d",
        "upsampling": "Upsample UpsamplingBilinear2d UpsamplingNearest2d",
    },
)
