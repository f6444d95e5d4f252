"""Switches of PyTorch's libraries, which scripts set: accepted, and without effect."""

from __future__ import annotations

from .._names import missing_from
from . import cuda, cudnn, mkl, mkldnn, mps, openmp

__all__ = ["cuda", "cudnn", "mkl", "mkldnn", "mps", "openmp"]


__getattr__ = missing_from("torch.backends", globals())
