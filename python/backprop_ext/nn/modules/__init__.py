"""The layers, a file per family; each enters its names in its own `__all__`."""

from __future__ import annotations

from . import activation, container, conv, dropout, linear, loss, module, parameter_container
from .activation import *  # noqa: F403
from .container import *  # noqa: F403
from .conv import *  # noqa: F403
from .dropout import *  # noqa: F403
from .linear import *  # noqa: F403
from .loss import *  # noqa: F403
from .module import *  # noqa: F403
from .parameter_container import *  # noqa: F403

__all__: list[str] = []
__all__ += activation.__all__
__all__ += container.__all__
__all__ += conv.__all__
__all__ += dropout.__all__
__all__ += linear.__all__
__all__ += loss.__all__
__all__ += module.__all__
__all__ += parameter_container.__all__
