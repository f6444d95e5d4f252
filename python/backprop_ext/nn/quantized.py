"""The old name of ao.nn.quantized, which takes this one's place."""

from .. import ao  # noqa: F401
