"""The layers."""

from __future__ import annotations

from . import activation, loss
from .activation import *  # noqa: F403
from .container import ModuleDict, ModuleList, Sequential
from .dropout import Dropout
from .linear import Bilinear, Flatten, Identity, Linear, Unflatten
from .loss import *  # noqa: F403
from .module import Module
from .parameter_container import ParameterDict, ParameterList

__all__ = [
    "Bilinear",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "Unflatten",
]
__all__ += activation.__all__
__all__ += loss.__all__
