"""The safetensors format, both ways, and files that break it."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.safetensors import load, load_file, save, save_file


def tensors() -> dict[str, bx.Tensor]:
    return {
        "w": bx.arange(6.0).reshape(2, 3),
        "b": bx.tensor([True, False, True]),
        "ü": bx.tensor(2**40),
        "i": bx.tensor([[1], [2]], dtype=bx.int32),
        "d": bx.tensor([0.1], dtype=bx.float64),
        "none": bx.empty(0, 4),
    }


def equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        str(a[k].dtype) == str(b[k].dtype)
        and tuple(a[k].shape) == tuple(b[k].shape)
        and a[k].tolist() == b[k].tolist()
        for k in a
    )


def test_round_trip(tmp_path: Any) -> None:
    path = tmp_path / "model.safetensors"
    save_file(tensors(), path, metadata={"format": "pt"})
    assert equal(load_file(path), tensors())
    assert equal(load(path.read_bytes()), tensors())
    assert save({}) == b"\x08\0\0\0\0\0\0\0{}      "
    assert load(save({})) == {}
    model = bx.nn.Linear(3, 2)
    state = load(save(dict(model.state_dict())))
    assert not state["weight"].requires_grad
    assert bx.nn.Linear(3, 2).load_state_dict(state)


def test_the_layout_is_the_formats() -> None:
    data = save({"a": bx.tensor([1.0]), "b": bx.tensor([2.0], dtype=bx.float64)}, {"k": "v"})
    length = int.from_bytes(data[:8], "little")
    assert length % 8 == 0
    assert json.loads(data[8 : 8 + length]) == {
        "__metadata__": {"k": "v"},
        "b": {"dtype": "F64", "shape": [1], "data_offsets": [0, 8]},
        "a": {"dtype": "F32", "shape": [1], "data_offsets": [8, 12]},
    }
    assert data[8 + length :] == np.float64(2).tobytes() + np.float32(1).tobytes()


def test_the_safetensors_package_agrees() -> None:
    package = pytest.importorskip("safetensors.numpy")
    arrays = {name: t.numpy() for name, t in tensors().items()}
    assert equal(load(package.save(arrays)), tensors())
    again = package.load(save(tensors()))
    assert {k: v.tolist() for k, v in again.items()} == {k: v.tolist() for k, v in arrays.items()}


def test_what_cannot_be_saved() -> None:
    x = bx.ones(2, 3)
    with pytest.raises(ValueError, match=r"\[save_file\] 'x'.*not contiguous"):
        save({"x": x.t()})
    with pytest.raises(RuntimeError, match=r"share memory"):
        save({"x": x, "y": x[1:]})
    for wrong in ({"x": 1}, {1: x}, {"__metadata__": x}):
        with pytest.raises(TypeError, match=r"\[save_file\]"):
            save(wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="texts by name"):
        save({"x": x}, {"epoch": 1})  # type: ignore[dict-item]
    with pytest.raises(AssertionError, match="device"):
        load_file("none", device="cuda")


def file(header: Any, content: bytes = b"\0" * 8) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + content


def entry(**changes: Any) -> dict[str, Any]:
    return {"x": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]} | changes}


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"short",
        (2**63).to_bytes(8, "little") + b"{}",
        file(b"{not json"),
        file(b"\xff\xfe"),
        file([1]),
        file({"x": 1}),
        file(entry(), b"\0" * 4),
        file(entry(), b"\0" * 12),
        file(entry(dtype="F16")),
        file(entry(shape=[3])),
        file(entry(shape=[-1, -2])),
        file(entry(shape=[2.0])),
        file(entry(data_offsets=[4, 12]), b"\0" * 12),
        file(entry(data_offsets=[0, -8])),
        file(entry() | {"y": entry()["x"]}),
        file(b'{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"x":1}'),
        file(entry(dtype="BOOL", shape=[8]), b"\0\1\2\0\0\0\0\0"),
        file(entry(shape=[2**62, 2**62])),
    ],
)
def test_a_broken_file_is_a_runtime_error(data: bytes) -> None:
    with pytest.raises(RuntimeError, match=r"^\[load_file\] the data is no safetensors file"):
        load(data)
