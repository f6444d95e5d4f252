"""Bytes: arithmetic modulo 256, masks of PyTorch's past, images, and what a byte does not hold."""

from __future__ import annotations

import copy
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numeric import arrays

import backprop_ext as bx
from backprop_ext.nn import functional as F

if TYPE_CHECKING:
    from pathlib import Path

U8 = bx.uint8


def byte(*values: int) -> bx.Tensor:
    return bx.tensor(values, dtype=U8)


def test_arithmetic_wraps_around() -> None:
    x = byte(0, 1, 5, 200, 255)
    for result, expected in (
        (x + 300, [44, 45, 49, 244, 43]),
        (1 - x, [1, 0, 252, 57, 2]),
        (x * 3, [0, 3, 15, 88, 253]),
        (-x, [0, 255, 251, 56, 1]),
        (~x, [255, 254, 250, 55, 0]),
        (abs(x), [0, 1, 5, 200, 255]),
        (x // 2, [0, 0, 2, 100, 127]),
        (x // 255, [0, 0, 0, 0, 1]),
        (x % 255, [0, 1, 5, 200, 0]),
        (bx.fmod(x, 255), [0, 1, 5, 200, 0]),
        (bx.div(x, 255, rounding_mode="trunc"), [0, 0, 0, 0, 1]),
        (x**2, [0, 1, 25, 64, 1]),
        (x << 1, [0, 2, 10, 144, 254]),
        (x << 8, [0, 0, 0, 0, 0]),
        (x >> 7, [0, 0, 0, 1, 1]),
        (bx.add(x, x, alpha=-1), [0, 0, 0, 0, 0]),
        (x.sum(dtype=U8), 205),
        (x[1:].prod(dtype=U8), 24),
        (x.cumsum(0, dtype=U8), [0, 1, 6, 206, 205]),
        (x @ x, 91),
        (x.sign(), [0, 1, 1, 1, 1]),
    ):
        assert result.dtype == U8
        assert result.tolist() == expected
    for result, expected in ((x.sum(), 461), (x.cumsum(0), [0, 1, 6, 206, 461])):
        assert result.dtype == bx.int64
        assert result.tolist() == expected
    with pytest.raises(RuntimeError, match=r"\[floor_divide\] ZeroDivisionError"):
        x // 0
    with pytest.raises(RuntimeError, match=r"\[mean\] input is uint8"):
        x.mean()


@pytest.mark.parametrize("source", ["int32", "int64", "float32", "float64"])
def test_conversions_wrap_around_by_way_of_int64(source: str) -> None:
    t = bx.tensor([-1.5, 256.5, -300.0, 255.9, 1e6], dtype=bx.float64).to(getattr(bx, source))
    assert t.byte().tolist() == [255, 0, 212, 255, 64]
    assert byte(0, 2, 255).bool().tolist() == [False, True, True]
    wide = bx.arange(256).byte()
    assert wide.to(getattr(bx, source)).tolist() == list(range(256))


@pytest.mark.parametrize(
    "write",
    [
        lambda x, n: bx.tensor([n], dtype=U8),
        lambda x, n: bx.ByteTensor([n]),
        lambda x, n: bx.full((2,), n, dtype=U8),
        lambda x, n: x.fill_(n),
        lambda x, n: x.__setitem__(0, n),
        lambda x, n: x.__setitem__(x > 1, n),
        lambda x, n: x.masked_fill(x > 1, n),
        lambda x, n: x.index_fill(0, bx.tensor([0]), n),
        lambda x, n: x.scatter(0, bx.tensor([0]), n),
        lambda x, n: bx.add(x, 1, alpha=n),
        lambda x, n: F.pad(x, (1, 1), value=n),
    ],
)
def test_a_number_that_does_not_fit_is_an_error(write: Any) -> None:
    for wrong in (256, -256):
        x = byte(1, 2)
        with pytest.raises(RuntimeError, match=rf"number {wrong} .*uint8.* 0 to 255"):
            write(x, wrong)
        assert x.tolist() == [1, 2]
    write(byte(1, 2), 255)
    write(byte(1, 2), -1)


def test_any_number_that_does_not_fit_into_int32_is_an_error() -> None:
    with pytest.raises(RuntimeError, match="does not fit into int32"):
        bx.full((2,), 2**31, dtype=bx.int32)
    assert bx.full((1,), -(2**31), dtype=bx.int32).item() == -(2**31)


def test_order_and_extremes() -> None:
    values = np.random.default_rng(0).integers(0, 256, (3, 700), np.uint8)
    t = bx.from_numpy(values)
    for falling in (False, True):
        ordered, places = t.sort(descending=falling, stable=True)
        kind = np.argsort(255 - values if falling else values, -1, kind="stable")
        assert (places.numpy() == kind).all()
        assert (ordered.numpy() == np.take_along_axis(values, kind, -1)).all()
    assert (t.topk(5)[0].numpy() == np.sort(values, -1)[:, ::-1][:, :5]).all()
    assert (t.unique().numpy() == np.unique(values)).all()
    assert (t.amax(0).numpy() == values.max(0)).all()
    assert (t.min().item(), t.max().item()) == (values.min(), values.max())
    assert (t.argmax(1).numpy() == values.argmax(1)).all()
    assert (t.cummax(1)[0].numpy() == np.maximum.accumulate(values, 1)).all()
    assert (t[0].bincount(minlength=256).numpy() == np.bincount(values[0], minlength=256)).all()
    bounds = bx.from_numpy(np.unique(values))
    assert (bx.searchsorted(bounds, t).numpy() == np.searchsorted(bounds.numpy(), values)).all()


def test_any_and_all_are_bytes() -> None:
    x = byte(0, 7)
    for result, expected in ((x.any(), 1), (x.all(), 0), (bx.any(x, 0), 1), (bx.all(x, 0), 0)):
        assert (result.dtype, result.item()) == (U8, expected)


def test_a_mask_of_bytes_selects_and_warns() -> None:
    x, mask = bx.arange(4), byte(0, 1, 0, 200)
    with pytest.warns(UserWarning, match=r"\[index\] a mask of uint8 is deprecated"):
        assert x[mask].tolist() == [1, 3]
    with pytest.warns(UserWarning, match="deprecated"):
        assert x.reshape(2, 2)[mask.reshape(2, 2)].tolist() == [1, 3]
    with pytest.warns(UserWarning, match=r"\[index_put_\]"):
        x[mask] = 9
    assert x.tolist() == [0, 9, 2, 9]
    with pytest.warns(UserWarning, match=r"\[where\]"):
        assert bx.where(mask, x, 0).tolist() == [0, 9, 0, 9]
    with pytest.warns(match="deprecated"), pytest.raises(IndexError, match="shape"):
        x[mask[:2]]
    assert x[bx.tensor(1, dtype=U8)].tolist() == [[0, 9, 2, 9]]
    for wrong in (x.masked_fill, x.masked_select, x.masked_scatter):
        with pytest.raises(RuntimeError, match="mask is uint8"):
            wrong(mask, *([] if wrong == x.masked_select else [x]))


def test_files_and_copies_keep_bytes(tmp_path: Path) -> None:
    from backprop_ext import safetensors

    image = bx.arange(256).byte().reshape(16, 16)
    bx.save({"image": image}, tmp_path / "own.pt")
    safetensors.save_file({"image": image}, str(tmp_path / "own.safetensors"))
    for again in (
        bx.load(tmp_path / "own.pt")["image"],
        safetensors.load_file(str(tmp_path / "own.safetensors"))["image"],
        pickle.loads(pickle.dumps(image)),
        copy.deepcopy(image),
        bx.from_dlpack(image),
        bx.from_dlpack(np.from_dlpack(image)),
        bx.from_numpy(image.numpy()),
        bx.tensor(np.asarray(memoryview(image))),
        bx.frombuffer(bytearray(range(256)), dtype=U8).reshape(16, 16),
    ):
        assert again.dtype == U8
        assert again.equal(image)


def test_images_go_from_a_dataset_to_a_model() -> None:
    from backprop_ext.utils.data import DataLoader, TensorDataset

    bx.manual_seed(0)
    images, labels = bx.randint(0, 256, (6, 3, 4, 4), dtype=U8), bx.tensor([0, 1, 2, 0, 1, 2])
    convolution = bx.nn.Conv2d(3, 3, 4)
    for batch, target in DataLoader(TensorDataset(images, labels), batch_size=3):
        assert batch.dtype == U8
        scores = convolution(batch / 255).flatten(1)
        by_bytes = F.cross_entropy(scores, target.byte())
        assert by_bytes.item() == F.cross_entropy(scores, target).item()
    with pytest.raises(RuntimeError, match="uint8"):
        images.requires_grad_()
    with pytest.raises(RuntimeError, match=r"\[one_hot\]"):
        F.one_hot(images)


def test_names_and_numbers() -> None:
    x = byte(7)
    assert x.type() == "torch.ByteTensor"
    assert isinstance(x, bx.ByteTensor)
    assert repr(x) == "tensor([7], dtype=torch.uint8)"
    assert (U8.itemsize, U8.is_signed, U8.is_floating_point) == (1, False, False)
    assert x.byte() is x
    assert x.type("torch.ByteTensor").dtype == bx.ones(1).type_as(x).dtype == U8
    assert bx.can_cast(bx.int64, U8)
    assert not bx.can_cast(U8, bx.bool)
    assert not bx.can_cast(bx.float32, U8)
    assert bx.get_rng_state().dtype == bx.Generator().get_state().dtype == U8
    for low, high in ((-1, 5), (0, 257)):
        with pytest.raises(RuntimeError, match="out of bounds for uint8"):
            bx.randint(low, high, (3,), dtype=U8)
        with pytest.raises(RuntimeError, match="out of bounds for uint8"):
            x.random_(low, high)


# Run in both packages: x is 0, 1, 5, 200, 255, and `square` its first four, two by two.
EXPRESSIONS = """
x + 300
x - 1
300 - x
x == -1
x == 300
x < 300
x > -1
x / 0
x / 2
2 ** x
x ** x
x % -3
x & 300
x | -1
x & True
x ^ x
x << -1
x.lcm(x + 1)
x.clip(10, 20)
x.clamp(2.5, 100)
lib.sub(x, x, alpha=3)
lib.where(x > 3, x, -1)
lib.where(x > 3, x, 2.0)
lib.full((2,), 2.7, dtype=u8)
lib.full((2,), -1, dtype=u8)
x.masked_fill(x > 3, 2.5)
x.scatter_add(0, lib.tensor([3, 3]), x[2:4])
x.index_add(0, lib.tensor([3, 3]), x[2:4])
x.scatter_reduce(0, lib.tensor([0, 0]), x[2:4], 'amax', include_self=False)
x.scatter_reduce(0, lib.tensor([0, 0]), x[2:4], 'amin', include_self=False)
x.scatter_reduce(0, lib.tensor([0, 0]), x[2:4], 'mean')
x.gather(0, lib.tensor([3]))
x.index_select(0, lib.tensor([3, 1]))
x.prod(dtype=u8)
x.cumprod(0, dtype=u8)
x.median()
x.mode()
x.kthvalue(2)
x.aminmax()
x.diff()
x.count_nonzero()
x.nonzero()
x.exp()
x.sqrt()
x.floor()
x.round()
x.logical_xor(x)
lib.isclose(x, x + 1, rtol=0, atol=1)
lib.maximum(x, lib.tensor(3))
lib.heaviside(x, x)
lib.atan2(x, x)
lib.copysign(x, -1)
lib.nan_to_num(x)
lib.addcmul(x, x, x, value=-1)
lib.addmm(square, square, square)
lib.einsum('i,j->ij', x, x)
lib.outer(x, x)
lib.matrix_power(square, 3)
lib.trace(square)
lib.cov(x)
lib.trapz(x)
lib.vander(x[:3])
lib.isin(x, x[:2])
lib.roll(x, 1)
lib.flip(x, [0])
lib.rot90(square)
lib.tril(square)
lib.cat([x, lib.tensor([1])])
lib.cat([x, lib.tensor([True])])
lib.stack([x, x])
lib.arange(0, 300, 100, dtype=u8)
lib.arange(0, 2, 0.5, dtype=u8)
lib.linspace(0, 10, 5, dtype=u8)
lib.logspace(0, 2, 3, dtype=u8)
lib.eye(2, dtype=u8)
lib.bincount(x[:3], weights=x[:3])
lib.repeat_interleave(x, 2)
x.unique(return_counts=True)
x.copy_(lib.tensor([1.5, -1, 2, 3, 400]))
x.add_(lib.tensor([1]))
x.view(5, 1).expand(5, 2)
F.pad(x, (1, 1))
F.pad(x.reshape(1, 5), (1, 1), mode='reflect')
F.pad(x.reshape(1, 5), (1, 1), mode='replicate')
F.pad(x.reshape(1, 5), (1, 1), mode='circular')
F.interpolate(x.reshape(1, 1, 5), scale_factor=2)
F.interpolate(square.reshape(1, 1, 2, 2), size=(3, 5))
F.interpolate(square.reshape(1, 1, 2, 2), size=(3, 5), mode='nearest-exact')
F.interpolate(square.reshape(1, 1, 2, 2), scale_factor=2, mode='bilinear')
F.interpolate(square.reshape(1, 1, 2, 2), size=(3, 3), mode='bicubic')
F.relu(x)
F.nll_loss(lib.ones(2, 3), lib.tensor([0, 1], dtype=u8))
lib.manual_seed(0) and lib.randint(0, 256, (9,), dtype=u8)
lib.manual_seed(0) and lib.empty(9, dtype=u8).random_()
lib.manual_seed(0) and lib.empty(9, dtype=u8).geometric_(0.5)
lib.manual_seed(0) and lib.empty(9, dtype=u8).bernoulli_(0.5)
lib.manual_seed(0) and lib.randperm(9, dtype=u8)
lib.empty(3, dtype=u8).uniform_()
lib.empty(3, dtype=u8).normal_()
x ** -1
x // 0
x.std()
x.mean()
x.softmax(0)
x.add_(1.5)
x.mul_(lib.tensor(2.0))
x.div_(2)
x.frac()
x.index_select(0, x[:2])
x.gather(0, x[:2])
lib.take(x, x[:2])
lib.rand(3, dtype=u8)
lib.tensor([1], dtype=u8, requires_grad=True)
lib.bernoulli(x)
lib.multinomial(x, 2)
lib.poisson(x)
lib.hypot(x, x)
lib.cdist(square, square)
lib.quantile(x, 0.5)
lib.logcumsumexp(x, 0)
""".strip().splitlines()


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", EXPRESSIONS)
def test_expression_gives_what_pytorch_gives(text: str) -> None:
    torch = pytest.importorskip("torch")

    def outcome(lib: Any) -> Any:
        x = lib.tensor([0, 1, 5, 200, 255], dtype=lib.uint8)
        scope = {"lib": lib, "x": x, "u8": lib.uint8, "F": lib.nn.functional}
        try:
            result = eval(text, {**scope, "square": x[:4].reshape(2, 2)})
        except Exception as error:
            return next(c for c in type(error).__mro__ if c.__module__ == "builtins")
        return arrays([result] if isinstance(result, lib.Tensor) else list(result))

    ours, them = outcome(bx), outcome(torch)
    if isinstance(them, type):
        assert isinstance(ours, type), ours
        assert issubclass(ours, them) or issubclass(them, ours)
        return
    assert not isinstance(ours, type), ours
    for a, e in zip(ours, them, strict=True):
        assert a.dtype == e.dtype
        np.testing.assert_allclose(a, e, 1e-6, 1 if "bicubic" in text else 0)
