"""The old name of ao.nn.intrinsic, which takes this one's place."""

from .. import ao  # noqa: F401
