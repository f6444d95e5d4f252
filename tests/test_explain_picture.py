"""The pictures of an explanation: SVG, DOT, PNG, JSON; layout and folding."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import explain
from backprop_ext.explain._layout import Vertex, place

SVG = "{http://www.w3.org/2000/svg}"


def lecture() -> explain.Explanation:
    x, y = bx.tensor([2.0, 3.0, 1.0]), bx.tensor(3.0)
    w = bx.tensor([1.0, 1.0, 2.0], requires_grad=True)
    with explain.record():
        y_hat = w @ x
        loss = (y_hat - y) ** 2
    return explain(loss)


def deep(blocks: int) -> explain.Explanation:
    layers = [bx.nn.Sequential(bx.nn.Linear(4, 4), bx.nn.Tanh()) for _ in range(blocks)]
    return explain(bx.nn.Sequential(*layers), bx.ones(2, 4))


def symbols(svg: str, kind: str) -> list[ElementTree.Element]:
    return [g for g in ElementTree.fromstring(svg).iter(f"{SVG}g") if g.get("class") == kind]


def test_variables_are_boxes_and_operators_circles() -> None:
    svg = lecture()._repr_svg_()
    assert [len(symbols(svg, kind)) for kind in ("leaf", "constant", "op")] == [1, 2, 3]
    assert all(g.find(f"{SVG}rect") is not None for g in symbols(svg, "leaf"))
    assert all(g.find(f"{SVG}circle") is not None for g in symbols(svg, "op"))
    assert all(g.get("aria-label") and g.get("tabindex") == "0" for g in symbols(svg, "op"))
    texts = [t.text for t in ElementTree.fromstring(svg).iter(f"{SVG}text")]
    assert {"w", "y_hat", "loss", "16", "∂ [16, 24, 8]", "−", "^"} <= set(texts)


def test_arrows_run_from_inputs_down_to_results() -> None:
    e = lecture()
    wires = [
        w for w in ElementTree.fromstring(e.svg()).iter(f"{SVG}path") if w.get("class") == "wire"
    ]
    ends = {(int(w.get("data-from", "")), int(w.get("data-to", ""))) for w in wires}
    assert ends == {(i.source, op.index) for op in e.ops for i in op.inputs}
    for wire in wires:
        numbers = [float(n) for n in wire.get("d", "").replace("M", "").replace("C", " ").split()]
        assert numbers[-1] > numbers[1]
        assert wire.get("marker-end") == "url(#bx-tip)"


def boxes(vertices: list[Vertex]) -> list[tuple[float, float, float, float]]:
    return [(v.x - v.left, v.x + v.right, v.y - v.height / 2, v.y + v.height / 2) for v in vertices]


@pytest.mark.parametrize("seed", range(8))
def test_symbols_never_overlap_and_sources_stand_above(seed: int) -> None:
    bx.manual_seed(seed)
    numbers = bx.randint(0, 1000, (400,)).tolist()
    draw = iter(numbers)
    vertices = [
        Vertex(
            10 + next(draw) % 40,
            10 + next(draw) % 90,
            20 + next(draw) % 50,
            sorted({next(draw) % k for _ in range(next(draw) % 3)}) if k else [],
            floats=k % 5 == 0 and k == 0,
        )
        for k in range(40)
    ]
    placed = place(vertices)
    for a, b in combinations(boxes(vertices), 2):
        assert a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2]
    for v in vertices:
        assert all(vertices[s].y < v.y for s in v.sources)
    for left, right, top, bottom in boxes(vertices):
        assert left >= -1e-6
        assert right <= placed.width + 1e-6
        assert top >= -1e-6
        assert bottom <= placed.height + 1e-6


def test_a_chain_is_drawn_as_a_straight_line() -> None:
    vertices = [Vertex(20, 60, 40, [k - 1] if k else []) for k in range(30)]
    place(vertices)
    assert max(v.x for v in vertices) - min(v.x for v in vertices) < 1e-6


def test_modules_fold_when_there_are_many_and_unfold_by_name() -> None:
    e = deep(30)
    svg = e.svg()
    assert len(symbols(svg, "op")) + len(symbols(svg, "group")) <= 40
    folded = e.svg(unfolded=[])
    assert (len(symbols(folded, "op")), len(symbols(folded, "group"))) == (0, 30)
    one = e.svg(unfolded=["7"])
    assert (len(symbols(one, "op")), len(symbols(one, "group"))) == (2, 29)
    assert len(symbols(one, "leaf")) == 2  # the weight and bias of that module
    with pytest.raises(ValueError, match="no module or part 'seven'"):
        e.svg(unfolded=["seven"])


def test_ten_thousand_operations_fold_into_parts_of_parts() -> None:
    x = bx.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(10_000):
        y = y * 1.0001
    e = explain(y)
    svg = e.svg()
    assert 0 < len(symbols(svg, "group")) <= 40
    wires = [w for w in ElementTree.fromstring(svg).iter(f"{SVG}path") if w.get("class") == "wire"]
    assert len(wires) >= len(symbols(svg, "group")) - 1
    html = e.html()
    assert "of 10,000 operations are in this page" in html
    assert len(html) < 5_000_000


def test_json_has_every_number(tmp_path: Path) -> None:
    found = json.loads(lecture().save(tmp_path / "graph.json").read_text(encoding="utf-8"))
    assert found["recorded"] is True
    items = {item["name"]: item for item in found["items"]}
    assert items["loss"]["op"] == "PowBackward0"
    assert items["loss"]["value"]["elements"] == 16.0
    assert items["w"]["gradient"]["elements"] == [16.0, 24.0, 8.0]
    assert items["y_hat"]["inputs"][0]["local"]["elements"] == [2.0, 3.0, 1.0]
    assert items["y_hat"]["kept"][0]["bytes"] == 12
    assert items["y_hat"]["line"].startswith("test_explain_picture.py:")


@pytest.mark.parametrize("ending", [".svg", ".html", ".dot", ".json", ".txt"])
def test_everything_but_png_is_saved_without_graphviz(
    ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    path = lecture().save(tmp_path / f"graph{ending}")
    assert path.stat().st_size > 200


def test_png_without_graphviz_and_unknown_endings_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(RuntimeError, match=r"`dot`, which is not installed.*\.svg or \.html"):
        lecture().save(tmp_path / "graph.png")
    with pytest.raises(ValueError, match=r"cannot write 'graph.gif'; end it in one of .dot"):
        lecture().save(tmp_path / "graph.gif")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_reads_the_dot_and_draws_the_png(tmp_path: Path) -> None:
    e = lecture()
    plain = subprocess.run(
        ["dot", "-Tplain"], input=e.dot().encode(), capture_output=True, check=True
    ).stdout.decode()
    assert sum(line.startswith("node ") for line in plain.splitlines()) == 6
    assert sum(line.startswith("edge ") for line in plain.splitlines()) == 5
    assert e.save(tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")


def test_names_are_escaped_in_svg_and_dot() -> None:
    w = bx.ones(2, requires_grad=True)
    e: Any = explain((w * w).sum(), names={'<w & "v" \\>': w})
    assert '<w & "v" \\>' in [t.text for t in ElementTree.fromstring(e.svg()).iter(f"{SVG}text")]
    assert '<w & \\"v\\" \\\\>' in e.dot()


def test_a_long_row_is_cut_into_even_parts_and_its_page_can_be_stepped_through() -> None:
    x = bx.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(5_000):
        y = y + 1
    e = explain(y)
    counts = [t.text for g in symbols(e.svg([]), "group") for t in g.iter(f"{SVG}text")][::2]
    assert counts == ["125 operations"] * 40
    data = e.html().split('<script id="data" type="application/json">')[1].split("</script>")[0]
    shown = [item["title"] for item in json.loads(data)["items"]]
    assert shown[0] == "x, leaf"
    assert shown[-1] == "y by AddBackward0"


def test_each_call_of_a_module_that_is_called_again_folds_by_itself() -> None:
    cell = bx.nn.RNNCell(2, 3)
    gate = bx.nn.Sequential(cell, bx.nn.Tanh(), bx.nn.Linear(3, 2))
    x = bx.ones(1, 2)
    with explain.record():
        for _ in range(30):
            x = gate(x)
    folded = explain(x.sum()).svg(unfolded=[])
    assert len(symbols(folded, "group")) == 30
    assert len(symbols(folded, "op")) == 1


def test_graphviz_of_python_where_it_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    e = lecture()
    monkeypatch.setitem(sys.modules, "graphviz", None)
    with pytest.raises(ImportError, match=r"pip install graphviz, or take \.svg"):
        e.graphviz()
    monkeypatch.undo()
    graphviz = pytest.importorskip("graphviz")
    assert isinstance(e.graphviz(), graphviz.Source)
    assert e.graphviz().source == e.dot()
