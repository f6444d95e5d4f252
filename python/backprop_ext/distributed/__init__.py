"""Processes that train together, on Python's sockets: gloo's operations under PyTorch's names.

Source of the names: https://docs.pytorch.org/docs/stable/distributed.html
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from .._names import missing_from

if TYPE_CHECKING:
    from .distributed_c10d import ProcessGroup

__all__ = [
    "DistBackendError",
    "DistError",
    "DistNetworkError",
    "DistStoreError",
    "GroupMember",
    "ReduceOp",
    "group",
    "is_available",
    "is_gloo_available",
    "is_initialized",
    "is_mpi_available",
    "is_nccl_available",
    "is_ucc_available",
    "is_xccl_available",
]


class ReduceOp(enum.Enum):
    """How the values of several processes are combined."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7


class DistError(RuntimeError):
    """What goes wrong between processes."""


class DistBackendError(DistError):
    """A collective failed: a process has gone, or does something else, or is late."""


class DistNetworkError(DistError):
    """No connection can be made."""


class DistStoreError(DistError):
    """A key did not come in time."""


class GroupMember:
    """The group of all processes, None before init_process_group; what stands for no member."""

    WORLD: ProcessGroup | None = None
    NON_GROUP_MEMBER: Final = -100


class group(GroupMember):  # noqa: N801
    """group.WORLD."""


def is_available() -> bool:
    """True."""
    return True


def is_initialized() -> bool:
    """Whether init_process_group was called."""
    return GroupMember.WORLD is not None


def is_gloo_available() -> bool:
    """True: the package has its operations, not its code."""
    return True


def is_nccl_available() -> bool:
    """False, as are the others: there is one backend."""
    return False


is_mpi_available = is_ucc_available = is_xccl_available = is_nccl_available

_places = {
    ".distributed_c10d": "Backend P2POp ProcessGroup Work _get_default_group default_pg_timeout "
    "destroy_process_group get_backend get_global_rank get_group_rank get_process_group_ranks "
    "get_rank get_world_size init_process_group is_backend_available is_torchelastic_launched "
    "new_group",
    "._collectives": "all_gather all_gather_into_tensor all_reduce all_to_all all_to_all_single "
    "barrier broadcast gather monitored_barrier reduce reduce_scatter reduce_scatter_tensor "
    "scatter",
    "._point_to_point": "batch_isend_irecv irecv isend recv send",
    "._objects": "all_gather_object broadcast_object_list gather_object recv_object_list "
    "scatter_object_list send_object_list",
    ".store": "FileStore HashStore PrefixStore Store TCPStore",
    "._buckets": "GradBucket",
}
_modules = ("distributed_c10d", "elastic", "launch", "nn", "optim", "run")
_lazy = {name: place for place, names in _places.items() for name in names.split()}
_lazy |= {name: f".{name}" for name in _modules}
__all__ += [name for name in _lazy if name[0] != "_" and name not in _modules]

__getattr__ = missing_from("torch.distributed", globals(), _lazy)
