"""The version that scripts compare: PyTorch's, whose interface this is, then this package's own."""

from __future__ import annotations

import operator
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["TorchVersion"]

_FORM = re.compile(r"v?(\d+(?:\.\d+)*)[-_.]?(dev|a|b|rc|post)?[-_.]?(\d*)(\+.*)?")
_STAGES = ("dev", "a", "b", "rc", None, "post")


def _key(version: str) -> tuple[list[int], int, int, str] | None:
    """What versions are ordered by, None for what is none."""
    found = _FORM.fullmatch(version)
    if found is None:
        return None
    release = [int(part) for part in found[1].split(".")]
    while len(release) > 1 and release[-1] == 0:
        release.pop()
    return release, _STAGES.index(found[2]), int(found[3] or 0), found[4] or ""


def _comparison(how: Callable[[Any, Any], bool]) -> Any:
    def compare(self: TorchVersion, other: Any) -> Any:
        if not isinstance(other, (str, tuple, list)):
            return NotImplemented
        text = str(other) if isinstance(other, str) else ".".join(map(str, other))
        ours, theirs = _key(str(self)), _key(text)
        return how(str(self), text) if ours is None or theirs is None else how(ours, theirs)

    return compare


class TorchVersion(str):
    """A string that is compared as a version: "2.13.0" > "2.2", and > (2, 2)."""

    __slots__ = ()
    __lt__ = _comparison(operator.lt)
    __le__ = _comparison(operator.le)
    __gt__ = _comparison(operator.gt)
    __ge__ = _comparison(operator.ge)
    __eq__ = _comparison(operator.eq)
    __ne__ = _comparison(operator.ne)
    __hash__ = str.__hash__
