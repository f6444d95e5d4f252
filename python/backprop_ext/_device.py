"""Where a tensor lives: always the CPU."""

from __future__ import annotations

from typing import Final

__all__ = ["CPU", "device"]


class device:  # noqa: N801 (PyTorch's name)
    """device("cpu"): the only one there is.

    Raises RuntimeError for any other. Source: PyTorch's torch.device.
    """

    __slots__ = ("index", "type")

    def __init__(self, type: str | device = "cpu", index: int | None = None) -> None:
        kind, _, number = str(type).partition(":")
        if kind != "cpu" or (number or "0") != "0" or index not in (None, 0):
            asked = type if index is None else f"{type}:{index}"
            raise RuntimeError(
                f"[device] {asked!s} was asked for, cpu is what there is: "
                "this package runs on the CPU only; drop the device or write device('cpu')"
            )
        self.type: Final = "cpu"
        self.index: Final = 0 if number or index == 0 else None

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __repr__(self) -> str:
        index = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{index})"

    def __reduce__(self) -> tuple[type[device], tuple[str]]:
        return device, (str(self),)


CPU: Final = device("cpu")
