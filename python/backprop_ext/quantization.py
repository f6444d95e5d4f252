"""The old name of ao.quantization, which takes this one's place."""

from . import ao  # noqa: F401
