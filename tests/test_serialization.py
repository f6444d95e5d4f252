"""Pickle, deepcopy, save and load, and files that are damaged."""

from __future__ import annotations

import contextlib
import copy
import io
import json
import pickle
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx


def saved(obj: Any) -> bytes:
    stream = io.BytesIO()
    bx.save(obj, stream)
    return stream.getvalue()


def round_trip(obj: Any) -> Any:
    return bx.load(io.BytesIO(saved(obj)))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
@pytest.mark.parametrize("shape", [(), (0,), (3,), (2, 3), (2, 0, 3)])
def test_tensor_survives_pickle_and_save(dtype: str, shape: Any) -> None:
    t = bx.tensor(np.random.default_rng(0).integers(0, 2, shape)).to(getattr(bx, dtype))
    for again in (pickle.loads(pickle.dumps(t)), round_trip(t), copy.copy(t), copy.deepcopy(t)):
        assert type(again) is bx.Tensor
        assert again.dtype == t.dtype
        assert again.shape == t.shape
        assert again.tolist() == t.tolist()


def test_special_floats_survive() -> None:
    t = bx.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 1e-45])
    again = round_trip(t)
    assert again.numpy().tobytes() == t.numpy().tobytes()


def test_views_keep_their_layout_and_shared_memory() -> None:
    base = bx.arange(12.0).reshape(3, 4)
    again = round_trip({"base": base, "row": base[1], "t": base.t(), "same": base})
    assert again["same"] is again["base"]
    assert again["t"].stride() == (1, 4)
    again["row"].zero_()
    assert again["base"][1].tolist() == [0, 0, 0, 0]
    assert again["t"][:, 1].tolist() == [0, 0, 0, 0]


def test_containers_numbers_and_dtypes_survive() -> None:
    obj = {
        "list": [1, 2.5, None, True, "text"],
        "tuple": (1, (2, 3)),
        "ordered": OrderedDict(b=1, a=2),
        "size": bx.ones(2, 3).shape,
        "dtype": bx.float64,
        "complex": 1 + 2j,
        3: "int key",
        "floats": [float("inf"), 1e300, 0.1],
        "bytes": b"\0\xff",
        "sets": [{1, "a"}, frozenset((2.5,))],
        "place": bx.device("cpu"),
    }
    again = round_trip(obj)
    assert again == obj
    assert type(again["ordered"]) is OrderedDict
    assert type(again["size"]) is bx.Size
    assert type(again["tuple"]) is tuple
    assert again["dtype"] is bx.float64
    assert np.isnan(round_trip(float("nan")))


def test_requires_grad_and_class_survive_and_the_graph_does_not() -> None:
    p = bx.nn.Parameter(bx.tensor([1.0, 2.0]))
    frozen = bx.nn.Parameter(bx.tensor([1.0]), requires_grad=False)
    leaf = bx.tensor([1.0], requires_grad=True)
    for again in (round_trip([p, frozen, leaf]), pickle.loads(pickle.dumps([p, frozen, leaf]))):
        assert [type(t).__name__ for t in again] == ["Parameter", "Parameter", "Tensor"]
        assert [t.requires_grad for t in again] == [True, False, True]
        assert all(t.is_leaf for t in again)


def test_deepcopy_copies_leaf_grad_and_sharing() -> None:
    x = bx.tensor([1.0, 2.0], requires_grad=True)
    (x * x).sum().backward()
    x.tag = "kept"
    first, second = copy.deepcopy([x, x])
    assert first is second
    assert first.tag == "kept"
    assert first.grad.tolist() == [2.0, 4.0]
    first.data.zero_()
    first.grad.zero_()
    assert x.tolist() == [1.0, 2.0]
    assert x.grad.tolist() == [2.0, 4.0]
    with pytest.raises(RuntimeError, match=r"\[deepcopy\].*MulBackward0.*detach\(\)"):
        copy.deepcopy(x * 2)


def test_deepcopy_gives_every_leaf_its_own_grad() -> None:
    leaves = [bx.full((3,), float(i), requires_grad=True) for i in range(20)]
    sum((x * x).sum() for x in leaves).backward()
    for i, copied in enumerate(copy.deepcopy(leaves)):
        assert copied.tolist() == [i] * 3
        assert copied.grad.tolist() == [2 * i] * 3


def test_module_and_optimizer_states_survive_a_file(tmp_path: Any) -> None:
    def made() -> Any:
        model = bx.nn.Sequential(bx.nn.Linear(2, 3), bx.nn.Tanh(), bx.nn.Linear(3, 1))
        return model, bx.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)

    model, optimizer = made()
    x = bx.tensor([[1.0, 2.0]])
    model(x).sum().backward()
    optimizer.step()
    path = tmp_path / "state.bx"
    bx.save({"model": model.state_dict(), "optimizer": optimizer.state_dict()}, path)
    other, other_optimizer = made()
    state = bx.load(path)
    other.load_state_dict(state["model"])
    other_optimizer.load_state_dict(state["optimizer"])
    for m, o in ((model, optimizer), (other, other_optimizer)):
        o.zero_grad()
        m(x).sum().backward()
        o.step()
    assert other(x).tolist() == model(x).tolist()
    assert pickle.loads(pickle.dumps(model))(x).tolist() == model(x).tolist()
    assert copy.deepcopy(model)(x).tolist() == model(x).tolist()


def test_saving_replaces_a_file_whole_or_not_at_all(tmp_path: Any) -> None:
    path = tmp_path / "t.bx"
    bx.save(bx.ones(3), str(path))
    with pytest.raises(pickle.PicklingError, match="lambda"):
        bx.save([bx.zeros(3), lambda: None], path)
    assert bx.load(path).tolist() == [1, 1, 1]
    assert [p.name for p in tmp_path.iterdir()] == ["t.bx"]
    loop: list[Any] = []
    loop.append(loop)
    with pytest.raises(ValueError, match="itself"):
        bx.save(loop, path)
    with pytest.raises(FileNotFoundError):
        bx.load(tmp_path / "absent")


def rewritten(content: bytes, **changes: bytes | None) -> io.BytesIO:
    """The archive with members replaced or (None) left out."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            data = changes.get(name.replace("/", "_").replace(".", "_"), old.read(name))
            if data is not None:
                new.writestr(name, data)
    out.seek(0)
    return out


def tree_with(content: bytes, change: Any) -> io.BytesIO:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        tree = json.loads(archive.read("tree.json"))
    change(tree)
    return rewritten(content, tree_json=json.dumps(tree).encode())


DAMAGES: list[Any] = [
    lambda c: io.BytesIO(b""),
    lambda c: io.BytesIO(b"not a file of ours"),
    lambda c: io.BytesIO(pickle.dumps({"a": 1})),
    lambda c: io.BytesIO(c[: len(c) // 2]),
    lambda c: io.BytesIO(c[:-1]),
    lambda c: rewritten(c, tree_json=None),
    lambda c: rewritten(c, tree_json=b"{"),
    lambda c: rewritten(c, tree_json=b"[]"),
    lambda c: rewritten(c, storage_0_npy=None),
    lambda c: rewritten(c, storage_0_npy=b""),
    lambda c: rewritten(c, storage_0_npy=b"\x93NUMPY\x01\x00"),
    lambda c: tree_with(c, lambda t: t.update(version=99)),
    lambda c: tree_with(c, lambda t: t.update(format="other")),
    lambda c: tree_with(c, lambda t: t.update(root={"tensor": 7})),
    lambda c: tree_with(c, lambda t: t.update(root={"eval": "1"})),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(shape=[10**6])),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(shape=[2**62, 2**62])),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(shape=[-1])),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(strides=[-1])),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(strides=[10**9])),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(offset=5)),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(offset=-1)),
    lambda c: tree_with(c, lambda t: t["tensors"][0].update(storage=3)),
    lambda c: tree_with(c, lambda t: t["tensors"][0].pop("shape")),
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=range(len(DAMAGES)))
def test_damaged_file_is_a_clear_error(damage: Any) -> None:
    content = saved(bx.arange(5.0))
    assert bx.load(io.BytesIO(content)).tolist() == [0, 1, 2, 3, 4]
    broken = damage(content)
    kind, text = RuntimeError, r"\[load\].*damaged, incomplete or not written by"
    if isinstance(broken, io.BytesIO) and not broken.getvalue():
        kind, text = EOFError, r"\[load\] nothing is left in the file"
    elif isinstance(broken, io.BytesIO) and broken.getvalue()[:4] != b"PK\3\4":
        kind = pickle.UnpicklingError
    with pytest.raises(kind, match=text):
        bx.load(broken)


def test_a_file_that_was_not_rewound_is_at_its_end() -> None:
    stream = io.BytesIO()
    bx.save(bx.ones(2), stream)
    with pytest.raises(EOFError, match=r"call seek\(0\)"):
        bx.load(stream)


def test_what_pytorch_asks_of_pickle_is_taken() -> None:
    stream = io.BytesIO()
    bx.save(bx.ones(2), stream, pickle_protocol=4, _use_new_zipfile_serialization=False)
    stream.seek(0)
    assert bx.load(stream, encoding="latin1", weights_only=False).tolist() == [1, 1]


def test_every_changed_byte_is_noticed_or_harmless() -> None:
    content = saved({"w": bx.arange(5.0), "n": 3})
    for at in range(0, len(content), 3):
        broken = bytearray(content)
        broken[at] ^= 0xFF
        with contextlib.suppress(RuntimeError, pickle.UnpicklingError):
            assert bx.load(io.BytesIO(bytes(broken)))["w"].tolist() == [0, 1, 2, 3, 4]


def test_header_that_promises_more_than_the_file_takes_no_memory() -> None:
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        header, {"descr": "<f4", "fortran_order": False, "shape": (10**12,)}
    )
    before = bx._core._memory_stats()["peak"]
    with pytest.raises(RuntimeError, match=r"\[load\]"):
        bx.load(rewritten(saved(bx.arange(5.0)), storage_0_npy=header.getvalue()))
    assert bx._core._memory_stats()["peak"] == before


def test_loading_runs_no_code_of_the_file(tmp_path: Any) -> None:
    class Evil:
        def __reduce__(self) -> Any:
            return (open, (str(tmp_path / "made"), "w"))

    with pytest.raises(pickle.UnpicklingError, match=r"\[load\]"):
        bx.load(io.BytesIO(pickle.dumps(Evil())), weights_only=False)
    assert not (tmp_path / "made").exists()


def test_arrays_survive() -> None:
    array = np.arange(6.0).reshape(2, 3)
    again = round_trip({"array": array, "scalar": np.int32(3), "float": np.float64(0.1)})
    np.testing.assert_array_equal(again["array"], array)
    assert type(again["scalar"]) is np.int32
    assert again["float"] == 0.1
    with pytest.raises(TypeError, match=r"\[save\] a numpy.ndarray"):
        saved(np.array([None]))


def torch_file(pickled: bytes, **members: bytes) -> io.BytesIO:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        for name, content in members.items():
            archive.writestr(f"archive/data/{name.removeprefix('_')}", content)
    stream.seek(0)
    return stream


class _Calls:
    """Pickles as a call of any function."""

    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = function, arguments

    def __reduce__(self) -> Any:
        return self.call


@pytest.mark.parametrize("function", [print, eval, exec, getattr, open, pickle.loads, bx.save])
def test_pytorchs_file_runs_nothing(function: Any, capsys: Any) -> None:
    pickled = pickle.dumps({"w": _Calls(function, "print('run')")}, protocol=2)
    with pytest.raises(pickle.UnpicklingError, match=r"\[load\] the file holds a .*state_dict"):
        bx.load(torch_file(pickled))
    with pytest.raises((RuntimeError, AttributeError), match=r"\[load\].* holds a "):
        bx.load(torch_file(pickled), weights_only=False)
    assert not capsys.readouterr().out


@pytest.mark.parametrize(
    "pickled",
    [
        b"",
        b"\x80\x02",
        b"not a pickle",
        pickle.dumps([1])[:-1],
        # a storage that is not there, and one that is too short
        b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x019U\x03cpuK\x04tQ.",
        b"\x80\x02(U\x07storagectorch\nFloatStorage\nU\x010U\x03cpuJ\xff\xff\xff\x7ftQ.",
        b"\x80\x02(U\x07storagectorch\nComplexHalfStorage\nU\x010U\x03cpuK\x04tQ.",
        b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n}b.garbage"[:-8] + b"K\x01\x85R.",
        b"\x80\x02K\x01Q.",
    ],
)
def test_pytorchs_file_that_is_damaged(pickled: bytes) -> None:
    with pytest.raises(RuntimeError, match=r"^\[load\] the file object is damaged"):
        bx.load(torch_file(pickled, _0=b"\0" * 16))


def test_pytorchs_files_are_read(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    model(torch.randn(4, 3)).sum().backward()
    optimizer = torch.optim.Adam(model.parameters())
    optimizer.step()
    base = torch.arange(6.0, dtype=torch.float64)
    obj = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": [base, base[2:].reshape(2, 2).t(), base],
        "kinds": [torch.tensor([True]), torch.tensor([1], dtype=torch.int32), torch.tensor(2**40)],
        "bytes": torch.tensor([7, 255], dtype=torch.uint8),
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "frozen": torch.nn.Parameter(torch.ones(1), requires_grad=False),
        "empty": torch.empty(0, 3),
        "plain": [None, True, 1.5, "text", (1, {2}), b"bytes", torch.Size([1, 2])],
        "dtype": torch.float64,
    }
    path = tmp_path / "model.pth"
    torch.save(obj, path)
    again = bx.load(path)
    assert again["model"].keys() == obj["model"].keys()
    for name, value in obj["model"].items():
        assert again["model"][name].tolist() == value.tolist()
    state = optimizer.state_dict()["state"][0]
    assert again["optimizer"]["state"][0]["exp_avg"].tolist() == state["exp_avg"].tolist()
    assert again["optimizer"]["param_groups"] == optimizer.state_dict()["param_groups"]
    first, view, same = again["views"]
    assert view.stride() == (1, 2)
    first.zero_()
    assert view.tolist() == [[0.0, 0.0], [0.0, 0.0]]
    assert same.tolist() == [0.0] * 6
    assert [str(t.dtype) for t in again["kinds"]] == ["torch.bool", "torch.int32", "torch.int64"]
    assert again["bytes"].dtype == bx.uint8
    assert again["bytes"].tolist() == [7, 255]
    assert again["kinds"][2].item() == 2**40
    assert type(again["parameter"]) is bx.nn.Parameter
    assert [again[k].requires_grad for k in ("parameter", "frozen")] == [True, False]
    assert tuple(again["empty"].shape) == (0, 3)
    assert again["plain"][:5] == obj["plain"][:5]
    assert again["dtype"] is bx.float64
    torch.save(torch.ones(1, dtype=torch.uint16), path)
    with pytest.raises(RuntimeError, match=r"it holds a .* can be read"):
        bx.load(path)
