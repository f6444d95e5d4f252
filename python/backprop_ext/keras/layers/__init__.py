"""The layers, a file per family."""

from __future__ import annotations

from ..base import Layer
from ..topology import Variable
from . import (
    advanced_activations,
    convolutional,
    core,
    dense,
    embeddings,
    inputs,
    merging,
    noise,
    normalization,
    pooling,
    recurrent,
    resampling,
    torch_style,
    wrappers,
)
from .advanced_activations import *  # noqa: F403
from .convolutional import *  # noqa: F403
from .core import *  # noqa: F403
from .dense import *  # noqa: F403
from .embeddings import *  # noqa: F403
from .inputs import *  # noqa: F403
from .merging import *  # noqa: F403
from .noise import *  # noqa: F403
from .normalization import *  # noqa: F403
from .pooling import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .resampling import *  # noqa: F403
from .torch_style import *  # noqa: F403
from .wrappers import *  # noqa: F403

__all__ = ["Layer", "Variable"]
__all__ += advanced_activations.__all__
__all__ += convolutional.__all__
__all__ += core.__all__
__all__ += dense.__all__
__all__ += embeddings.__all__
__all__ += inputs.__all__
__all__ += merging.__all__
__all__ += noise.__all__
__all__ += normalization.__all__
__all__ += pooling.__all__
__all__ += recurrent.__all__
__all__ += resampling.__all__
__all__ += torch_style.__all__
__all__ += wrappers.__all__
