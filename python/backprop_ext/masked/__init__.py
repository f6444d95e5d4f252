"""Masked tensors, and reductions over the elements that a mask selects: torch.masked."""

from . import _ops, maskedtensor
from ._ops import *  # noqa: F403
from .maskedtensor import *  # noqa: F403

__all__ = [*_ops.__all__, *maskedtensor.__all__]
