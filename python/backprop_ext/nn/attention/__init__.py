"""Which kernel attention runs on: there is one, whatever is chosen.

Source of the names: https://docs.pytorch.org/docs/stable/nn.attention.html
"""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from ..._names import missing_from

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["SDPBackend", "sdpa_kernel"]

__getattr__ = missing_from("torch.nn.attention", globals())


class SDPBackend(Enum):
    """PyTorch's kernels of scaled_dot_product_attention."""

    ERROR = -1
    MATH = 0
    FLASH_ATTENTION = 1
    EFFICIENT_ATTENTION = 2
    CUDNN_ATTENTION = 3
    OVERRIDEABLE = 4


@contextmanager
def sdpa_kernel(
    backends: SDPBackend | Sequence[SDPBackend], set_priority: bool = False
) -> Iterator[None]:
    """A context that changes nothing: scaled_dot_product_attention has one kernel here.

    Raises AssertionError for what is no SDPBackend, nor a list of them.
    """
    chosen = [backends] if isinstance(backends, SDPBackend) else backends
    if not isinstance(chosen, (list, tuple)) or not all(isinstance(b, SDPBackend) for b in chosen):
        raise AssertionError(f"[sdpa_kernel] {backends!r}; pass an SDPBackend or a list of them")
    yield
