"""The losses of BigDL, on arrays (forward, backward) and on tensors (called), by family."""

from __future__ import annotations

from . import classification, combined, margin, regression, similarity
from .base import Criterion
from .classification import *  # noqa: F403
from .combined import *  # noqa: F403
from .margin import *  # noqa: F403
from .regression import *  # noqa: F403
from .similarity import *  # noqa: F403

__all__ = ["Criterion"]
__all__ += classification.__all__
__all__ += combined.__all__
__all__ += margin.__all__
__all__ += regression.__all__
__all__ += similarity.__all__
