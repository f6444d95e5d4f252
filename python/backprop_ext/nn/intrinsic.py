"""The old name of ao.nn.intrinsic."""

from .._names import known_as
from ..ao import quantization as _all  # noqa: F401 (imports its modules)

known_as(__name__, f"{__package__.rpartition('.')[0]}.ao.nn.intrinsic")
