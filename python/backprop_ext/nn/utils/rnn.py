"""Sequences of different lengths: padded to one tensor, or packed step by step.

Source: https://docs.pytorch.org/docs/stable/nn.html#utility-functions
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ... import _core
from ..._checks import the_bool, the_tensor
from ..._core import Tensor

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """Steps one after the other: data (sum of lengths, ...), batch_sizes[t] rows in step t.

    The sequences are in the order `sorted_indices`, longest first; `unsorted_indices` undoes it.
    Made by pack_padded_sequence and pack_sequence.
    """

    __slots__ = ()

    def __new__(
        cls,
        data: Tensor,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> PackedSequence:
        if batch_sizes is None:
            if not isinstance(data, (list, tuple)) or len(data) != 2:
                raise AssertionError(
                    "[PackedSequence] batch_sizes are missing; make one by pack_padded_sequence"
                )
            data, batch_sizes = data
        the_tensor("PackedSequence", batch_sizes, "batch_sizes")
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> PackedSequence:
        """The same with its data converted."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self) -> PackedSequence:
        """self: there is no other place."""
        return self

    def pin_memory(self) -> PackedSequence:
        """self: no memory is pinned on a CPU."""
        return self

    def double(self) -> PackedSequence:
        """to(float64)."""
        return self.to(_core.float64)

    def float(self) -> PackedSequence:
        """to(float32)."""
        return self.to(_core.float32)

    def half(self) -> PackedSequence:
        """to(float16)."""
        return self.to(_core.float16)

    def long(self) -> PackedSequence:
        """to(int64)."""
        return self.to(_core.int64)

    def int(self) -> PackedSequence:
        """to(int32)."""
        return self.to(_core.int32)

    @property
    def is_cuda(self) -> bool:
        """False."""
        return False

    def is_pinned(self) -> bool:
        """False."""
        return False


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """q with q[p[i]] = i."""
    if permutation is None:
        return None
    the_tensor("invert_permutation", permutation, "permutation")
    if permutation.dtype not in (_core.int32, _core.int64):
        raise RuntimeError(f"[invert_permutation] {permutation.dtype=}; pass int64")
    inverse = _core.empty(permutation.shape, dtype=_core.int64)
    inverse[permutation] = _core.arange(permutation.numel())
    return inverse


def _as_lengths(op: str, lengths: Any) -> Tensor:
    found = _core.as_tensor(lengths, dtype=_core.int64)
    if found.ndim != 1 or not found.numel() or int(found.min().item()) < 1:
        raise RuntimeError(
            f"[{op}] the lengths are {found.tolist()}; Length of all samples has to be greater "
            "than 0: pass one length per sample"
        )
    return found


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """The elements of input (time, batch, ...) that lie within the lengths, step by step.

    Raises RuntimeError for lengths below 1, of another number than the batch, above the time, or
    (with enforce_sorted) not falling.
    """
    op = "pack_padded_sequence"
    the_bool(op, batch_first, "batch_first")
    counts = _as_lengths(op, lengths)
    order = None
    if not enforce_sorted:
        sizes: list[int] = counts.tolist()
        order = _core.tensor(sorted(range(len(sizes)), key=lambda n: -sizes[n]))
        counts = counts[order]
    if the_tensor(op, input).ndim < 2:
        raise IndexError(f"[{op}] {input.shape=}; pass (time, batch, ...), or batch first")
    x = input.transpose(0, 1) if batch_first else input
    if counts.numel() != x.shape[1]:
        raise RuntimeError(
            f"[{op}] {counts.numel()} lengths for a batch of {x.shape[1]} in shape "
            f"{tuple(input.shape)}; pass one per sample, and check batch_first={batch_first}"
        )
    if order is not None:
        x = x.index_select(1, order)
    longest = int(counts[0].item())
    if bool((counts[1:] > counts[:-1]).any()):
        raise RuntimeError(
            f"[{op}] the lengths {counts.tolist()} are not sorted in decreasing order; pass "
            "enforce_sorted=False"
        )
    if longest > x.shape[0]:
        raise RuntimeError(
            f"[{op}] the longest length is {longest}, the input has {x.shape[0]} steps; cut the "
            "lengths, or check batch_first"
        )
    inside = _core.arange(longest).unsqueeze(1) < counts
    return PackedSequence(x[:longest][inside], inside.sum(1), order, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple[Tensor, Tensor]:
    """(padded (time, batch, ...), lengths): what pack_padded_sequence was given.

    Raises ValueError when total_length is below the longest length.
    """
    data, batch_sizes, back = sequence.data, sequence.batch_sizes, sequence.unsorted_indices
    longest = batch_sizes.numel()
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                f"[pad_packed_sequence] total_length={total_length} is below the longest sequence "
                f"of {longest}; pass that or more"
            )
        longest = total_length
    the_bool("pad_packed_sequence", batch_first, "batch_first")
    batch = int(batch_sizes[0].item())
    inside = _core.arange(batch) < batch_sizes.unsqueeze(1)
    lengths = inside.sum(0)
    padded = _core.full((longest, batch, *data.shape[1:]), padding_value, dtype=data.dtype)
    padded[_core.arange(longest).unsqueeze(1) < lengths] = data
    if batch_first:
        padded = padded.transpose(0, 1)
    if back is not None:
        padded, lengths = padded.index_select(0 if batch_first else 1, back), lengths[back]
    return padded, lengths


def pad_sequence(
    sequences: Tensor | Iterable[Tensor],
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Tensor:
    """Tensors (length, ...) as one (longest, batch, ...), or (batch, longest, ...).

    Raises RuntimeError for what is no list, and for another padding_side.
    """
    rows = list(sequences) if isinstance(sequences, Iterable) else []
    the_bool("pad_sequence", batch_first, "batch_first")
    if not rows or any(the_tensor("pad_sequence", row, "sequences").ndim == 0 for row in rows):
        raise RuntimeError(
            f"[pad_sequence] sequences is a {type(sequences).__name__}; pass a list of one tensor "
            "or more, of one dimension or more"
        )
    if padding_side not in ("left", "right"):
        raise (RuntimeError if isinstance(padding_side, str) else TypeError)(
            f"[pad_sequence] {padding_side=}; pass 'left' or 'right'"
        )
    lengths = _core.tensor([row.shape[0] for row in rows])
    longest = int(lengths.max().item())
    sizes = (len(rows), longest) if batch_first else (longest, len(rows))
    padded = _core.full((*sizes, *rows[0].shape[1:]), padding_value, dtype=rows[0].dtype)
    place = _core.arange(longest)
    inside = place < lengths.unsqueeze(1)
    if padding_side == "left":
        inside = place >= (longest - lengths).unsqueeze(1)
    by_row = padded[:] if batch_first else padded.transpose(0, 1)
    by_row[inside] = _core.cat(rows)
    return padded


def unpad_sequence(
    padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False
) -> list[Tensor]:
    """The tensors that pad_sequence was given."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(n)] for row, n in zip(rows.unbind(0), lengths.tolist(), strict=True)]


def pack_sequence(sequences: Sequence[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Tensors (length, ...), longest first unless enforce_sorted=False, packed step by step."""
    lengths = _core.tensor([row.shape[0] for row in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The tensors that pack_sequence was given."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
