"""Layers, losses and what they are made of. Source: https://docs.pytorch.org/docs/stable/nn.html"""

from __future__ import annotations

from . import functional, init, modules, utils
from .modules import *  # noqa: F403
from .parameter import Buffer, Parameter

__all__ = ["Buffer", "Parameter", "functional", "init", "modules", "utils"]
__all__ += modules.__all__
