"""int8, int16, float16 and bfloat16: beside NumPy, and beside float32 rounded once."""

from __future__ import annotations

import copy
import io
import pickle
import re
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from numeric import rounded_to_bfloat16

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext import safetensors as st

if TYPE_CHECKING:
    from pathlib import Path

FLOATS = (bx.float16, bx.bfloat16)
INTS = (bx.int8, bx.int16)
BITS = np.arange(2**16, dtype=np.uint16)


def name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def rounded(x: Any, dtype: Any) -> Any:
    """float32 in the nearest numbers of a narrow type, as float32."""
    x = np.asarray(x, np.float32)
    if dtype == bx.bfloat16:
        return rounded_to_bfloat16(x)
    with np.errstate(over="ignore"):
        return x.astype(np.float16).astype(np.float32)


def floats() -> Any:
    """float32 numbers of every size and kind, and those about which rounding decides."""
    rng = np.random.default_rng(3)
    any_bits = rng.integers(0, 2**32, 200_000, dtype=np.uint32).view(np.float32)
    halves = BITS.view(np.float16).astype(np.float32)
    halves = np.unique(halves[np.isfinite(halves)])
    ties = (halves[1:] + halves[:-1]) / 2
    edges = np.float32(
        [0.0, -0.0, np.inf, -np.inf, np.nan, 65519.0, 65520.0, 2**-25, 1e-45, 3.4e38]
    )
    return np.concatenate([any_bits, ties.astype(np.float32), edges])


def test_every_float16_is_the_number_that_numpy_reads() -> None:
    wide = bx.from_numpy(BITS.view(np.float16)).float()
    np.testing.assert_array_equal(wide.numpy(), BITS.view(np.float16).astype(np.float32))
    back = wide.half().numpy().view(np.uint16)
    number = ~np.isnan(wide.numpy())
    np.testing.assert_array_equal(back[number], BITS[number])


def test_every_bfloat16_is_the_upper_half_of_a_float32() -> None:
    wide = bx.from_numpy(BITS.view(np.int16)).view(bx.bfloat16).float().numpy()
    expected = (BITS.astype(np.uint32) << 16).view(np.float32)
    np.testing.assert_array_equal(wide, expected)
    back = bx.from_numpy(wide).bfloat16().view(bx.int16).numpy().view(np.uint16)
    number = ~np.isnan(expected)
    np.testing.assert_array_equal(back[number], BITS[number])


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
def test_floats_are_rounded_to_the_nearest_ties_to_even(dtype: Any) -> None:
    x = floats()
    np.testing.assert_array_equal(bx.from_numpy(x).to(dtype).float().numpy(), rounded(x, dtype))


@pytest.mark.parametrize("dtype", INTS, ids=name)
def test_integers_wrap_around_as_numpys_do(dtype: Any) -> None:
    rng = np.random.default_rng(4)
    kind = np.dtype(name(dtype))
    limits = np.iinfo(kind)
    a, b = rng.integers(limits.min, limits.max + 1, (2, 500)).astype(kind)
    b[b == 0] = 3
    x, y = bx.tensor(a), bx.tensor(b)
    assert x.dtype == dtype
    with np.errstate(over="ignore"):
        pairs = [
            (x + y, a + b),
            (x - y, a - b),
            (x * y, a * b),
            (x // y, a // b),
            (x % y, a % b),
            (x & y, a & b),
            (~x, ~a),
            (-x, -a),
            (x.abs(), np.abs(a)),
            (x.cumsum(0), a.cumsum(dtype=np.int64)),
            (x.sum(), a.sum(dtype=np.int64)),
            (x.max(), a.max()),
            (x.sort().values, np.sort(a)),
            (x > y, a > b),
            (x.long() * 1000, a.astype(np.int64) * 1000),
            (
                bx.tensor(a.astype(np.int64) * 12345).to(dtype),
                (a.astype(np.int64) * 12345).astype(kind),
            ),
        ]
    for k, (found, expected) in enumerate(pairs):
        np.testing.assert_array_equal(found.numpy(), expected, err_msg=str(k))
        assert found.numpy().dtype == expected.dtype, k


ROUNDED_ONCE: dict[str, Any] = {
    "add": lambda m, x, y: x + y,
    "mul": lambda m, x, y: x * y,
    "div": lambda m, x, y: x / y,
    "a number is not rounded": lambda m, x, y: x * 0.1 + 0 * y,
    "exp": lambda m, x, y: m.exp(x),
    "tanh": lambda m, x, y: m.tanh(x),
    "sum": lambda m, x, y: x.sum(1),
    "mean": lambda m, x, y: x.mean(),
    "matmul": lambda m, x, y: x @ y.T,
    "softmax": lambda m, x, y: m.softmax(x, -1),
    "log_softmax": lambda m, x, y: m.log_softmax(x, 1),
    "layer_norm": lambda m, x, y: m.nn.functional.layer_norm(x, (7,)),
    "rms_norm": lambda m, x, y: m.nn.functional.rms_norm(x, (7,)),
    "norm": lambda m, x, y: x.norm(),
    "where": lambda m, x, y: m.where(x > 0, x, y),
    "gather": lambda m, x, y: x.gather(1, m.tensor([[6, 0], [1, 1]])),
    "cat": lambda m, x, y: m.cat([x, y], 1),
    "flip": lambda m, x, y: x.flip(0),
    "transposed": lambda m, x, y: x.T.contiguous(),
    "conv1d": lambda m, x, y: m.nn.functional.conv1d(x[None], y[None, :, :3]),
    "attention": lambda m, x, y: m.nn.functional.scaled_dot_product_attention(x, y, y),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
@pytest.mark.parametrize("operation", ROUNDED_ONCE)
def test_an_operation_is_float32s_rounded_once(operation: str, dtype: Any) -> None:
    rng = np.random.default_rng(5)
    a, b = (rounded(rng.normal(size=(2, 7)), dtype) for _ in range(2))
    function = ROUNDED_ONCE[operation]
    found = function(bx, bx.tensor(a).to(dtype), bx.tensor(b).to(dtype))
    assert found.dtype == dtype
    expected = function(bx, bx.tensor(a), bx.tensor(b)).numpy()
    if operation.startswith("a number"):
        expected = rounded(a * np.float32(0.1), dtype)
    np.testing.assert_array_equal(found.float().numpy(), rounded(expected, dtype))


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS], ids=name)
def test_views_of_every_layout_are_read_and_written(dtype: Any) -> None:
    values = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
    x = bx.tensor(values).to(dtype)
    views: list[Any] = [
        lambda t: t.T if hasattr(t, "numpy") else t.transpose(2, 1, 0),
        lambda t: t[:, ::2, 1:],
        lambda t: t[1],
        lambda t: t[:, :, -1],
        lambda t: t[0, 2, 3:],
        lambda t: t[:, 1:1],
    ]
    for k, view in enumerate(views):
        flipped = view(x.permute(2, 1, 0).permute(2, 1, 0)) if k else x.permute(2, 1, 0)
        np.testing.assert_array_equal(flipped.float().numpy(), view(values), err_msg=str(k))
        written, expected = x.clone(), values.copy()
        target = view(written) if k else written.permute(2, 1, 0)
        target += 5
        target.mul_(2)
        part = view(expected)
        part += 5
        part *= 2
        np.testing.assert_array_equal(written.float().numpy(), expected, err_msg=str(k))
    np.testing.assert_array_equal(x[:1].expand(3, 3, 4).sum(0).float().numpy(), values[0] * 3)
    indexed = x.clone()
    indexed[:, [0, 2]] = 7
    indexed[bx.tensor([0, 0]), 1, 1] += 1
    assert indexed[:, 0].float().eq(7).all()
    assert indexed[0, 1, 1].item() == values[0, 1, 1] + 1


def test_promotion() -> None:
    def kinds(a: Any) -> list[str]:
        others = (bx.bool, bx.uint8, *INTS, bx.int32, *FLOATS, bx.float32, bx.complex64)
        return [name(bx.promote_types(a, b)) for b in others]

    # As PyTorch 2.13 prints them.
    rest = ["int32", "float16", "bfloat16", "float32", "complex64"]
    assert kinds(bx.uint8) == ["uint8", "uint8", "int16", "int16", *rest]
    assert kinds(bx.int8) == ["int8", "int16", "int8", "int16", *rest]
    assert kinds(bx.int16) == ["int16"] * 4 + rest
    assert kinds(bx.float16) == ["float16"] * 6 + ["float32", "float32", "complex64"]
    assert kinds(bx.bfloat16) == ["bfloat16"] * 5 + ["float32", "bfloat16", "float32", "complex64"]
    half, char = bx.ones(2).half(), bx.ones(2, dtype=bx.int8)
    assert (half * 1.5).dtype == (half + char).dtype == (half * bx.tensor(2.0)).dtype == bx.float16
    assert (char + 1).dtype == bx.int8
    assert (char + 1.5).dtype == (char / 2).dtype == char.float().mean().dtype == bx.float32


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
def test_gradients_have_the_type_and_are_near_float32s(dtype: Any) -> None:
    bx.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(2, 4, 3), nn.GELU(), nn.Flatten(), nn.LayerNorm(20), nn.Linear(20, 3)
    )
    narrow = copy.deepcopy(model).to(dtype)
    x, target = bx.randn(5, 2, 7), bx.tensor([0, 1, 2, 0, 1])
    losses = []
    for net, data in ((model, x), (narrow, x.to(dtype))):
        loss = nn.functional.cross_entropy(net(data), target)
        loss.backward()
        losses.append(loss.item())
    digits = 2**-8 if dtype == bx.bfloat16 else 2**-11
    assert losses[1] == pytest.approx(losses[0], rel=8 * digits)
    for p, q in zip(model.parameters(), narrow.parameters(), strict=True):
        assert q.grad is not None
        assert q.grad.dtype == q.dtype == dtype
        assert p.grad is not None
        close = (p.grad - q.grad.float()).abs() <= 30 * digits * p.grad.abs().max()
        assert close.all()


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
def test_second_derivatives_have_the_type(dtype: Any) -> None:
    x = bx.tensor([0.5, -1.25, 2.0], dtype=dtype, requires_grad=True)
    (g,) = bx.autograd.grad((x**3).sum() * 2, x, create_graph=True)
    (h,) = bx.autograd.grad(g.sum(), x)
    assert g.dtype == h.dtype == dtype
    assert h.tolist() == [6.0, -15.0, 24.0]


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
@pytest.mark.parametrize("dtype", FLOATS, ids=name)
def test_optimizers_step_narrow_parameters(optimizer: str, dtype: Any) -> None:
    start = bx.tensor([1.0, -2.0, 0.5])
    found = []
    for kind in (bx.float32, dtype):
        w = start.clone().to(kind).requires_grad_()
        step = getattr(bx.optim, optimizer)([w], lr=0.0625)
        for _ in range(3):
            step.zero_grad()
            (w * w).sum().backward()
            step.step()
        assert w.dtype == kind
        found.append(w.detach().float())
    assert (found[0] - found[1]).abs().max() < 0.03
    assert (found[1] - start).abs().min() > 0.05


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
def test_a_captured_step_is_the_eager_one(dtype: Any) -> None:
    def train(captured: bool) -> Any:
        bx.manual_seed(1)
        model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1)).to(dtype)
        optimizer = bx.optim.SGD(model.parameters(), lr=0.25, momentum=0.5)

        def step(x: Any, y: Any) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = bx.capture(step) if captured else step
        data = bx.randn(6, 4, 3).to(dtype)
        losses = [run(x, x.sum(1, keepdim=True)).item() for x in data]
        return losses, [p.tolist() for p in model.parameters()]

    assert train(True) == train(False)


def test_what_a_captured_step_drops_needs_no_place() -> None:
    def step(x: Any) -> Any:
        narrow = x.half()
        loss = 0 + (narrow * narrow).sum()  # nobody asks for its value
        return bx.autograd.grad(loss, [x])

    captured = bx.capture(step)
    for k in range(3):
        x = bx.full((3,), 1.5 + k, requires_grad=True)
        (g,) = captured(x)
        assert g.tolist() == [3.0 + 2 * k] * 3


def test_draws_are_float32s_rounded() -> None:
    for dtype in FLOATS:
        for draw in (bx.rand, bx.randn):
            for count in (5, 16, 64):
                bx.manual_seed(2)
                expected = draw(count)
                bx.manual_seed(2)
                found = draw(count, dtype=dtype)
                np.testing.assert_allclose(
                    found.float().numpy(), rounded(expected.numpy(), dtype), rtol=2**-7
                )
    # torch.manual_seed(0); torch.randn(20, dtype=torch.float16)[4:8]
    bx.manual_seed(0)
    late = [-1.3525390625, -1.6962890625, 0.56689453125, 0.79345703125]
    assert bx.randn(20, dtype=bx.float16)[4:8].tolist() == pytest.approx(late, abs=1e-3)
    bx.manual_seed(0)
    assert bx.randint(0, 10, (4,), dtype=bx.int8).tolist() == [4, 9, 3, 0]


def test_printing_and_limits() -> None:
    x = bx.tensor([1.1, 2.2, 3e4, -1e-7], dtype=bx.float16)
    printed = "tensor([ 1.0996e+00,  2.1992e+00,  3.0000e+04, -1.1921e-07], dtype=torch.float16)"
    assert " ".join(repr(x).split()) == " ".join(printed.split())
    assert (
        repr(bx.tensor([1.1, 2], dtype=bx.bfloat16))
        == "tensor([1.1016, 2.0000], dtype=torch.bfloat16)"
    )
    assert repr(bx.tensor([100, -3], dtype=bx.int8) * 2) == "tensor([-56,  -6], dtype=torch.int8)"
    assert bx.tensor(1.1).half().item() == 1.099609375
    limits = "finfo(resolution=0.01, min=-3.38953e+38, max=3.38953e+38, eps=0.0078125, "
    assert repr(bx.finfo(bx.bfloat16)).startswith(limits)
    assert bx.finfo(bx.float16).max == 65504
    assert (bx.iinfo(bx.int16).min, bx.iinfo(bx.int8).max) == (-32768, 127)
    assert [bx.ones(1, dtype=d).type() for d in (*FLOATS, *INTS)] == [
        f"torch.{kind}Tensor" for kind in ("Half", "BFloat16", "Char", "Short")
    ]
    assert bx.HalfTensor([1, 2]).dtype == bx.float16
    assert isinstance(bx.ones(1).bfloat16(), bx.BFloat16Tensor)


def test_memory_is_shared_with_numpy_and_others() -> None:
    array = np.ones(3, np.float16)
    t = bx.from_numpy(array)
    t[1] = 7
    assert array.tolist() == [1, 7, 1]
    assert bx.from_dlpack(t).data_ptr() == t.data_ptr()
    for dtype in (*FLOATS, *INTS):
        x = bx.arange(6).to(dtype).view(2, 3).T
        y = bx.utils.dlpack.from_dlpack(bx.utils.dlpack.to_dlpack(x))
        assert (y.dtype, y.data_ptr(), y.tolist()) == (dtype, x.data_ptr(), x.tolist())
    assert np.asarray(memoryview(bx.tensor([3, -4], dtype=bx.int16))).tolist() == [3, -4]
    with pytest.raises(TypeError, match=r"\[numpy\] NumPy has no bfloat16; convert"):
        bx.ones(2).bfloat16().numpy()
    with pytest.raises(BufferError, match="bfloat16"):
        memoryview(bx.ones(2).bfloat16())


@pytest.mark.parametrize("dtype", [*FLOATS, *INTS], ids=name)
def test_files_and_copies(dtype: Any, tmp_path: Path) -> None:
    x = bx.tensor([[1.5, -2.0, 3.25], [0.0, 100.0, -7.0]]).to(dtype)
    whole = {"x": x, "part": x[:, 1:], "dtype": dtype}
    stream = io.BytesIO()
    bx.save(whole, stream)
    stream.seek(0)
    loaded = bx.load(stream)
    assert loaded["dtype"] is dtype
    assert loaded["part"].untyped_storage().data_ptr() == loaded["x"].untyped_storage().data_ptr()
    st.save_file({"x": x}, tmp_path / "x.safetensors")
    copies = [
        loaded["x"],
        st.load_file(tmp_path / "x.safetensors")["x"],
        pickle.loads(pickle.dumps(x)),
        copy.deepcopy(x),
        x.view(bx.uint8).view(dtype),
    ]
    for k, copied in enumerate(copies):
        assert copied.dtype == dtype, k
        assert bx.equal(copied, x), k
    bx.testing.assert_close(loaded["part"], x[:, 1:])


REFUSED: dict[str, Any] = {
    "inverse": lambda t: bx.linalg.inv(t),
    "svd": lambda t: bx.linalg.svd(t),
    "cholesky": lambda t: bx.linalg.cholesky(t @ t.T),
    "fft": lambda t: bx.fft.fft(t),
    "cdist": lambda t: bx.cdist(t, t),
    "bessel": lambda t: bx.special.bessel_j0(t),
    "erfcx": lambda t: bx.special.erfcx(t),
    "as complex": lambda t: bx.view_as_complex(t),
    "quantile": lambda t: bx.quantile(t, 0.5),
    "histogram": lambda t: bx.histogram(t),
    "avg_pool3d": lambda t: nn.functional.avg_pool3d(t.view(1, 1, 1, 2, 2), 1),
    "ctc": lambda t: nn.functional.ctc_loss(
        t.view(2, 1, 2), bx.tensor([[1]]), bx.tensor([2]), bx.tensor([1])
    ),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
@pytest.mark.parametrize("operation", REFUSED)
def test_what_pytorch_has_for_wide_floats_alone_raises(operation: str, dtype: Any) -> None:
    t = bx.tensor([[2.0, 1.0], [1.0, 3.0]], dtype=dtype)
    with pytest.raises(RuntimeError, match=name(dtype)):
        REFUSED[operation](t)


def test_what_does_not_fit_raises() -> None:
    with pytest.raises(RuntimeError, match=r"300 does not fit into int8, which holds -128 to 127"):
        bx.tensor([300], dtype=bx.int8)
    with pytest.raises(
        RuntimeError, match=r"70000.* overflows in float16, which holds up to 65504"
    ):
        bx.zeros(2, dtype=bx.float16).fill_(70000.0)
    assert bx.tensor([70000.0]).half().item() == float("inf")
    with pytest.raises(IndexError):
        bx.ones(3)[bx.tensor([0], dtype=bx.int8)]
    with pytest.raises(RuntimeError, match="float16"):
        bx.ones(2, 2).half() @ bx.ones(2, 2)
    with pytest.raises(RuntimeError, match="grad"):
        bx.ones(2, dtype=bx.int16, requires_grad=True)


def test_autocast_computes_products_in_bfloat16() -> None:
    bx.manual_seed(0)
    layer, x = nn.Linear(3, 2), bx.randn(4, 3)
    assert not bx.is_autocast_enabled("cpu")
    with bx.autocast("cpu"):
        assert bx.is_autocast_enabled("cpu")
        assert bx.get_autocast_dtype("cpu") == bx.bfloat16
        y = layer(x)
        assert y.dtype == (x @ x.T).dtype == bx.einsum("ij,kj->ik", x, x).dtype == bx.bfloat16
        assert (y * 2).dtype == bx.bfloat16
        assert (y + x[:, :2]).dtype == y.softmax(-1).float().dtype == bx.float32
        loss = nn.functional.cross_entropy(y, bx.tensor([0, 1, 0, 1]))
        assert loss.dtype == nn.functional.mse_loss(y, x[:, :2]).dtype == bx.float32
        assert (x.double() @ x.double().T).dtype == bx.float64
        with bx.autocast("cpu", enabled=False):
            assert layer(x).dtype == bx.float32
        with bx.autocast("cpu", dtype=bx.float16):
            assert layer(x).dtype == bx.float16
        assert layer(x).dtype == bx.bfloat16
    assert not bx.is_autocast_enabled("cpu")
    loss.backward()
    assert layer.weight.grad is not None
    assert layer.weight.grad.dtype == bx.float32
    expected = nn.functional.linear(x.bfloat16(), layer.weight.bfloat16(), layer.bias.bfloat16())
    assert bx.equal(y, expected)


NORMS: dict[str, Any] = {
    "layer_norm": lambda: nn.LayerNorm((4, 5)),
    "group_norm": lambda: nn.GroupNorm(3, 6),
    "batch_norm": lambda: nn.BatchNorm2d(6),
    "instance_norm": lambda: nn.InstanceNorm2d(6, affine=True, track_running_stats=True),
    "rms_norm": lambda: nn.RMSNorm(5),
}


@pytest.mark.parametrize("dtype", FLOATS, ids=name)
@pytest.mark.parametrize("norm", NORMS)
def test_norms_of_narrow_input_compute_in_float32(norm: str, dtype: Any) -> None:
    x = bx.tensor(np.random.default_rng(6).normal(3, 1, (8, 6, 4, 5)), dtype=dtype)
    wide = NORMS[norm]()
    with bx.no_grad():
        for p in wide.parameters():
            p.uniform_(0.5, 2).copy_(p.to(dtype))
    mixed, narrow = copy.deepcopy(wide), copy.deepcopy(wide).to(dtype)
    leaf = x.clone().requires_grad_()
    expected = wide(x.float())
    found = [mixed(leaf), narrow(x)]
    for y in found:
        assert y.dtype == dtype
        assert bx.equal(y, expected.detach().to(dtype))
    found[0].float().square().sum().backward()
    assert leaf.grad is not None
    assert leaf.grad.dtype == dtype
    for a, b, c in zip(wide.buffers(), mixed.buffers(), narrow.buffers(), strict=True):
        assert bx.equal(a, b)
        assert b.dtype == a.dtype
        if a.is_floating_point():
            assert c.dtype == dtype
            assert not bx.equal(c, bx.zeros_like(c))
            bx.testing.assert_close(c.float(), a, rtol=2e-2, atol=2e-2)
    for module in (wide, mixed, narrow):
        module.eval()
    assert bx.equal(mixed(x), wide(x.float()).to(dtype))
    with pytest.raises(RuntimeError, match="float64"):
        NORMS[norm]().double()(x)


def test_autocast_ends_with_an_error_and_in_its_thread() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def inside() -> Any:
        return (bx.ones(2, 2) @ bx.ones(2, 2)).dtype

    def broken() -> None:
        with bx.autocast("cpu"), ThreadPoolExecutor(1) as pool:
            assert pool.submit(inside).result() == bx.float32
            assert inside() == bx.bfloat16
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken()
    assert inside() == bx.float32

    @bx.autocast("cpu")
    def decorated() -> Any:
        return inside()

    assert decorated() == bx.bfloat16


def test_names_that_stay_names() -> None:
    for kind in ("uint16", "uint32", "uint64"):
        with pytest.raises(NotImplementedError, match=re.escape(f"no tensor here is {kind}")):
            bx.zeros(1, dtype=getattr(bx, kind))
