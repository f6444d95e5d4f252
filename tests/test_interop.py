"""Memory shared with other libraries: DLPack, buffers, asarray; and what scripts ask at first."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

DTYPES = ["bool", "uint8", "int32", "int64", "float32", "float64"]


class Owned(np.ndarray):
    """An array that can be referred to weakly."""


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_dlpack_and_buffers_share_memory_with_numpy(dtype: str, shape: Any) -> None:
    t = (
        bx.ones(*shape, dtype=getattr(bx, dtype))
        if shape
        else bx.tensor(1, dtype=getattr(bx, dtype))
    )
    for array in (np.from_dlpack(t), np.asarray(memoryview(t)), np.asarray(t)):
        assert array.dtype == dtype
        assert array.shape == shape
        assert array.flags.writeable
        if t.numel():
            assert np.shares_memory(array, t.numpy())
    back = bx.from_dlpack(np.ones(shape, dtype))
    assert back.dtype == t.dtype
    assert back.tolist() == t.tolist()


def test_strides_travel() -> None:
    base = bx.arange(12.0).reshape(3, 4)
    for view in (base.t(), base[1:, ::2], base[:, 1]):
        for array in (np.from_dlpack(view), np.asarray(memoryview(view))):
            assert array.tolist() == view.tolist()
            assert np.shares_memory(array, base.numpy())
        assert bx.from_dlpack(view.numpy()).stride() == view.stride()
    assert memoryview(base).c_contiguous
    assert bytes(base[:1]) == base[0].numpy().tobytes()
    with pytest.raises((BufferError, ValueError), match="contiguous"):
        np.frombuffer(base.t())
    with pytest.raises((ValueError, BufferError), match="negative stride"):
        bx.from_dlpack(np.arange(3.0)[::-1])


@pytest.mark.skipif(not hasattr(bytes, "__buffer__"), reason="Python 3.12's")
@pytest.mark.parametrize("shape", [(), (6,), (2, 3)])
def test_a_buffer_without_a_shape_is_one_of_elements(shape: tuple[int, ...]) -> None:
    t: Any = bx.ones(shape)
    assert bytes(t.__buffer__(0)) == t.numpy().tobytes()


def test_memory_lives_as_long_as_it_is_shown() -> None:
    gc.collect()
    held = bx._core._memory_stats()["in_use"]
    for lend in (np.from_dlpack, lambda t: np.asarray(memoryview(t)), lambda t: t.__dlpack__()):
        shown: Any = lend(bx.full((1000,), 7.0))
        assert bx._core._memory_stats()["in_use"] == held + 4000
        if isinstance(shown, np.ndarray):
            assert (shown == 7).all()
        del shown
        gc.collect()
        assert bx._core._memory_stats()["in_use"] == held
    t = bx.zeros(3)
    view = memoryview(t)
    t.data = bx.ones(2)
    assert view.tolist() == [0.0, 0.0, 0.0]

    a = np.arange(5.0).view(Owned)
    alive = weakref.ref(a)
    part = bx.from_dlpack(a)[1:]
    del a
    gc.collect()
    assert alive() is not None
    assert part.tolist() == [1.0, 2.0, 3.0, 4.0]
    del part
    gc.collect()
    assert alive() is None


def test_capsules_are_taken_once() -> None:
    t = bx.arange(3)
    for version in (None, (1, 0)):
        capsule = t.__dlpack__(max_version=version)
        shared = bx.from_dlpack(capsule)
        shared.add_(1)
        with pytest.raises(RuntimeError, match="used already"):
            bx.from_dlpack(capsule)
    assert t.tolist() == [2, 3, 4]
    assert t.__dlpack_device__() == (1, 0)
    copied = np.from_dlpack(t, copy=True)
    assert not np.shares_memory(copied, t.numpy())
    assert not hasattr(t, "__cuda_array_interface__")


def test_what_cannot_be_shared() -> None:
    x = bx.ones(2, requires_grad=True)
    for take in (lambda: x.__dlpack__(), lambda: memoryview(x)):
        with pytest.raises(BufferError, match=r"requires grad; use tensor\.detach\(\)"):
            take()
    with pytest.raises(RuntimeError, match=r"\[numpy\].*requires grad"):
        np.asarray(x)
    with pytest.raises(BufferError, match="device"):
        bx.ones(1).__dlpack__(dl_device=(2, 0))
    with pytest.raises(TypeError, match="DLPack type"):
        bx.from_dlpack(np.ones(2, np.uint16))
    with pytest.raises(RuntimeError, match="__dlpack__"):
        bx.from_dlpack([1])
    array = np.ones(2)
    array.flags.writeable = False
    with pytest.warns(UserWarning, match="not writable"):
        assert bx.from_dlpack(array).tolist() == [1.0, 1.0]


def test_dlpack_with_torch() -> None:
    torch = pytest.importorskip("torch")
    t = bx.arange(6.0).reshape(2, 3).t()
    theirs = torch.from_dlpack(t)
    theirs += 1
    assert t.tolist() == theirs.tolist()
    ours = bx.from_dlpack(torch.ones(2, 3).t())
    assert ours.stride() == (1, 3)
    assert torch.utils.dlpack.from_dlpack(bx.utils.dlpack.to_dlpack(t)).shape == (3, 2)


def test_frombuffer_and_asarray() -> None:
    buffer = bytearray(12)
    t = bx.frombuffer(buffer, dtype=bx.int32, count=2, offset=4)
    t.fill_(1)
    assert buffer == b"\0\0\0\0\1\0\0\0\1\0\0\0"
    for arguments in ({"count": 4}, {"offset": 12}, {"offset": 1}, {"offset": -4}, {"count": 0}):
        with pytest.raises(ValueError, match=r"\[frombuffer\]"):
            bx.frombuffer(buffer, dtype=bx.int32, **arguments)
    with pytest.warns(UserWarning, match="not writable"):
        bx.frombuffer(b"1234", dtype=bx.float32)
    a = np.ones(2)
    assert np.shares_memory(bx.asarray(a).numpy(), a)
    assert not np.shares_memory(bx.asarray(a, copy=True).numpy(), a)
    assert bx.asarray([1, 2], dtype=bx.float64).dtype == bx.float64
    assert bx.asarray(bx.arange(2)).tolist() == [0, 1]
    assert bx.asarray([1.0], requires_grad=True).requires_grad
    with pytest.raises(ValueError, match="without a copy"):
        bx.asarray(a, dtype=bx.float32, copy=False)
    with pytest.raises(ValueError, match="no memory"):
        bx.asarray([1], copy=False)


def test_sequences_keep_the_type_of_numpys_numbers() -> None:
    assert bx.tensor([np.float64(1), np.float32(2)]).dtype == bx.float64
    assert bx.tensor([np.float32(1), 2]).dtype == bx.float32
    assert bx.tensor([np.int32(1)]).dtype == bx.int32
    assert bx.tensor([bx.tensor(1.0, dtype=bx.float64), 2]).dtype == bx.float64
    assert bx.tensor([np.arange(2.0)]).dtype == bx.float64
    assert tuple(bx.Tensor(bx.Size((2, 3))).shape) == (2, 3)
    assert bx.ones(1).type(bx.LongTensor).dtype == bx.int64


def test_limits() -> None:
    f, i = bx.finfo(bx.float32), bx.iinfo(bx.int32)
    assert (f.bits, f.eps, f.dtype) == (32, 2.0**-23, "float32")
    assert f.max == bx.tensor(f.max).item()
    assert (i.min, i.max, i.bits) == (-(2**31), 2**31 - 1, 32)
    assert repr(i) == "iinfo(min=-2147483648, max=2147483647, dtype=int32)"
    assert repr(bx.iinfo(bx.uint8)) == "iinfo(min=0, max=255, dtype=uint8)"
    assert bx.finfo() == f
    for wrong in (
        lambda: bx.finfo(bx.int32),
        lambda: bx.iinfo(bx.float32),
        lambda: bx.iinfo(bx.bool),
    ):
        with pytest.raises(TypeError, match="info"):
            wrong()


def test_switches_of_scripts(monkeypatch: pytest.MonkeyPatch) -> None:
    import backprop_ext.backends.cudnn as cudnn
    from backprop_ext import _switches

    monkeypatch.setitem(_switches._state, "compile", False)  # it has not warned yet

    assert not bx.cuda.is_available()
    assert not bx.backends.mps.is_available()
    assert not bx.accelerator.is_available()
    bx.backends.cudnn.deterministic = True
    assert cudnn.deterministic
    bx.use_deterministic_algorithms(True)
    assert bx.are_deterministic_algorithms_enabled()
    bx.use_deterministic_algorithms(False)
    bx.set_float32_matmul_precision("high")
    assert bx.get_float32_matmul_precision() == "high"
    assert bx.can_cast(bx.float64, bx.float32)
    assert not bx.can_cast(bx.float32, bx.int64)
    assert not bx.can_cast(bx.int32, bx.bool)
    assert bx.version.cuda is None
    for ask in (lambda: bx.ones(1).cuda(), bx.cuda.current_device, lambda: bx.ones(1).to("cuda")):
        with pytest.raises(AssertionError, match="cuda"):
            ask()
    model = bx.nn.Linear(1, 1)
    with pytest.warns(UserWarning, match="no compiler here"):
        assert bx.compile(model, mode="max-autotune") is model
    assert bx.compile(fullgraph=True)(len) is len  # it warns once


def test_fork_rng() -> None:
    bx.manual_seed(1)
    with bx.random.fork_rng():
        bx.manual_seed(2)
    first = bx.rand(1).item()
    bx.manual_seed(1)
    assert bx.rand(1).item() == first


def test_a_device_is_a_name_and_tensors_go_to_the_cpu_only() -> None:
    cuda = bx.device("cuda:1")
    assert (cuda.type, cuda.index, str(cuda)) == ("cuda", 1, "cuda:1")
    assert cuda == bx.device("cuda", 1) != bx.device("cuda")
    assert repr(bx.device("cuda")) == "device(type='cuda')"
    # As libraries choose: ask for a GPU, and take the CPU where there is none.
    wanted = bx.device("cuda")
    if wanted.type == bx.device("cuda").type and not bx.cuda.is_available():
        wanted = bx.device("cpu")
    assert bx.ones(1, device=wanted).device == wanted
    with bx.device("cpu"):
        assert bx.ones(1).device.type == "cpu"
    for use in (
        lambda: bx.ones(1, device=cuda),
        lambda: bx.ones(1).to(cuda),
        lambda: bx.nn.Linear(1, 1).to(cuda),
        lambda: bx.set_default_device(cuda),
        lambda: bx.asarray([1.0], device=cuda),
        cuda.__enter__,
    ):
        with pytest.raises(AssertionError, match="cuda:1"):
            use()
    for wrong in ("gpu", "cuda:x", "cuda:"):
        with pytest.raises(RuntimeError, match="pass one of cpu, cuda"):
            bx.device(wrong, 0)


def test_a_tensor_of_a_tensor_is_a_copy_with_a_warning() -> None:
    with pytest.warns(UserWarning, match=r"\[tensor\].*clone"):
        assert bx.tensor(bx.ones(2, requires_grad=True) * 2).requires_grad is False
