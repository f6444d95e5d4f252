"""Layers, losses and what they are made of. Source: https://docs.pytorch.org/docs/stable/nn.html"""

from __future__ import annotations

from . import functional, init, modules, utils
from .modules import activation, loss
from .modules.activation import *  # noqa: F403
from .modules.container import ModuleDict, ModuleList, Sequential
from .modules.dropout import Dropout
from .modules.linear import Bilinear, Flatten, Identity, Linear, Unflatten
from .modules.loss import *  # noqa: F403
from .modules.module import Module
from .modules.parameter_container import ParameterDict, ParameterList
from .parameter import Buffer, Parameter

__all__ = [
    "Bilinear",
    "Buffer",
    "Dropout",
    "Flatten",
    "Identity",
    "Linear",
    "Module",
    "ModuleDict",
    "ModuleList",
    "Parameter",
    "ParameterDict",
    "ParameterList",
    "Sequential",
    "Unflatten",
    "functional",
    "init",
    "modules",
    "utils",
]
__all__ += activation.__all__
__all__ += loss.__all__
