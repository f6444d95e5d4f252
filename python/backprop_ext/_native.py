"""torch's functions under the functions of nn.functional, which compiled code and old scripts call:
the same operations, their reductions as numbers (0 none, which is what PyTorch computes by default,
1 mean, 2 sum), and their flags in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from . import _core
from ._core import Tensor
from ._shared import by_method
from .nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = [
    "adaptive_max_pool1d",
    "addmv_",
    "affine_grid_generator",
    "alias_copy",
    "alpha_dropout_",
    "as_strided_",
    "binary_cross_entropy_with_logits",
    "conv_tbc",
    "cosine_embedding_loss",
    "ctc_loss",
    "detach_copy",
    "dropout_",
    "embedding_bag",
    "feature_alpha_dropout_",
    "feature_dropout_",
    "gcd_",
    "grid_sampler",
    "grid_sampler_2d",
    "grid_sampler_3d",
    "hinge_embedding_loss",
    "is_conj",
    "is_distributed",
    "is_neg",
    "kl_div",
    "lcm_",
    "ldexp_",
    "logit_",
    "margin_ranking_loss",
    "max_pool1d_with_indices",
    "native_batch_norm",
    "native_channel_shuffle",
    "native_dropout",
    "native_group_norm",
    "native_layer_norm",
    "norm_except_dim",
    "poisson_nll_loss",
    "rrelu_",
    "slice_copy",
    "to_dlpack",
    "triplet_margin_loss",
    "view_as_complex_copy",
    "view_as_real_copy",
]

_REDUCTIONS: Final = ("none", "mean", "sum")


def _named(func: Callable[..., Any], name: str, doc: str) -> Callable[..., Any]:
    func.__name__ = func.__qualname__ = name
    func.__doc__ = doc
    return func


def _reduction(op: str, number: int) -> str:
    if number not in (0, 1, 2):
        raise ValueError(f"[{op}] reduction is {number!r}; pass 0 (none), 1 (mean) or 2 (sum)")
    return _REDUCTIONS[number]


addmv_, as_strided_, gcd_, lcm_ = map(by_method, ("addmv_", "as_strided_", "gcd_", "lcm_"))
ldexp_, logit_ = map(by_method, ("ldexp_", "logit_"))
is_conj, is_neg, is_distributed = map(by_method, ("is_conj", "is_neg", "is_distributed"))


def _dropping(name: str) -> Callable[..., Tensor]:
    def call(input: Tensor, p: float, train: bool) -> Tensor:
        return getattr(F, name)(input, p, train, inplace=True)  # type: ignore[no-any-return]

    return _named(call, f"{name}_", f"nn.functional.{name} in place.")


alpha_dropout_, dropout_ = map(_dropping, ("alpha_dropout", "dropout"))
feature_alpha_dropout_ = _dropping("feature_alpha_dropout")


def feature_dropout_(input: Tensor, p: float, train: bool) -> Tensor:
    """input.copy_(torch.feature_dropout(input, p, train))."""
    return input.copy_(_core.feature_dropout(input, p, train))


def rrelu_(
    input: Tensor,
    lower: float = 1 / 8,
    upper: float = 1 / 3,
    training: bool = False,
    generator: Any = None,
) -> Tensor:
    """nn.functional.rrelu in place."""
    return F.rrelu(input, lower, upper, training, inplace=True)


def _copied(name: str) -> Callable[..., Tensor]:
    def call(input: Tensor) -> Tensor:
        return getattr(_core, name)(input).clone()  # type: ignore[no-any-return]

    return _named(call, f"{name}_copy", f"torch.{name}, on memory of its own.")


alias_copy, detach_copy = by_method("clone"), _copied("detach")
alias_copy.__name__ = alias_copy.__qualname__ = "alias_copy"
view_as_complex_copy, view_as_real_copy = _copied("view_as_complex"), _copied("view_as_real")


def slice_copy(
    input: Tensor, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1
) -> Tensor:
    """input[start:end:step] in one dimension, on memory of its own."""
    index: list[Any] = [slice(None)] * input.ndim
    index[dim] = slice(start, end, step)
    return input[tuple(index)].clone()


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The largest of each part, and their indices."""
    return F.adaptive_max_pool1d(input, output_size, return_indices=True)  # type: ignore[no-any-return]


def max_pool1d_with_indices(
    input: Tensor,
    kernel_size: Any,
    stride: Any = (),
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
) -> tuple[Tensor, Tensor]:
    """nn.functional.max_pool1d, and the indices."""
    return F.max_pool1d(  # type: ignore[no-any-return]
        input, kernel_size, stride or None, padding, dilation, ceil_mode, return_indices=True
    )


def affine_grid_generator(theta: Tensor, size: Sequence[int], align_corners: bool) -> Tensor:
    """nn.functional.affine_grid."""
    return F.affine_grid(theta, [*size], align_corners)


def grid_sampler(
    input: Tensor, grid: Tensor, interpolation_mode: int, padding_mode: int, align_corners: bool
) -> Tensor:
    """nn.functional.grid_sample, its modes as numbers. RuntimeError for one that there is not."""
    modes, paddings = ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection")
    if interpolation_mode not in (0, 1, 2) or padding_mode not in (0, 1, 2):
        raise RuntimeError(
            f"[grid_sampler] interpolation_mode {interpolation_mode!r}, padding_mode "
            f"{padding_mode!r}; pass 0 to 2 ({modes}, {paddings})"
        )
    mode, padding = modes[interpolation_mode], paddings[padding_mode]
    return F.grid_sample(input, grid, mode, padding, align_corners)


grid_sampler_2d = grid_sampler_3d = grid_sampler


def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """conv1d of (time, batch, channels) with a weight of (kernel, channels in, channels out).

    Raises RuntimeError for other dimensions.
    """
    if input.ndim != 3 or weight.ndim != 3:
        raise RuntimeError(
            f"[conv_tbc] input is {tuple(input.shape)}, weight {tuple(weight.shape)}; "
            "pass three dimensions each"
        )
    found: Tensor = F.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return found.permute(2, 0, 1)


def embedding_bag(
    weight: Tensor,
    indices: Tensor,
    offsets: Tensor,
    scale_grad_by_freq: bool = False,
    mode: int = 0,
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """nn.functional.embedding_bag, its mode as a number (0 sum, 1 mean, 2 max): the bags, each
    index's bag, each bag's size and (only their place is kept) the largest's indices.
    """
    if mode not in (0, 1, 2):
        raise RuntimeError(f"[embedding_bag] mode is {mode!r}; pass 0 (sum), 1 (mean) or 2 (max)")
    bags = F.embedding_bag(
        indices,
        weight,
        offsets,
        scale_grad_by_freq=scale_grad_by_freq,
        mode=("sum", "mean", "max")[mode],
        sparse=sparse,
        per_sample_weights=per_sample_weights,
        include_last_offset=include_last_offset,
        padding_idx=padding_idx,
    )
    starts = offsets[:-1] if include_last_offset else offsets
    ends = _core.cat([starts[1:], starts.new_tensor([indices.numel()])])
    sizes = ends - starts
    place = _core.repeat_interleave(_core.arange(len(starts)), sizes)
    return bags, place, sizes, _core.zeros_like(sizes)


def binary_cross_entropy_with_logits(
    input: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    pos_weight: Tensor | None = None,
    reduction: int = 0,
) -> Tensor:
    """nn.functional.binary_cross_entropy_with_logits."""
    name = _reduction("binary_cross_entropy_with_logits", reduction)
    return F.binary_cross_entropy_with_logits(
        input, target, weight, reduction=name, pos_weight=pos_weight
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """nn.functional.cosine_embedding_loss."""
    name = _reduction("cosine_embedding_loss", reduction)
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=name)


def ctc_loss(
    log_probs: Tensor,
    targets: Tensor,
    input_lengths: Any,
    target_lengths: Any,
    blank: int = 0,
    reduction: int = 0,
    zero_infinity: bool = False,
) -> Tensor:
    """nn.functional.ctc_loss."""
    name = _reduction("ctc_loss", reduction)
    return F.ctc_loss(log_probs, targets, input_lengths, target_lengths, blank, name, zero_infinity)


def hinge_embedding_loss(
    input: Tensor, target: Tensor, margin: float = 1.0, reduction: int = 0
) -> Tensor:
    """nn.functional.hinge_embedding_loss."""
    name = _reduction("hinge_embedding_loss", reduction)
    return F.hinge_embedding_loss(input, target, margin, reduction=name)


def kl_div(
    input: Tensor, target: Tensor, reduction: int = 0, *, log_target: bool = False
) -> Tensor:
    """nn.functional.kl_div."""
    name = _reduction("kl_div", reduction)
    return F.kl_div(input, target, reduction=name, log_target=log_target)


def margin_ranking_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 0
) -> Tensor:
    """nn.functional.margin_ranking_loss."""
    name = _reduction("margin_ranking_loss", reduction)
    return F.margin_ranking_loss(input1, input2, target, margin, reduction=name)


def poisson_nll_loss(
    input: Tensor, target: Tensor, log_input: bool, full: bool, eps: float, reduction: int
) -> Tensor:
    """nn.functional.poisson_nll_loss."""
    name = _reduction("poisson_nll_loss", reduction)
    return F.poisson_nll_loss(input, target, log_input, full, eps=eps, reduction=name)


def triplet_margin_loss(
    anchor: Tensor,
    positive: Tensor,
    negative: Tensor,
    margin: float = 1.0,
    p: float = 2,
    eps: float = 1e-6,
    swap: bool = False,
    reduction: int = 0,
) -> Tensor:
    """nn.functional.triplet_margin_loss."""
    name = _reduction("triplet_margin_loss", reduction)
    return F.triplet_margin_loss(
        anchor, positive, negative, margin, p, eps, swap=swap, reduction=name
    )


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """nn.functional.dropout, and the mask: True for what is kept."""
    if train is False:
        return input.clone(), _core.ones_like(input, dtype=_core.bool)
    if p == 1:
        return input * 0, _core.zeros_like(input, dtype=_core.bool)
    mask = _core.empty_like(input).bernoulli_(1 - p)
    return input * mask * (1 / (1 - p)), mask.bool()


def _standing(input: Tensor, dims: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor]:
    """The mean over dimensions, and 1 / sqrt(var + eps), in the dimensions that were."""
    variance, mean = _core.var_mean(input, dims, correction=0, keepdim=True)
    return mean, (variance + eps).rsqrt()


def native_layer_norm(
    input: Tensor,
    normalized_shape: Sequence[int],
    weight: Tensor | None,
    bias: Tensor | None,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """nn.functional.layer_norm, the means and 1 / sqrt(var + eps)."""
    out = F.layer_norm(input, [*normalized_shape], weight, bias, eps)
    dims = tuple(range(input.ndim - len(normalized_shape), input.ndim))
    return (out, *_standing(input, dims, eps))


def native_group_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    N: int,
    C: int,
    HxW: int,
    group: int,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """nn.functional.group_norm, the means and 1 / sqrt(var + eps), both (N, group)."""
    out = F.group_norm(input, group, weight, bias, eps)
    mean, scale = _standing(input.reshape(N, group, -1), (2,), eps)
    return out, mean.squeeze(2), scale.squeeze(2)


def native_batch_norm(
    input: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    training: bool,
    momentum: float,
    eps: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """nn.functional.batch_norm, the means and 1 / sqrt(var + eps) of a batch in training."""
    out = F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)
    if not training:
        return out, input.new_empty(0), input.new_empty(0)
    mean, scale = _standing(input, (0, *range(2, input.ndim)), eps)
    return out, mean.flatten(), scale.flatten()


native_channel_shuffle = F.channel_shuffle


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all other dimensions, kept with length 1; over all for dim -1."""
    if dim == -1:
        return _core.norm(v, pow)
    others = [d for d in range(v.ndim) if d != dim % v.ndim]
    return _core.norm(v, pow, others, keepdim=True)


def to_dlpack(tensor: Tensor) -> Any:
    """tensor.__dlpack__(): a capsule that another library takes once."""
    return tensor.__dlpack__()
