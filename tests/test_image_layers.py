"""Convolution, pooling, normalisation, lookup and image layers: what the rows of ops cannot say."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
from numeric import assert_same

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn import functional as F
from backprop_ext.nn.modules.lazy import LazyModuleMixin
from backprop_ext.nn.parameter import UninitializedBuffer, UninitializedParameter

REPRS = {
    "Conv1d(2, 4, 3)": "Conv1d(2, 4, kernel_size=(3,), stride=(1,))",
    "Conv2d(2, 4, (3, 2), padding='same', bias=False)": (
        "Conv2d(2, 4, kernel_size=(3, 2), stride=(1, 1), padding=same, bias=False)"
    ),
    "Conv3d(2, 4, 3, dilation=2, groups=2, padding_mode='circular')": (
        "Conv3d(2, 4, kernel_size=(3, 3, 3), stride=(1, 1, 1), dilation=(2, 2, 2), groups=2, "
        "padding_mode=circular)"
    ),
    "ConvTranspose2d(4, 2, 3, stride=2, output_padding=1)": (
        "ConvTranspose2d(4, 2, kernel_size=(3, 3), stride=(2, 2), output_padding=(1, 1))"
    ),
    "BatchNorm2d(3)": (
        "BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)"
    ),
    "InstanceNorm1d(3)": (
        "InstanceNorm1d(3, eps=1e-05, momentum=0.1, affine=False, bias=False, "
        "track_running_stats=False)"
    ),
    "LayerNorm(3)": "LayerNorm((3,), eps=1e-05, elementwise_affine=True, bias=True)",
    "GroupNorm(2, 4)": "GroupNorm(2, 4, eps=1e-05, affine=True, bias=True)",
    "RMSNorm((3, 4))": "RMSNorm((3, 4), eps=None, elementwise_affine=True)",
    "LocalResponseNorm(2)": "LocalResponseNorm(2, alpha=0.0001, beta=0.75, k=1.0)",
    "MaxPool2d((2, 3), stride=2)": (
        "MaxPool2d(kernel_size=(2, 3), stride=2, padding=0, dilation=1, ceil_mode=False)"
    ),
    "AvgPool1d(2)": "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))",
    "AvgPool2d(2)": "AvgPool2d(kernel_size=2, stride=2, padding=0)",
    "LPPool2d(2, 3)": "LPPool2d(norm_type=2, kernel_size=3, stride=None, ceil_mode=False)",
    "AdaptiveAvgPool2d((3, None))": "AdaptiveAvgPool2d(output_size=(3, None))",
    "MaxUnpool2d(2)": "MaxUnpool2d(kernel_size=(2, 2), stride=(2, 2), padding=(0, 0))",
    "Embedding(3, 4, padding_idx=-1, max_norm=1.0)": (
        "Embedding(3, 4, padding_idx=2, max_norm=1.0)"
    ),
    "EmbeddingBag(3, 4, mode='sum', padding_idx=1)": (
        "EmbeddingBag(3, 4, mode='sum', padding_idx=1)"
    ),
    "ConstantPad1d(2, 3.5)": "ConstantPad1d(padding=(2, 2), value=3.5)",
    "ZeroPad2d((1, 2, 3, 4))": "ZeroPad2d((1, 2, 3, 4))",
    "ReflectionPad3d(1)": "ReflectionPad3d((1, 1, 1, 1, 1, 1))",
    "Upsample(scale_factor=2, mode='bilinear')": "Upsample(scale_factor=2.0, mode='bilinear')",
    "UpsamplingBilinear2d(size=3)": "UpsamplingBilinear2d(size=3, mode='bilinear')",
    "PixelShuffle(2)": "PixelShuffle(upscale_factor=2)",
    "Unfold(2)": "Unfold(kernel_size=2, dilation=1, padding=0, stride=1)",
    "Fold(4, 2)": "Fold(output_size=4, kernel_size=2, dilation=1, padding=0, stride=1)",
    "CosineSimilarity()": "CosineSimilarity()",
    "GLU()": "GLU(dim=-1)",
}


@pytest.mark.parametrize("made", REPRS)
def test_layer_prints_as_in_torch(made: str) -> None:
    assert repr(eval(f"nn.{made}", {"nn": nn})) == REPRS[made]


@pytest.mark.parametrize(
    "made",
    [
        "Conv1d(4, 6, 3)",
        "Conv2d(4, 6, (3, 2), groups=2)",
        "ConvTranspose3d(4, 2, 3)",
        "Embedding(5, 4, padding_idx=1)",
        "EmbeddingBag(5, 4, padding_idx=1)",
        "BatchNorm1d(3)",
        "InstanceNorm2d(3, affine=True, track_running_stats=True)",
        "LayerNorm((2, 3))",
    ],
)
def test_layer_starts_from_torchs_numbers(made: str) -> None:
    torch = pytest.importorskip("torch")
    states = []
    for library in (bx, torch):
        library.manual_seed(3)
        states.append(eval(f"nn.{made}", {"nn": library.nn}).state_dict())
    mine, theirs = states
    assert list(mine) == list(theirs)
    for name, value in theirs.items():
        np.testing.assert_array_equal(mine[name].numpy(), value.numpy())


def test_batch_norm_tracks_the_moments_of_its_batches() -> None:
    layer, rng = nn.BatchNorm1d(2, momentum=0.25), np.random.default_rng(0)
    mean, var = np.zeros(2), np.ones(2)
    for _ in range(3):
        x = rng.standard_normal((5, 2, 3)).astype("float32")
        layer(bx.tensor(x))
        mean = 0.75 * mean + 0.25 * x.mean((0, 2))
        var = 0.75 * var + 0.25 * x.var((0, 2), ddof=1)
    assert layer.running_mean is not None
    assert layer.running_var is not None
    assert_same(layer.running_mean.numpy(), mean.astype("float32"), 1e-6, 1e-6)
    assert_same(layer.running_var.numpy(), var.astype("float32"), 1e-6, 1e-6)
    assert int(layer.num_batches_tracked) == 3  # type: ignore[arg-type]
    layer.eval()
    x = rng.standard_normal((4, 2)).astype("float32")
    expected = (x - mean) / np.sqrt(var + 1e-5)
    assert_same(layer(bx.tensor(x)).detach().numpy(), expected.astype("float32"), 1e-5, 1e-6)
    with bx.no_grad():
        assert_same(layer(bx.tensor(x)).numpy(), expected.astype("float32"), 1e-5, 1e-6)


def test_batch_norm_without_momentum_averages_all_batches() -> None:
    layer, batches = nn.BatchNorm1d(1, momentum=None), [[0.0, 2.0], [4.0, 8.0], [1.0, 1.0]]
    for batch in batches:
        layer(bx.tensor(batch).view(2, 1))
    assert layer.running_mean is not None
    assert float(layer.running_mean) == pytest.approx(np.mean(batches))


@pytest.mark.parametrize("affine", [True, False])
def test_batch_norm_over_processes_is_that_of_the_one_there_is(affine: bool) -> None:
    norm = nn.BatchNorm2d(3, affine=affine)
    net = nn.Sequential(nn.Sequential(norm), nn.ReLU()).eval()
    state = net.state_dict()
    converted = nn.SyncBatchNorm.convert_sync_batchnorm(net)
    layer = converted[0][0]
    assert repr(layer).startswith("SyncBatchNorm(3, eps=1e-05")
    assert (layer.weight is norm.weight, layer.training, layer.affine) == (True, False, affine)
    assert list(converted.state_dict()) == list(state)
    x = bx.randn(2, 3, 4, 4)
    assert bx.equal(layer.train()(x), norm.train()(x))
    assert layer.running_mean is norm.running_mean
    assert layer(x[:, :, 0, 0]).shape == (2, 3)
    with pytest.raises(ValueError, match="2 or 3 or 4 or 5 dimensions"):
        layer(x[0, 0, 0])


def test_padding_row_gets_no_gradient_and_frequent_rows_share_theirs() -> None:
    weight = bx.ones(4, 2, requires_grad=True)
    index = bx.tensor([0, 1, 1, 3])
    F.embedding(index, weight, padding_idx=3, scale_grad_by_freq=True).sum().backward()
    assert weight.grad is not None
    assert weight.grad.tolist() == [[1, 1], [1, 1], [0, 0], [0, 0]]


def test_embedding_from_given_rows_is_frozen() -> None:
    rows = bx.tensor([[1.0, 2.0], [3.0, 4.0]])
    layer = nn.Embedding.from_pretrained(rows)
    assert not layer.weight.requires_grad
    assert layer(bx.tensor([[1], [0]])).tolist() == [[[3, 4]], [[1, 2]]]
    assert nn.EmbeddingBag.from_pretrained(rows, freeze=False, mode="sum").weight.requires_grad


def test_unpooling_undoes_pooling() -> None:
    x = bx.arange(16.0).view(1, 1, 4, 4)
    pool, back = nn.MaxPool2d(2, return_indices=True), nn.MaxUnpool2d(2)
    y, places = pool(x)
    assert places.flatten().tolist() == [5, 7, 13, 15]
    restored = back(y, places)
    assert restored.shape == x.shape
    assert restored.flatten()[places.flatten()].tolist() == y.flatten().tolist()
    assert float(restored.sum()) == float(y.sum())


def test_maximum_of_nan_is_nan() -> None:
    x = bx.tensor([[[1.0, float("nan"), 0.0, 2.0]]])
    y = F.max_pool1d(x, 2)
    assert np.isnan(y[0, 0, 0].item())
    assert y[0, 0, 1].item() == 2


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (5, 1), (3, 40)])
def test_a_window_altogether_in_the_padding_touches_nothing_else(size: tuple[int, int]) -> None:
    x = bx.ones(2, 3, *size, requires_grad=True)
    y, places = F.max_pool2d(x, 2, 1, 1, 2, return_indices=True)
    assert set(y.unique().tolist()) <= {1.0, -float("inf")}
    assert (1 in size) == bool(y.isinf().any())
    assert 0 <= int(places.min()) <= int(places.max()) < size[0] * size[1]
    y.sum().backward()
    assert float(x.grad.sum()) == y.numel()


def test_transposed_convolution_reaches_the_size_asked_for() -> None:
    layer = nn.ConvTranspose2d(1, 1, 3, stride=2)
    x = bx.zeros(1, 1, 3, 3)
    assert layer(x, output_size=(8, 7)).shape == (1, 1, 8, 7)
    with pytest.raises(ValueError, match=r"7 to 8"):
        layer(x, output_size=(9, 7))


def test_interpolation_takes_one_of_size_and_scale() -> None:
    x = bx.arange(4.0).view(1, 1, 2, 2)
    assert F.interpolate(x, scale_factor=2).tolist()[0][0][1] == [0, 0, 1, 1]
    assert F.interpolate(x, scale_factor=(1.5, 2.6)).shape == (1, 1, 3, 5)
    with pytest.raises(ValueError, match="pass one of them"):
        F.interpolate(x)
    with pytest.raises(ValueError, match="align_corners"):
        F.interpolate(x, size=3, align_corners=True)
    with pytest.raises(NotImplementedError, match="trilinear"):
        F.interpolate(x, size=3, mode="trilinear")


@pytest.mark.parametrize(
    ("lazy", "eager", "shape"),
    [
        ("LazyConv2d(4, 3, groups=2)", "Conv2d(4, 4, 3, groups=2)", (2, 4, 5, 5)),
        ("LazyConvTranspose1d(4, 3)", "ConvTranspose1d(3, 4, 3)", (3, 6)),
        ("LazyLinear(3)", "Linear(5, 3)", (2, 5)),
        ("LazyBatchNorm1d()", "BatchNorm1d(4)", (3, 4)),
    ],
)
def test_lazy_layer_becomes_the_eager_one(lazy: str, eager: str, shape: tuple[int, ...]) -> None:
    made, x = [], bx.arange(float(np.prod(shape))).view(shape)
    for text in (lazy, eager):
        bx.manual_seed(5)
        layer = eval(f"nn.{text}", {"nn": nn})
        made.append((layer, layer(x).tolist(), str(layer), list(layer.state_dict())))
    assert made[0][1:] == made[1][1:]
    assert type(made[0][0]) is type(made[1][0])


@pytest.mark.parametrize(
    ("lazy", "shape"),
    [
        ("LazyConv2d(4, 3)", (2, 4, 5, 5)),
        ("LazyLinear(3, bias=False)", (2, 5)),
        ("LazyBatchNorm1d()", (3, 4)),
        ("LazyBatchNorm1d(affine=False)", (3, 4)),
    ],
)
def test_lazy_layer_keeps_the_state_that_it_was_given(lazy: str, shape: tuple[int, ...]) -> None:
    first, second = (eval(f"nn.{lazy}", {"nn": nn}) for _ in range(2))
    x = bx.randn(*shape)
    first(x)
    assert second.has_uninitialized_params()
    second.load_state_dict(eval(f"nn.{lazy}", {"nn": nn}).state_dict())
    assert second.has_uninitialized_params()
    second.load_state_dict(first.state_dict())
    assert not second.has_uninitialized_params()
    assert bx.equal(second.eval()(x), first.eval()(x))
    assert type(second) is type(first)
    for a, b in zip(first.state_dict().values(), second.state_dict().values(), strict=True):
        assert bx.equal(a, b)


def test_gumbel_softmax_is_one_hot_with_the_soft_gradient() -> None:
    x = bx.zeros(5, 3, requires_grad=True)
    bx.manual_seed(1)
    assert float(F.gumbel_softmax(x).detach().sum()) == pytest.approx(5)
    hard = F.gumbel_softmax(x, hard=True)
    assert sorted(hard.sum(1).tolist()) == [1] * 5
    assert set(hard.flatten().tolist()) == {0.0, 1.0}
    (hard * bx.arange(3.0)).sum().backward()
    assert x.grad is not None
    assert float(x.grad.abs().sum()) > 0


def test_gumbel_softmax_draws_torchs_numbers() -> None:
    torch = pytest.importorskip("torch")
    found = []
    for module in (bx, torch):
        module.manual_seed(3)
        soft = module.nn.functional.gumbel_softmax(module.zeros(4, 6), tau=0.7)
        found.append([*soft.flatten().tolist(), module.rand(1).item()])
    assert found[0] == pytest.approx(found[1], rel=1e-5)


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_lp_pooling_is_a_root_of_a_mean_of_powers(dims: int) -> None:
    bx.manual_seed(0)
    x = bx.rand(2, 3, *[5] * dims, dtype=bx.float64)
    lp, mean = getattr(F, f"lp_pool{dims}d"), getattr(F, f"avg_pool{dims}d")
    assert_same(lp(x, 3, 2).numpy(), ((mean(x**3, 2) * 2**dims) ** (1 / 3)).numpy(), 1e-12)
    expected = (mean(x**2, 3, 2, 0, True) * 3**dims) ** 0.5
    assert_same(lp(x, 2.0, 3, 2, True).numpy(), expected.numpy(), 1e-12)
    assert bx.autograd.gradcheck(lambda v: lp(v, 3, 2), (x[:1].clone().requires_grad_(),))


@pytest.mark.parametrize("dims", [1, 2, 3])
def test_unpooling_puts_maxima_back(dims: int) -> None:
    bx.manual_seed(0)
    x = bx.rand(2, 3, *[5] * dims)
    top, places = getattr(F, f"max_pool{dims}d")(x, 2, return_indices=True)
    back = getattr(F, f"max_unpool{dims}d")(top, places, 2, output_size=x.shape)
    assert back.shape == x.shape
    assert (back[back != 0].sort().values == top.flatten().sort().values).all()
    assert (x[back != 0] == back[back != 0]).all()
    with pytest.raises(ValueError, match="between"):
        getattr(F, f"max_unpool{dims}d")(top, places, 2, output_size=[9] * dims)


@pytest.mark.parametrize("size", [2, 3])
def test_local_response_norm_divides_by_neighbours(size: int) -> None:
    bx.manual_seed(0)
    x = bx.rand(2, 5, 3, 2, dtype=bx.float64)
    squares = np.pad(x.numpy() ** 2, [(0, 0), (size // 2, (size - 1) // 2), (0, 0), (0, 0)])
    mean = sum(squares[:, i : i + 5] for i in range(size)) / size
    expected = x.numpy() / (2 + 0.5 * mean) ** 0.75
    assert_same(F.local_response_norm(x, size, 0.5, 0.75, 2.0).numpy(), expected, 1e-12)


def _images(*shape: int) -> bx.Tensor:
    return bx.zeros(*shape)


ERRORS: list[tuple[Any, type[Exception], str]] = [
    (lambda: F.conv2d(_images(1, 2, 5, 5), _images(3, 3, 3, 3)), RuntimeError, "3 channels"),
    (lambda: F.conv2d(_images(5, 5), _images(3, 3, 3, 3)), RuntimeError, r"\(unbatched\)"),
    (lambda: F.conv1d(_images(1, 1, 2), _images(1, 1, 3)), RuntimeError, "larger than"),
    (
        lambda: F.conv1d(_images(1, 1, 5), _images(1, 1, 3), None, 2, "same"),
        RuntimeError,
        "stride 1",
    ),
    (lambda: F.conv1d(_images(1, 1, 5), _images(1, 1, 3).double()), RuntimeError, "one type"),
    (lambda: F.max_pool2d(_images(1, 1, 4, 4), 2, padding=2), RuntimeError, "half"),
    (lambda: F.avg_pool2d(_images(1, 1, 4, 4), 5), RuntimeError, "do not fit"),
    (lambda: F.batch_norm(_images(1, 3), None, None, training=True), ValueError, "variance"),
    (lambda: F.layer_norm(_images(2, 3), (4,)), RuntimeError, "normalized_shape"),
    (lambda: F.group_norm(_images(2, 3), 2), RuntimeError, "divisor"),
    (lambda: F.embedding(bx.tensor([5]), _images(3, 2)), IndexError, "5"),
    (lambda: F.embedding(bx.tensor([0.5]), _images(3, 2)), RuntimeError, "int64"),
    (lambda: F.one_hot(bx.tensor([1, 5]), 3), RuntimeError, "class 5"),
    (lambda: F.fold(_images(1, 4, 5), 4, 2), RuntimeError, "columns"),
    (lambda: F.pixel_shuffle(_images(1, 3, 2, 2), 2), RuntimeError, "upscale_factor=2"),
    (lambda: F.glu(_images(3)), RuntimeError, "even"),
    (lambda: F.max_unpool1d(bx.ones(1, 1, 1), bx.tensor([[[9]]]), 2), RuntimeError, "9"),
    (lambda: nn.BatchNorm2d(3)(_images(2, 3)), ValueError, "4 dimensions"),
    (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "groups=2"),
    (lambda: nn.Conv2d(3, 4, 3, stride=2, padding="same"), ValueError, "stride"),
    (lambda: nn.Embedding(3, 2, padding_idx=3), AssertionError, "padding_idx=3"),
]


@pytest.mark.parametrize("number", range(len(ERRORS)))
def test_error_says_what_and_the_cure(number: int) -> None:
    call, kind, text = ERRORS[number]
    with pytest.raises(kind, match=text) as caught:
        call()
    assert str(caught.value).startswith("[")


@pytest.mark.parametrize("kind", ["uint8", "int32", "int64"])
def test_images_of_whole_numbers_are_convolved(kind: str) -> None:
    dtype = getattr(bx, kind)
    image, weight = bx.arange(25).reshape(1, 1, 5, 5), bx.ones(1, 1, 3, 3)
    bias = bx.tensor([200])
    exact = F.conv2d(image.double(), weight.double(), bias.double(), stride=2, padding=1)
    found = F.conv2d(image.to(dtype), weight.to(dtype), bias.to(dtype), stride=2, padding=1)
    assert found.dtype == dtype
    assert found.tolist() == exact.long().to(dtype).tolist()  # of a byte, modulo 256
    cube = F.conv3d(image.to(dtype)[None], weight.to(dtype)[None])
    assert cube.flatten().tolist() == [54, 63, 72, 99, 108, 117, 144, 153, 162]


def test_sampled_images_are_contiguous() -> None:
    x = bx.randn(2, 3, 4, 4)
    assert F.grid_sample(x, bx.zeros(2, 3, 3, 2), align_corners=False).is_contiguous()


class _Scale(LazyModuleMixin, nn.Module):
    """A factor for each feature of its first input, and their number as a buffer's length."""

    def __init__(self) -> None:
        super().__init__()
        self.factor = UninitializedParameter()
        self.register_buffer("seen", UninitializedBuffer())

    def initialize_parameters(self, input: bx.Tensor) -> None:
        if self.has_uninitialized_params():
            with bx.no_grad():
                self.factor.materialize(input.shape[-1:])
                self.factor.fill_(2.0)
                self.seen.materialize(input.shape)
                self.seen.copy_(input)

    def forward(self, input: bx.Tensor) -> bx.Tensor:
        return input * self.factor


def test_a_lazy_module_of_ones_own() -> None:
    scale = _Scale()
    assert [*scale.state_dict()] == ["factor", "seen"]
    assert repr(scale.seen) == "<UninitializedBuffer>"
    with pytest.raises(RuntimeError, match=r"\[shape\] a buffer has no shape yet"):
        _ = scale.seen.shape
    with pytest.raises(ValueError, match=r"\[add\] a tensor has no shape yet"):
        scale.factor + 1
    twin, x = copy.deepcopy(scale), bx.arange(6.0).view(2, 3)
    assert scale(x).tolist() == (x * 2).tolist()
    assert type(scale) is _Scale
    assert type(scale.factor) is nn.Parameter
    assert type(scale.seen) is bx.Tensor
    assert not scale._forward_pre_hooks
    assert twin.has_uninitialized_params()
    twin.load_state_dict(scale.state_dict())
    assert not twin.has_uninitialized_params()
    assert twin(x).tolist() == (x * 2).tolist()

    class Forgetful(_Scale):
        def initialize_parameters(self, input: bx.Tensor) -> None:
            """Nothing is given its shape."""

    with pytest.raises(RuntimeError, match=r"\[Forgetful\] a parameter still has no shape"):
        Forgetful()(x)


def test_grids_of_nearest_and_without_a_place() -> None:
    x = bx.arange(4.0).reshape(1, 1, 2, 2)
    grid = bx.zeros(1, 1, 2, 2, requires_grad=True)
    y = F.grid_sample(x, grid, mode="nearest", align_corners=False)
    assert bx.autograd.grad(y.sum(), grid)[0].tolist() == bx.zeros(1, 1, 2, 2).tolist()
    nowhere = bx.full((1, 1, 1, 2), float("nan"))
    for mode in ("nearest", "bilinear"):
        for padding in ("border", "reflection"):
            assert F.grid_sample(x, nowhere, mode, padding, align_corners=False).item() == 0.0
