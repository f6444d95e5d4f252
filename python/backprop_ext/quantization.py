"""The old name of ao.quantization."""

from ._names import known_as

known_as(__name__, f"{__package__}.ao.quantization")
