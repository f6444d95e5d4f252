"""Where a NaN, or an error, of a backward pass comes from."""

from __future__ import annotations

from .. import _core
from .._checks import the_bool

__all__ = ["detect_anomaly", "is_anomaly_enabled", "set_detect_anomaly"]


def is_anomaly_enabled() -> bool:
    """Whether anomaly mode is on."""
    return bool(_core._anomaly()[0])


class set_detect_anomaly:  # noqa: N801 (PyTorch's name)
    """Switch anomaly mode on or off, at once; as a `with`, only inside. For all threads.

    In anomaly mode each operation remembers the Python stack it was recorded at, and a backward
    that fails, or (check_nan) computes NaN, warns with that stack and raises RuntimeError. Slow:
    for debugging. Source: https://docs.pytorch.org/docs/stable/autograd.html#anomaly-detection
    """

    def __init__(self, mode: bool, check_nan: bool = True) -> None:
        the_bool("set_detect_anomaly", mode, "mode")
        the_bool("set_detect_anomaly", check_nan, "check_nan")
        self._earlier = _core._anomaly()
        _core._set_anomaly(mode, check_nan)

    def __enter__(self) -> None:
        """Switched already."""

    def __exit__(self, *exception: object) -> None:
        _core._set_anomaly(*self._earlier)


class detect_anomaly:  # noqa: N801 (PyTorch's name)
    """Anomaly mode inside a `with`, see set_detect_anomaly."""

    def __init__(self, check_nan: bool = True) -> None:
        self.check_nan = check_nan

    def __enter__(self) -> None:
        self._mode = set_detect_anomaly(True, self.check_nan)

    def __exit__(self, *exception: object) -> None:
        self._mode.__exit__(*exception)
