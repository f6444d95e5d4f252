"""The old name of ao.nn.qat, which takes this one's place."""

from .. import ao  # noqa: F401
