"""Normalisation by moments of the batch or of each image, with running estimates of them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from ... import _core
from ..._checks import the_tensor
from ...autograd.grad_mode import no_grad
from .. import functional as F
from .normalization import _Affine

if TYPE_CHECKING:
    from ..._core import Tensor
    from ...types import Device

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "SyncBatchNorm",
]


class _NormBase(_Affine):
    """Weight, bias, and running moments as buffers.

    running = (1 - momentum) running + momentum batch; momentum None: the mean of all batches.
    """

    _version = 2
    _ndims: ClassVar[tuple[int, ...]]
    running_mean: Tensor | None
    running_var: Tensor | None
    num_batches_tracked: Tensor | None

    def _build(
        self,
        num_features: int,
        eps: float,
        momentum: float | None,
        affine: bool,
        track_running_stats: bool,
        bias: bool,
        factory: dict[str, Any],
    ) -> None:
        self.num_features, self.eps, self.momentum = num_features, eps, momentum
        self.affine, self.track_running_stats = affine, track_running_stats
        tracked = track_running_stats
        made = _core.zeros(num_features, **factory) if tracked else None
        self.register_buffer("running_mean", made)
        made = _core.ones(num_features, **factory) if tracked else None
        self.register_buffer("running_var", made)
        count = _core.zeros((), dtype=_core.int64) if tracked else None
        self.register_buffer("num_batches_tracked", count)
        self._add_affine(num_features, affine, affine and bias, **factory)

    def _load_from_state_dict(
        self, state_dict: Any, prefix: str, local_metadata: Any, *rest: Any, **named: Any
    ) -> None:
        # Files from before there were versions have no count.
        key, count = prefix + "num_batches_tracked", self.num_batches_tracked
        if local_metadata.get("version", 0) < 2 and count is not None:
            state_dict.setdefault(key, count)
        super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest, **named)

    def reset_running_stats(self) -> None:
        """Running mean 0 and variance 1, no batches seen."""
        if self.running_mean is None or self.running_var is None:
            return
        self.running_mean.zero_()
        self.running_var.fill_(1)
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """Running moments and parameters as at the start."""
        self.reset_running_stats()
        super().reset_parameters()

    def _check(self, input: Tensor) -> None:
        if the_tensor(type(self).__name__, input).ndim not in self._ndims:
            expected = " or ".join(str(n) for n in self._ndims)
            raise ValueError(
                f"[{type(self).__name__}] the input has shape {tuple(input.shape)}; expected "
                f"{expected} dimensions"
            )

    def extra_repr(self) -> str:
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )


class _BatchNorm(_NormBase):
    """y = (x - mean) / sqrt(variance + eps) A + b per channel of x (N, C, ...).

    The moments are the batch's in training, the running ones in evaluation. A starts at 1, b at 0.
    Raises ValueError for other dimensions, and for one value per channel in training.
    Source: Ioffe and Szegedy, ICML 2015.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Device = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self._build(num_features, eps, momentum, affine, track_running_stats, bias, factory)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        step = 0.0 if self.momentum is None else self.momentum
        if self.training and self.track_running_stats and self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:
                step = 1.0 / float(self.num_batches_tracked)
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        tracked = not self.training or self.track_running_stats
        return F.batch_norm(
            input,
            self.running_mean if tracked else None,
            self.running_var if tracked else None,
            self.weight,
            self.bias,
            by_batch,
            step,
            self.eps,
        )


class BatchNorm1d(_BatchNorm):
    __doc__ = _BatchNorm.__doc__
    _ndims = (2, 3)


class BatchNorm2d(_BatchNorm):
    __doc__ = _BatchNorm.__doc__
    _ndims = (4,)


class BatchNorm3d(_BatchNorm):
    __doc__ = _BatchNorm.__doc__
    _ndims = (5,)


class SyncBatchNorm(_BatchNorm):
    """BatchNorm of two to five dimensions, with the moments of the batches of all processes.

    Source: PyTorch's torch.nn.SyncBatchNorm.
    """

    _ndims = (2, 3, 4, 5)

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Device = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        self.process_group = process_group

    def forward(self, input: Tensor) -> Tensor:
        from ... import distributed

        group = self.process_group or distributed.GroupMember.WORLD
        by_batch = self.training or (self.running_mean is None and self.running_var is None)
        if group is None or group.size() == 1 or not by_batch:
            return super().forward(input)
        self._check(input)
        sum_all = partial(distributed.nn.all_reduce, group=group)
        dims, shape = [0, *range(2, input.ndim)], [-1] + [1] * (input.ndim - 2)
        count = sum_all(_core.tensor([float(input.numel() // input.shape[1])], dtype=input.dtype))
        mean = sum_all(input.sum(dims)) / count
        centred = input - mean.view(shape)
        variance = sum_all((centred * centred).sum(dims)) / count
        if self.training and self.running_mean is not None and self.running_var is not None:
            with no_grad():
                self.num_batches_tracked.add_(1)  # type: ignore[union-attr]
                step = self.momentum
                if step is None:
                    step = 1.0 / float(self.num_batches_tracked)  # type: ignore[arg-type]
                self.running_mean.lerp_(mean, step)
                self.running_var.lerp_(variance * (count / (count - 1)), step)
        y = centred * (variance + self.eps).rsqrt().view(shape)
        if self.weight is not None:
            y = y * self.weight.view(shape)
        return y if self.bias is None else y + self.bias.view(shape)  # type: ignore[no-any-return]

    @classmethod
    def convert_sync_batchnorm(cls, module: Any, process_group: Any = None) -> Any:
        """The module with such layers in the place of BatchNorm; their tensors stay the same."""
        if isinstance(module, _BatchNorm):
            layer = cls(
                module.num_features, module.eps, module.momentum, False, False, process_group
            )
            for name in ("affine", "track_running_stats", "training"):
                setattr(layer, name, getattr(module, name))
            for name in ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"):
                setattr(layer, name, getattr(module, name))
            return layer
        for name, child in module.named_children():
            module.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return module


class _InstanceNorm(_NormBase):
    """y = (x - mean) / sqrt(variance + eps) A + b per image and channel of x (N, C, ...).

    With track_running_stats the running moments serve in evaluation.
    Source: Ulyanov et al., arXiv 1607.08022.
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Device = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        factory = {"device": device, "dtype": dtype}
        self._build(num_features, eps, momentum, affine, track_running_stats, bias, factory)

    def forward(self, input: Tensor) -> Tensor:
        self._check(input)
        channels = input.shape[-self._ndims[0]]
        if channels != self.num_features and self.affine:
            raise ValueError(
                f"[{type(self).__name__}] the input has {channels} channels, num_features is "
                f"{self.num_features}; make them equal"
            )
        unbatched = input.ndim == self._ndims[0]
        result = F.instance_norm(
            input.unsqueeze(0) if unbatched else input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            0.0 if self.momentum is None else self.momentum,
            self.eps,
        )
        return result.squeeze(0) if unbatched else result


class InstanceNorm1d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    _ndims = (2, 3)


class InstanceNorm2d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    _ndims = (3, 4)


class InstanceNorm3d(_InstanceNorm):
    __doc__ = _InstanceNorm.__doc__
    _ndims = (4, 5)
