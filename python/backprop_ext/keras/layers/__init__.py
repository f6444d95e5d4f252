"""The layers, a file per family."""

from __future__ import annotations

from ..base import Layer
from ..topology import Variable
from . import (
    advanced_activations,
    convolutional,
    core,
    dense,
    elementwise,
    embeddings,
    inputs,
    local,
    merging,
    noise,
    normalization,
    parts,
    pooling,
    recurrent,
    resampling,
    wrappers,
)
from .advanced_activations import *  # noqa: F403
from .convolutional import *  # noqa: F403
from .core import *  # noqa: F403
from .dense import *  # noqa: F403
from .elementwise import *  # noqa: F403
from .embeddings import *  # noqa: F403
from .inputs import *  # noqa: F403
from .local import *  # noqa: F403
from .merging import *  # noqa: F403
from .noise import *  # noqa: F403
from .normalization import *  # noqa: F403
from .parts import *  # noqa: F403
from .pooling import *  # noqa: F403
from .recurrent import *  # noqa: F403
from .resampling import *  # noqa: F403
from .wrappers import *  # noqa: F403

__all__ = ["Layer", "Variable"]
__all__ += advanced_activations.__all__
__all__ += convolutional.__all__
__all__ += core.__all__
__all__ += dense.__all__
__all__ += elementwise.__all__
__all__ += embeddings.__all__
__all__ += inputs.__all__
__all__ += local.__all__
__all__ += merging.__all__
__all__ += noise.__all__
__all__ += normalization.__all__
__all__ += parts.__all__
__all__ += pooling.__all__
__all__ += recurrent.__all__
__all__ += resampling.__all__
__all__ += wrappers.__all__
