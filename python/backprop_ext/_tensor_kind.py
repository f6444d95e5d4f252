"""What a tensor says of its place and kind: the same for all of them, as all are on the CPU."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._core import Tensor
from ._device import CPU, no_gpu
from ._layout import preserve_format, strided
from ._samples import histogram
from ._shared import is_nonzero, is_same_size
from ._tensor import method

if TYPE_CHECKING:
    from ._layout import memory_format

__all__: list[str] = []


@method("histogram")
def _histogram(self: Tensor, bins: int | Tensor = 100, **options: Any) -> Any:
    """torch.histogram."""
    return histogram(self, bins, **options)


@method("is_nonzero")
def _is_nonzero(self: Tensor) -> bool:
    """torch.is_nonzero."""
    return is_nonzero(self)


@method("is_same_size")
def _is_same_size(self: Tensor, other: Tensor) -> bool:
    """torch.is_same_size."""
    return is_same_size(self, other)


@method("cpu")
def _cpu(self: Tensor, memory_format: memory_format = preserve_format) -> Tensor:
    """self, or a copy where it does not lie in the format: there is no other place."""
    return self.to(memory_format=memory_format)


@method("cuda")
def _cuda(self: Tensor, device_: Any = None, non_blocking: bool = False) -> Tensor:
    """Raises AssertionError: there is no GPU."""
    raise no_gpu(device_)


setattr(Tensor, "device", property(lambda self: CPU, doc="Always device('cpu')."))  # noqa: B010
setattr(Tensor, "is_cpu", property(lambda self: True, doc="Always True."))  # noqa: B010
setattr(Tensor, "layout", property(lambda self: strided, doc="Always strided."))  # noqa: B010
for _name in (
    "is_cuda",
    "is_ipu",
    "is_meta",
    "is_mkldnn",
    "is_mps",
    "is_nested",
    "is_quantized",
    "is_sparse",
    "is_sparse_csr",
    "is_xla",
    "is_xpu",
):
    setattr(Tensor, _name, property(lambda self: False, doc="Always False."))


for _name in ("is_conj", "is_neg", "is_distributed"):
    setattr(Tensor, _name, lambda self: False)


setattr(Tensor, "_grad", Tensor.grad)  # noqa: B010


@method("is_signed")
def _is_signed(self: Tensor) -> bool:
    """Whether the type has negative numbers: all but bool."""
    return self.dtype.is_signed


@method("_is_view")
def _is_view(self: Tensor) -> bool:
    """Whether it shows another tensor's memory, as autograd knows."""
    return self._base is not None


@method("to_dense")
def _to_dense(self: Tensor, dtype: Any = None, *, masked_grad: bool | None = None) -> Tensor:
    """self, in a dtype that is given."""
    return self if dtype is None else self.to(dtype)


def _lazily(name: str) -> Any:
    def call(self: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        from .sparse import _layouts

        return getattr(_layouts, name)(self, *args, **kwargs)  # type: ignore[no-any-return]

    return call


for _name in ("to_sparse", "to_sparse_coo", "to_sparse_csc", "to_sparse_csr", "sparse_mask"):
    setattr(Tensor, _name, _lazily(_name))


@method("sparse_dim")
def _sparse_dim(self: Tensor) -> int:
    """How many dimensions are told by indices: 0 of a dense tensor."""
    return 0


@method("dense_dim")
def _dense_dim(self: Tensor) -> int:
    """How many dimensions are not told by indices."""
    return self.ndim


def _of_sparse(name: str) -> Any:
    def refuse(self: Tensor) -> Any:
        raise RuntimeError(f"[{name}] the tensor is dense, a sparse one is needed; use to_sparse()")

    refuse.__name__ = name
    return refuse


for _name in ["coalesce", "is_coalesced", "indices", "values", "crow_indices", "col_indices"]:
    setattr(Tensor, _name, _of_sparse(_name))
for _name in ("_indices", "_values", "_nnz"):
    setattr(Tensor, _name, _of_sparse(_name))


@method("get_device")
def _get_device(self: Tensor) -> int:
    """-1: the CPU."""
    return -1


@method("share_memory_")
def _share_memory_(self: Tensor) -> Tensor:
    """Moves self to memory that other processes see and write too, and returns it.

    What was made of it before, views too, stays on the memory where it was.
    """
    from ._process_memory import share

    share(self)
    return self


@method("is_shared")
def _is_shared(self: Tensor) -> bool:
    """Whether share_memory_ has moved its memory."""
    from ._process_memory import is_shared

    return is_shared(self)


@method("pin_memory")
def _same(self: Tensor, device: Any = None) -> Tensor:
    """self: there is no memory of another kind."""
    return self


@method("is_pinned")
def _is_pinned(self: Tensor, device: Any = None) -> bool:
    """False: no memory is pinned."""
    return False
