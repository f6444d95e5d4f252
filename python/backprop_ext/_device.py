"""Where a tensor lives: on the CPU, or nowhere (`_meta.py`)."""

from __future__ import annotations

from types import NoneType
from typing import Final

__all__ = ["CPU", "OnMetaError", "current", "device", "no_gpu", "on_cpu", "set_default"]

_TYPES: Final = ("cpu", "cuda", "mps", "xpu", "mtia", "hpu", "xla", "meta")
_BY_NAME: Final = ("cuda", "xpu", "mtia")  # where PyTorch asserts that it was compiled with them


class OnMetaError(RuntimeError):
    """A tensor was to be on the meta device. Where there is a way, `_meta.py` takes over."""


class device:  # noqa: N801 (PyTorch's name)
    """The name of a place, as "cpu" or "cuda:0". Tensors can only be on the CPU.

    Raises RuntimeError for a name that PyTorch does not know, for two indices, and for a number
    alone: that names an accelerator, and there is none.
    Source: PyTorch's torch.device.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str | int | device, index: int | None = None) -> None:
        for what, value in (("type", type), ("index", index)):
            known = (str, int, device) if what == "type" else (int, NoneType)
            if isinstance(value, bool) or not isinstance(value, known):
                raise TypeError(f"[device] {what}={value!r}; pass a name, as 'cpu', or a number")
        if isinstance(type, int):
            raise RuntimeError(
                f"[device] {type} names an accelerator, and cpu is what there is; write 'cpu'"
            )
        name = str(type)
        kind, colon, number = name.partition(":")
        if kind not in _TYPES or (colon and (index is not None or not number.isdecimal())):
            raise RuntimeError(
                f"[device] {name!r} with index {index}; pass one of {', '.join(_TYPES)}, "
                "with one index at most, as 'cuda:0'"
            )
        if index is not None and index < 0:
            raise RuntimeError(f"[device] {name!r} with index {index}; pass 0 or more")
        self.type: Final = kind
        self.index: Final = int(number) if number else index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __reduce__(self) -> tuple[type[device], tuple[str]]:
        return device, (str(self),)

    def __enter__(self) -> device:
        if self.type != "meta":
            on_cpu(self)
        _places.append(self.type)
        _tell()
        return self

    def __exit__(self, *exception: object) -> None:
        _places.pop()
        _tell()


# Where tensors are made: by default, and in the blocks that are open.
_places: list[str] = ["cpu"]


def current() -> device:
    """Where tensors are made now."""
    return device(_places[-1])


def _tell() -> None:
    """On the meta device of every call."""
    from . import _core

    if _places[-1] == "meta":
        from ._meta import told

        _core._set_meta_block(told)
    else:
        _core._set_meta_block(None)


def set_default(place: device) -> None:
    """Where tensors are made outside of blocks. RuntimeError for a GPU and its like."""
    if place.type != "meta":
        on_cpu(place)
    _places[0] = place.type
    _tell()


def on_cpu(place: str | int | device, kind: type[Exception] = AssertionError) -> None:
    """Raises where a tensor is to go to another place than the CPU.

    `kind` for a GPU, by default as from a PyTorch that was built without, else RuntimeError.
    """
    found = device(place)
    if found.type == "meta":
        from . import _meta  # noqa: F401 (from here on such calls are taken over)

        raise OnMetaError(
            "[device] meta was asked for where no tensor is made of sizes; write 'cpu'"
        )
    if found.type != "cpu" or found.index not in (None, 0):
        raise (kind if found.type in _BY_NAME else RuntimeError)(
            f"[device] {found} was asked for, cpu is what there is: "
            "this package runs on the CPU only; drop the device or write device('cpu')"
        )


def no_gpu(place: str | int | device | None) -> Exception:
    """The error of a tensor's way to a GPU; RuntimeError where the place is none."""
    if isinstance(place, int) or (place is not None and device(place).type != "cuda"):
        return RuntimeError(f"[cuda] {place} is no GPU, and cpu is what there is; leave cuda() out")
    return AssertionError("[cuda] a GPU was asked for, cpu is what there is; leave cuda() out")


CPU: Final = device("cpu")
