"""Whole modules and other objects in files: what comes back, and what a file cannot do."""

from __future__ import annotations

import copy
import dataclasses
import enum
import io
import json
import pickle
import sys
import types
import zipfile
from collections import Counter, OrderedDict, defaultdict, deque, namedtuple
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn import functional as F

Pair = namedtuple("Pair", "left right")


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Settings:
    width: int = 3
    activation: Any = F.gelu


class Slotted:
    __slots__ = ("x",)


class Named(dict[str, int]):
    pass


class Block(nn.Module):
    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.first = nn.Linear(2, settings.width)
        self.norm = partial(F.layer_norm, normalized_shape=(3,))
        self.body = nn.Sequential(nn.BatchNorm1d(3), nn.Dropout(0.5), nn.Linear(3, 3))
        self.tied = self.body[2]
        self.listed = [self.first]
        self.function = bx.tanh
        self.own = self.first.forward
        self.parent_of: Any = None
        self.register_buffer("step", bx.ones(1), persistent=False)

    def forward(self, x: Any) -> Any:
        return self.function(self.body(self.norm(self.settings.activation(self.first(x)))))


def saved(obj: Any) -> io.BytesIO:
    stream = io.BytesIO()
    bx.save(obj, stream)
    stream.seek(0)
    return stream


def round_trip(obj: Any) -> Any:
    return bx.load(saved(obj), weights_only=False)


def written(objects: list[Any], root: Any) -> io.BytesIO:
    """A file with objects of anybody's making."""
    tree = {
        "format": "backprop_ext",
        "version": 1,
        "root": root,
        "tensors": [],
        "objects": objects,
    }
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("tree.json", json.dumps(tree))
    stream.seek(0)
    return stream


def test_a_module_comes_back_with_its_ties() -> None:
    module = Block(Settings())
    module.parent_of = module.body
    module.first.weight.requires_grad_(False)
    module(bx.randn(8, 2))
    module.eval()
    again = round_trip({"model": module, "epoch": 3})["model"]
    x = bx.randn(4, 2)
    assert bx.equal(again(x), module(x))
    assert type(again) is Block
    assert not again.training
    assert repr(again) == repr(module)
    assert again.tied is again.body[2]
    assert again.listed[0] is again.first
    assert again.own.__self__ is again.first
    assert again.settings == module.settings
    assert not again.first.weight.requires_grad
    assert "step" not in again.state_dict()
    assert again.step.tolist() == [1.0]
    assert again.body[0].running_mean.tolist() == module.body[0].running_mean.tolist()
    again.train()
    again(x).sum().backward()
    assert again.tied.weight.grad is not None
    assert module.tied.weight.grad is None


@pytest.mark.parametrize(
    "obj",
    [
        Settings(4, bx.sigmoid),
        Colour.RED,
        Pair(1, [2.0]),
        deque([1, 2], maxlen=3),
        defaultdict(list, {"a": [1]}),
        Counter("aab"),
        OrderedDict(a=1),
        Named(a=1),
        range(1, 9, 2),
        slice(1, None),
        PurePosixPath("a/b"),
        types.SimpleNamespace(lr=0.1),
        F.cross_entropy,
        F.relu,
        bx.fft.fft,
        bx.linalg.norm,
        nn.GELU,
        Path.exists,
        {(1, 2): (nn.Linear, 5)},
    ],
    ids=str,
)
def test_objects_of_plain_classes_come_back(obj: Any) -> None:
    again = round_trip(obj)
    assert type(again) is type(obj)
    assert again == obj
    assert pickle.loads(pickle.dumps(obj)) == obj


def test_slots_generators_and_cycles_come_back() -> None:
    slotted = Slotted()
    slotted.x = slotted  # type: ignore[attr-defined]
    again = round_trip(slotted)
    assert again.x is again
    generator = bx.Generator().manual_seed(3)
    same = round_trip(generator)
    assert bx.rand(3, generator=same).tolist() == bx.rand(3, generator=generator).tolist()


def test_an_optimizer_comes_back_with_its_model() -> None:
    model = nn.Linear(2, 1)
    optimizer = bx.optim.Adam(model.parameters(), lr=0.1)
    for _ in range(2):
        optimizer.zero_grad()
        model(bx.ones(3, 2)).sum().backward()
        optimizer.step()
    scheduler = bx.optim.lr_scheduler.StepLR(optimizer, 1)
    again, same, steps = round_trip((model, optimizer, scheduler))
    assert steps.optimizer is same
    for net, opt, sched in ((model, optimizer, scheduler), (again, same, steps)):
        opt.zero_grad()
        net(bx.ones(3, 2)).sum().backward()
        opt.step()
        sched.step()
    assert bx.equal(again.weight, model.weight)
    assert same.param_groups[0]["lr"] == optimizer.param_groups[0]["lr"] == pytest.approx(0.01)


def test_hooks_come_back_by_name() -> None:
    module = nn.Linear(2, 2)
    module.register_forward_hook(_doubles)
    assert bx.equal(round_trip(module)(bx.ones(2)), module(bx.ones(2)))
    module.register_forward_hook(lambda *_: None)
    with pytest.raises(pickle.PicklingError, match=r"\[save\].*<lambda>"):
        saved(module)


def _doubles(module: Any, args: Any, out: Any) -> Any:
    return out * 2


def test_every_module_keeps_its_attributes() -> None:
    recurrent = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    attention = nn.TransformerEncoderLayer(8, 2, 16, activation=F.gelu)
    x = bx.randn(4, 5, 2)
    assert bx.equal(round_trip(recurrent)(x)[0], recurrent(x)[0])
    attention.eval()
    y = bx.randn(3, 2, 8)
    assert bx.equal(round_trip(attention)(y), attention(y))


def test_files_are_not_trusted_unless_it_is_said() -> None:
    stream = saved(Block(Settings()))
    with pytest.raises(pickle.UnpicklingError, match=r"Block.*weights_only=False"):
        bx.load(stream)
    allowed = [Block, Settings, F.gelu, nn.Linear, partial, nn.Sequential, nn.BatchNorm1d]
    allowed += [nn.Dropout, bx.tanh]
    with bx.serialization.safe_globals(allowed):
        with pytest.raises(pickle.UnpicklingError, match="layer_norm"):
            bx.load(stream)
        bx.serialization.add_safe_globals([F.layer_norm])
        assert type(bx.load(stream)) is Block
    assert bx.serialization.get_safe_globals() == []
    bx.serialization.add_safe_globals([Settings, F.gelu])
    assert bx.load(saved(Settings())) == Settings()
    bx.serialization.clear_safe_globals()
    with pytest.raises(pickle.UnpicklingError):
        bx.load(saved(Settings()))
    with bx.serialization.safe_globals([type("Local", (), {}), (nn.Linear, "elsewhere.Linear")]):
        with pytest.raises(pickle.UnpicklingError, match="Settings"):
            bx.load(saved(Settings()))
        assert bx.load(written([], {"name": "elsewhere:Linear"})) is nn.Linear


def test_what_the_program_does_not_have_is_named() -> None:
    with pytest.raises(AttributeError, match=r"models\.Net.*import models first"):
        bx.load(
            written(
                [["models:Net", {"list": []}, None, {"list": []}, {"list": []}]], {"object": 0}
            ),
            weights_only=False,
        )
    with pytest.raises(AttributeError, match=r"Nowhere.*define Nowhere"):
        bx.load(written([], {"name": f"{__name__}:Nowhere"}), weights_only=False)
    with pytest.raises(RuntimeError, match="neither a class nor a function"):
        bx.load(written([], {"name": "os:environ"}), weights_only=False)
    assert "this" not in sys.modules
    with pytest.raises(AttributeError, match="import this first"):
        bx.load(written([], {"name": "this:s"}), weights_only=False)
    assert "this" not in sys.modules


class Deletes:
    def __init__(self, path: Any) -> None:
        self.path = path

    def __del__(self) -> None:
        Path(self.path).unlink()


class Constructed:
    def __new__(cls, *args: Any) -> Any:
        raise AssertionError("constructed")


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("zipfile:ZipFile", ["made", "w"]),
        ("os:system", ["true"]),
        ("builtins:eval", ["1"]),
        ("builtins:type", ["T", {"tuple": []}, {"dict": []}]),
        ("types:FunctionType", []),
        ("types:CodeType", []),
        (f"{__name__}:Deletes", []),
        (f"{__name__}:Settings", [{"method": [{"list": [3]}, "append"]}]),
        ("io:FileIO", ["made"]),
    ],
)
def test_a_file_calls_nothing(name: str, args: list[Any]) -> None:
    file = written([[name, {"list": args}, None, {"list": []}, {"list": []}]], {"object": 0})
    with pytest.raises((RuntimeError, AttributeError), match=r"\[load\]"):
        bx.load(file, weights_only=False)


def test_a_class_that_makes_its_objects_itself_is_not_asked() -> None:
    name = f"{__name__}:Constructed"
    file = written([[name, {"list": []}, None, {"list": []}, {"list": []}]], {"object": 0})
    assert type(bx.load(file, weights_only=False)) is Constructed


def test_what_cannot_come_back_is_not_saved(tmp_path: Any) -> None:
    path = tmp_path / "deleted at the end"
    path.touch()
    for obj in (Deletes(path), io.StringIO(), (k for k in ()), sys, [].append):
        with pytest.raises((TypeError, pickle.PicklingError), match=r"\[save\]"):
            saved(obj)

    class Local(nn.Module):
        pass

    with pytest.raises(pickle.PicklingError, match=r"\[save\].*Local.*top level"):
        saved(Local())


def test_every_changed_byte_of_the_description_is_noticed_or_harmless() -> None:
    content = saved(nn.Sequential(nn.Linear(2, 2), nn.ReLU())).getvalue()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        tree = json.loads(archive.read("tree.json"))
    for k in range(len(tree["objects"])):
        for part in range(5):
            broken = copy.deepcopy(tree)
            for value in (None, 3, "x", {"list": [1]}, {"dict": [["_kinds", 3]]}, {"object": 0}):
                broken["objects"][k][part] = value
                stream = io.BytesIO()
                with (
                    zipfile.ZipFile(io.BytesIO(content)) as old,
                    zipfile.ZipFile(stream, "w") as new,
                ):
                    for name in old.namelist():
                        data = json.dumps(broken) if name == "tree.json" else old.read(name)
                        new.writestr(name, data)
                stream.seek(0)
                try:
                    bx.load(stream, weights_only=False)
                except (RuntimeError, AttributeError) as error:
                    assert "[load]" in str(error)  # noqa: PT017


def test_pytorchs_modules_are_read() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 3), torch.nn.BatchNorm2d(2), torch.nn.GELU(), torch.nn.Flatten()
    )
    encoder = torch.nn.TransformerEncoderLayer(8, 2, 16, activation=torch.nn.functional.gelu)
    for module, x in ((model, torch.randn(2, 1, 5, 5)), (encoder, torch.randn(3, 2, 8))):
        module.eval()
        stream = io.BytesIO()
        torch.save(module, stream)
        stream.seek(0)
        with pytest.raises(pickle.UnpicklingError, match="weights_only=False"):
            bx.load(stream)
        stream.seek(0)
        again = bx.load(stream, weights_only=False)
        assert repr(again) == repr(module).replace("NonDynamicallyQuantizable", "")
        got = again(bx.from_numpy(x.numpy()))
        assert torch.allclose(torch.from_numpy(got.detach().numpy()), module(x), atol=1e-5)


def test_a_counter_needs_no_trust() -> None:
    stream = io.BytesIO()
    bx.save(Counter("aab"), stream)
    stream.seek(0)
    found = bx.load(stream)
    assert type(found) is Counter
    assert found == {"a": 2, "b": 1}
