"""Means of gradients, sent as they are or in half the bytes.

Source of the names: https://docs.pytorch.org/docs/stable/ddp_comm_hooks.html
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from .... import _core
from ..._collectives import all_reduce
from ...distributed_c10d import the_group

if TYPE_CHECKING:
    from ....futures import Future
    from ..._buckets import GradBucket

__all__ = ["allreduce_hook", "bf16_compress_hook", "fp16_compress_hook"]


def allreduce_hook(process_group: Any, bucket: GradBucket) -> Future[Any]:
    """The mean."""
    return _mean(bucket.buffer().dtype, process_group, bucket)


def _mean(dtype: _core.dtype, process_group: Any, bucket: GradBucket) -> Future[Any]:
    group, buffer = the_group("register_comm_hook", process_group), bucket.buffer()
    sent = buffer.to(dtype).div_(group.size())
    work = all_reduce(sent, group=group, async_op=True)
    assert work is not None
    return work.get_future().then(lambda future: buffer.copy_(future.value()[0]))


fp16_compress_hook = partial(_mean, _core.float16)
bf16_compress_hook = partial(_mean, _core.bfloat16)
