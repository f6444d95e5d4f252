"""Memory reports against the allocator's own count; graphs that are held; summaries."""

from __future__ import annotations

import gc
import itertools
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import explain
from backprop_ext._core import _memory_stats


def in_use() -> int:
    gc.collect()
    return int(_memory_stats()["in_use"])


def mlp(*widths: int) -> bx.nn.Sequential:
    layers: list[Any] = []
    for a, b in itertools.pairwise(widths):
        layers += [bx.nn.Linear(a, b), bx.nn.Tanh()]
    return bx.nn.Sequential(*layers[:-1])


MODELS = {
    "mlp": lambda: (mlp(7, 33, 33, 5), (19, 7)),
    "relu and dropout": lambda: (
        bx.nn.Sequential(bx.nn.Linear(7, 33), bx.nn.ReLU(), bx.nn.Dropout(), bx.nn.Linear(33, 5)),
        (19, 7),
    ),
    "batch norm": lambda: (
        bx.nn.Sequential(bx.nn.Linear(7, 33), bx.nn.BatchNorm1d(33), bx.nn.GELU()),
        (19, 7),
    ),
    "layer norm": lambda: (
        bx.nn.Sequential(bx.nn.LayerNorm(7), bx.nn.Linear(7, 3), bx.nn.Softmax(-1)),
        (19, 7),
    ),
    "convolution": lambda: (
        bx.nn.Sequential(bx.nn.Conv2d(1, 4, 3), bx.nn.ReLU(), bx.nn.MaxPool2d(2), bx.nn.Flatten(1)),
        (3, 1, 8, 8),
    ),
    "residual": lambda: (Residual(), (19, 7)),
    "rows of a table": lambda: (Rows(), (19, 7)),
}


class Residual(bx.nn.Module):
    """Views, a value used twice, and an index."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = mlp(7, 7)

    def forward(self, x: bx.Tensor) -> bx.Tensor:
        y = self.inner(x)
        y = (y + x).exp()
        return (y[:, :3] * y[:, 3:6])[bx.tensor([0, 2, 4])]


class Rows(bx.nn.Module):
    """An embedding, a write at indices, and a factorization."""

    def __init__(self) -> None:
        super().__init__()
        self.table = bx.nn.Embedding(19, 7, scale_grad_by_freq=True)

    def forward(self, x: bx.Tensor) -> bx.Tensor:
        y = self.table(bx.arange(len(x))) * x
        y = y.clone()
        y[bx.tensor([1, 3])] = y[bx.tensor([2, 4])].exp()
        return bx.linalg.det(y[:7] + 9 * bx.eye(7))


@pytest.mark.parametrize("name", MODELS)
def test_the_report_is_the_allocators_count_to_the_byte(name: str) -> None:
    bx.manual_seed(0)
    model, shape = MODELS[name]()
    model(bx.randn(shape)).sum().backward()  # what is made once is made
    model.zero_grad()
    before = in_use()
    x = bx.randn(shape)
    loss = (model(x) ** 2).sum()
    del x
    held = in_use() - before
    report = explain.memory_report(loss)
    assert report.packed == 0
    assert held == report.total + loss.nbytes
    del loss
    assert in_use() == before
    with bx.no_grad():
        prediction = model(bx.randn(shape))
    assert in_use() - before == prediction.nbytes


def test_memory_grows_linearly_in_layers_and_in_batch() -> None:
    def kept(layers: int, batch: int) -> int:
        loss = mlp(*[16] * (layers + 1))(bx.randn(batch, 16)).sum()
        return explain.memory_report(loss).total

    by_layers = [kept(n, 10) for n in (2, 4, 6, 8)]
    steps = {b - a for a, b in itertools.pairwise(by_layers)}
    assert steps == {2 * 10 * 16 * 4}  # a tanh's output each, and nothing else
    by_batch = [kept(4, n) for n in (10, 20, 30, 40)]
    assert by_batch == [n * by_batch[0] for n in (1, 2, 3, 4)]


def test_kinds_are_told_apart_and_shared_memory_counts_once() -> None:
    model = mlp(2, 4, 1)
    x = bx.ones(5, 2)
    with explain.record():
        loss = model(x).sum()
    report = explain(loss).memory()
    assert report.bytes["parameter"] == 4 * 4  # the second weight: x needs no gradient
    assert report.bytes["constant"] == x.nbytes
    assert report.bytes["activation"] == 5 * 4 * 4  # tanh and the second layer keep the same
    assert report.by_module() == {"0": x.nbytes, "1": 80}
    assert "(above)" in str(report)
    assert report.as_dict()["total"] == report.total == 120
    assert "120 B kept for the backward pass" in str(explain(loss))


def test_borrowed_memory_is_counted_apart() -> None:
    import numpy as np

    w = bx.ones(3, requires_grad=True)
    x = bx.from_numpy(np.ones(3, np.float32))
    report = explain.memory_report((w * x).sum())
    assert (report.bytes["borrowed"], report.total) == (12, 0)


def test_nothing_kept_and_packed_values_are_said() -> None:
    w = bx.ones(3, requires_grad=True)
    assert "nothing is kept" in str(explain.memory_report(w + 1))
    with bx.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):
        loss = (w * w).sum()
    report = explain.memory_report(loss)
    assert report.packed == 2
    assert "2 tensors are packed by a hook" in str(report)


def test_living_graphs_name_their_holders_bytes_and_lines() -> None:
    w = bx.ones(4, requires_grad=True)
    start = len(explain.living_graphs())
    losses = []
    for _ in range(3):
        with explain.record():
            losses.append((w * w).sum())
    found = explain.living_graphs()[start:]
    assert len(found) == 3
    assert [one.ops for one in found] == [2, 2, 2]
    assert all(one.line.startswith("test_explain_memory.py:") for one in found)
    assert "test_living_graphs_name_their_holders_bytes_and_lines: losses[1]" in found[1].holders
    assert [one.bytes for one in found] == [0, 0, 0]  # w is a parameter
    y = w * 2
    z = y.exp()
    y2 = z * 3
    joined = explain.living_graphs()[start + 3 :]
    assert len(joined) == 1
    assert joined[0].ops == 3
    assert joined[0].bytes == z.nbytes + 4 + 4  # and the factors 2 and 3
    z.sum().backward()
    assert "freed" in str(explain.living_graphs())
    del losses, y, y2, z
    assert len(explain.living_graphs()) == start


def test_living_graphs_finds_attributes_of_objects_and_generators() -> None:
    w = bx.ones(4, requires_grad=True)
    start = len(explain.living_graphs())

    class Trainer:
        pass

    def steps() -> Any:
        kept = w.exp()
        yield None
        yield kept

    trainer = Trainer()
    trainer.hidden = w * 2
    running = steps()
    next(running)
    assert len(explain.living_graphs()) == start + 2
    del trainer, running
    assert len(explain.living_graphs()) == start


def test_summary_of_an_mlp() -> None:
    model = mlp(4, 8, 2)
    s = explain.summary(model, (5, 4))
    assert [(r.depth, r.kind, r.path) for r in s.rows] == [
        *((0, "Sequential", ""), (1, "Linear", "0")),
        *((1, "Tanh", "1"), (1, "Linear", "2")),
    ]
    assert [r.output for r in s.rows] == [(5, 2), (5, 8), (5, 8), (5, 2)]
    assert [r.parameters for r in s.rows] == [0, 40, 0, 18]
    assert [r.multiply_adds for r in s.rows] == [0, 5 * 4 * 8, 0, 5 * 8 * 2]
    assert [r.kept for r in s.rows] == [0, 5 * 4 * 4, 5 * 8 * 4, 0]
    assert (s.parameters, s.trainable, s.kept) == (58, 58, 240)
    assert "multiply-adds: 240" in str(s)


@pytest.mark.parametrize(
    ("model", "size", "count"),
    [
        (bx.nn.Conv2d(3, 6, 3, padding=1, groups=3), (2, 3, 5, 5), 2 * 6 * 25 * 9),
        (bx.nn.ConvTranspose1d(2, 4, 3), (1, 2, 6), 2 * 6 * 4 * 3),
        (bx.nn.Bilinear(3, 4, 5), [(2, 3), (2, 4)], 2 * 5 * 3 * 5),
        (bx.nn.LSTM(3, 5), (7, 2, 3), 7 * 2 * 4 * 5 * (3 + 5)),
        (bx.nn.GRUCell(3, 5), (2, 3), 2 * 3 * 5 * (3 + 5)),
        (
            bx.nn.MultiheadAttention(8, 2),
            [(6, 3, 8)] * 3,
            3 * (4 * 6 * 8 * 8 + 2 * 6 * 6 * 8),
        ),
        (bx.nn.Embedding(10, 3), None, 0),
    ],
)
def test_multiply_adds_by_hand(model: bx.nn.Module, size: Any, count: int) -> None:
    data = bx.tensor([1, 2]) if size is None else None
    assert explain.summary(model, size, input_data=data).multiply_adds == count


def test_a_summary_leaves_the_model_as_it_was() -> None:
    model = bx.nn.Sequential(bx.nn.Linear(2, 3), bx.nn.BatchNorm1d(3), bx.nn.Dropout())
    model[2].eval()
    before = {k: v.clone() for k, v in model.state_dict().items()}
    state = bx.get_rng_state()
    explain.summary(model, (4, 2), mode="train")
    assert [m.training for m in model.modules()] == [True, True, True, False]
    assert all(bx.equal(v, model.state_dict()[k]) for k, v in before.items())
    assert bx.equal(bx.get_rng_state(), state)
    with pytest.raises(RuntimeError):
        explain.summary(model, (4, 9))
    assert [m.training for m in model.modules()] == [True, True, True, False]
    with pytest.raises(ValueError, match="'eval' or 'train'"):
        explain.summary(model, (4, 2), mode="test")
    with pytest.raises(ValueError, match="one of the two"):
        explain.summary(model)


def test_shared_layers_count_their_parameters_once_in_the_sum() -> None:
    layer = bx.nn.Linear(3, 3)
    s = explain.summary(bx.nn.Sequential(layer, layer), (1, 3))
    assert s.parameters == 12
    assert s.multiply_adds == 18


def test_growth_of_training_and_of_prediction() -> None:
    model = mlp(16, 16, 16, 16)
    data = bx.randn(40, 16)
    growth = explain.memory_growth(lambda n: lambda: model(data[:n]).sum(), [10, 20, 40], "batch")
    assert [row.size for row in growth.rows] == [10, 20, 40]
    assert [row.activations for row in growth.rows] == [2 * n * 16 * 4 for n in (10, 20, 40)]
    assert [row.constants for row in growth.rows] == [data.nbytes] * 3  # a view keeps all of it
    # Two results at once: that of a layer, and that of the one before.
    assert [row.prediction for row in growth.rows] == [2 * n * 16 * 4 for n in (10, 20, 40)]
    assert "prediction, at its peak" in str(growth)
    svg = ElementTree.fromstring(growth._repr_svg_())
    assert len(list(svg.iter("{http://www.w3.org/2000/svg}circle"))) == 6
    with pytest.raises(ValueError, match="no sizes"):
        explain.memory_growth(lambda n: lambda: data, [])


def test_the_table_of_the_documentation_is_what_is_measured() -> None:
    tool = Path(__file__).resolve().parent.parent / "tools" / "make_pictures.py"
    if not tool.exists():
        pytest.skip("the documentation is not here")
    done = subprocess.run([sys.executable, str(tool), "--check"], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_foreign_objects_are_not_asked_for_their_class() -> None:
    class Lazy:
        @property
        def __class__(self) -> type:  # type: ignore[override]
            raise AssertionError("asked")

    lazy, w = Lazy(), bx.ones(2, requires_grad=True)
    assert explain((w * w).sum())["w"].requires_grad
    explain.living_graphs()
    with pytest.raises(RuntimeError, match="'w'"):
        w.add_(1)
    assert type(lazy) is Lazy
