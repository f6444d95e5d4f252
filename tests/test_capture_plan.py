"""The memory plan of captured steps is sound and tight, and its picture shows all of it."""

from __future__ import annotations

import itertools
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import capture, nn
from backprop_ext._capture_plan import Block, Plan, peak, svg
from backprop_ext.nn import functional as F

ROOT = Path(__file__).resolve().parent.parent
SVG = "{http://www.w3.org/2000/svg}"


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(6, 16, num_layers=2, batch_first=True)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.cells(x)[0][:, -1])


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 3)
        self.head = nn.Linear(16, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.layers(x).mean(1))


def _perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(20, 64), nn.LayerNorm(64), nn.GELU(), nn.Dropout(0.1), nn.Linear(64, 3)
    )


def _images() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3),
        nn.Tanh(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(32, 3),
    )


def _lenet() -> nn.Module:
    return nn.Sequential(
        *(nn.Conv2d(1, 6, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Flatten(), nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 10)),
    )


MODELS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "perceptron": (_perceptron, (16, 20)),
    "images": (_images, (4, 2, 12, 12)),
    "LeNet": (_lenet, (64, 1, 28, 28)),
    "recurrent": (Recurrent, (4, 7, 6)),
    "attention": (Attention, (4, 9, 16)),
}


def _captured(model: str, optimizer: str) -> Any:
    """A step that was recorded."""
    make, shape = MODELS[model]
    net = make()
    update = getattr(bx.optim, optimizer)(net.parameters(), lr=1e-2)

    @capture
    def step(x: Any, y: Any) -> Any:
        update.zero_grad()
        loss = F.cross_entropy(net(x), y)
        loss.backward()
        update.step()
        return loss

    step(bx.randn(*shape), bx.randint(0, 3, (shape[0],)))
    return step


def _program(step: Any) -> Any:
    (recording,) = step._recordings.values()
    return recording.program


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("model", MODELS)
def test_buffers_that_are_alive_together_have_places_of_their_own(
    model: str, optimizer: str
) -> None:
    program = _program(_captured(model, optimizer))
    lines, buffers = program.plan()
    assert len(lines) == program.instructions
    assert len(buffers) > 5
    for offset, size, first, last in buffers:
        assert offset >= 0
        assert size > 0
        assert offset + size <= program.arena_bytes
        assert 0 <= first <= last < len(lines)
    for (o1, b1, f1, l1), (o2, b2, f2, l2) in itertools.combinations(buffers, 2):
        alive_together = f1 <= l2 and f2 <= l1
        share_a_place = o1 < o2 + b2 and o2 < o1 + b1
        assert not (alive_together and share_a_place)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam"])
@pytest.mark.parametrize("model", MODELS)
def test_the_arena_is_at_most_a_tenth_larger_than_what_is_alive(model: str, optimizer: str) -> None:
    program = _program(_captured(model, optimizer))
    _, buffers = program.plan()
    assert program.arena_bytes <= 1.1 * program.live_bytes
    # Counted here, instruction by instruction, in steps of 64 bytes: the alignment of a buffer.
    alive = [
        sum((size + 63) // 64 * 64 for _, size, first, last in buffers if first <= k <= last)
        for k in range(program.instructions)
    ]
    assert program.arena_bytes <= 1.1 * max(alive)


def _shapes(text: str) -> tuple[ET.Element, list[ET.Element], list[ET.Element]]:
    """The picture, its buffers and its instructions."""
    root = ET.fromstring(text)
    buffers = [e for e in root.iter(f"{SVG}rect") if e.get("class") == "buffer"]
    instructions = [e for e in root.iter(f"{SVG}g") if e.get("class") == "instruction"]
    return root, buffers, instructions


def _title(element: ET.Element) -> str:
    return element.findtext(f"{SVG}title") or ""


@pytest.mark.parametrize("model", MODELS)
def test_every_instruction_and_every_buffer_is_drawn_once_and_in_its_place(model: str) -> None:
    step = _captured(model, "Adam")
    lines, buffers = _program(step).plan()
    root, rectangles, instructions = _shapes(step.draw())
    assert [_title(e) for e in instructions] == [f"{k}: {line}" for k, line in enumerate(lines)]
    assert len(rectangles) == len(buffers)
    pairs = list(zip(rectangles, buffers, strict=True))
    widest, (_, most, *_) = max(pairs, key=lambda pair: pair[1][1])
    scale = float(widest.get("width", 0)) / most
    width = float(root.get("width", 0))
    origin = float(widest.get("x", 0)) - scale * max(buffers, key=lambda b: b[1])[0]
    for r, (offset, size, first, last) in pairs:
        assert float(r.get("x", 0)) == pytest.approx(origin + offset * scale, abs=0.1)
        assert float(r.get("width", 0)) == pytest.approx(max(size * scale, 1), abs=0.1)
        assert f"bytes {offset} to {offset + size} ({size})" in _title(r)
        assert f"from {first}: {lines[first]}" in _title(r)
        assert f"to {last}: {lines[last]}" in _title(r)
        row = float(r.get("height", 0)) / (last - first + 1)
        top = float(instructions[first].findall(f"{SVG}text")[0].get("y", 0))
        assert float(r.get("y", 0)) < top < float(r.get("y", 0)) + row
        assert float(r.get("x", 0)) + float(r.get("width", 0)) < width


def test_the_parts_of_a_fused_instruction_stand_in_boxes() -> None:
    step = capture(lambda x: ((x * 1.5).exp() + 1).log().tanh().sum())
    step(bx.randn(1000))
    root, _, instructions = _shapes(step.draw())
    boxes = [e for e in root.iter(f"{SVG}rect") if e.get("class") == "part"]
    words = [e.text for e in instructions[0].findall(f"{SVG}text")]
    assert words[1:-1] == ["mul", "exp", "add", "log", "tanh", "sum"]
    assert len(boxes) == 6


def test_kernels_over_the_same_rows_stand_in_boxes() -> None:
    step = capture(lambda x, w: (x @ w + 1).relu().softmax(-1) * 2)
    step(bx.randn(8, 4), bx.randn(4, 6))
    boxes = [e for e in _shapes(step.draw())[0].iter(f"{SVG}rect") if e.get("class") == "part"]
    words = [e.text for e in _shapes(step.draw())[2][0].findall(f"{SVG}text")]
    assert words[1:] == ["mm", "add", "relu", "softmax", "mul", "8 rows"]
    assert len(boxes) == 5


def test_the_peak_is_where_the_most_is_alive() -> None:
    blocks = [Block(0, 10, 0, 2), Block(10, 5, 1, 1), Block(10, 30, 3, 4), Block(0, 1, 4, 4)]
    assert peak(blocks) == (4, 31)
    assert peak([]) == (0, 0)
    text = svg(Plan("title", ["a"] * 5, blocks, 40))
    assert "instruction 4: 31 bytes alive" in text
    assert "at most 31 B alive" in text


def test_a_scale_of_bytes_runs_from_nothing_to_the_arena() -> None:
    root, _, _ = _shapes(svg(Plan("", ["a"], [Block(0, 12_000_000, 0, 0)], 12_000_000)))
    words = [e.text for e in root.iter(f"{SVG}text")]
    for tick in ("0 B", "3 MB", "6 MB", "9 MB", "12 MB"):
        assert words.count(tick) == 2  # above and below


def test_what_names_contain_is_escaped() -> None:
    name = "<script>\"a\" & 'b'\x00</script>"
    text = svg(Plan(name, [name, f"{name} + <b> (1,)"], [Block(0, 4, 0, 1)], 64))
    root, _, instructions = _shapes(text)
    assert _title(root) == name.replace("\x00", "?")
    assert _title(instructions[0]) == f"0: {name}".replace("\x00", "?")
    assert {e.tag for e in root.iter()} <= {f"{SVG}{t}" for t in SHAPES}


SHAPES = ("svg", "title", "style", "rect", "text", "g", "line")


def test_a_string_argument_cannot_break_the_picture() -> None:
    step = capture(lambda x, mode: x + 1)
    step(bx.ones(2), "</svg><script>")
    assert "<script>" not in step.draw()
    ET.fromstring(step.draw())


def test_hundreds_of_instructions_and_long_chains_are_drawn() -> None:
    lines = [f"op{k} (3,) -> (3,)" for k in range(500)]
    lines[7] = " + ".join(["multiply"] * 300) + " (1000,)"
    blocks = [Block(64 * (k % 9), 64, k, min(k + 8, 499)) for k in range(500)]
    root, rectangles, instructions = _shapes(svg(Plan("many", lines, blocks, 576)))
    assert len(instructions) == len(rectangles) == 500
    last = instructions[-1].findall(f"{SVG}text")[0]
    assert float(last.get("y", 0)) < float(root.get("height", 0))
    assert float(root.get("width", 0)) < 1600  # a chain too long for its line says how much more
    assert any("more" in (e.text or "") for e in instructions[7].findall(f"{SVG}text"))


def test_a_step_without_an_arena_is_drawn() -> None:
    step = capture(lambda x: x.exp())
    step(bx.ones(3))
    _, rectangles, instructions = _shapes(step.draw())
    assert rectangles == []
    assert len(instructions) == 1


def test_light_and_dark_have_the_same_colours_by_name() -> None:
    step = capture(lambda x: x + 1)
    step(bx.ones(3))
    style = step.draw().split("<style>")[1].split("</style>")[0]
    light, dark = style.split("@media (prefers-color-scheme: dark)")
    names = [{w for w in part.split() if w.startswith("--")} for part in (light, dark)]
    assert names[0] == names[1]
    assert len(names[0]) > 8


def test_files_are_written_as_their_suffix_says(tmp_path: Path) -> None:
    step = _captured("perceptron", "SGD")
    picture = step.draw()
    assert step.draw(tmp_path / "plan.svg") == picture
    assert (tmp_path / "plan.svg").read_text(encoding="utf-8") == picture
    step.draw(str(tmp_path / "plan.HTML"))
    page = (tmp_path / "plan.HTML").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert picture in page


def test_the_recording_used_last_is_drawn() -> None:
    step = capture(lambda x: x + 1)
    step(bx.ones(3))
    step(bx.ones(5))
    assert "(float32[5])" in step.draw()
    step(bx.ones(3))
    assert "(float32[3])" in step.draw()


def test_a_picture_of_nothing_or_of_another_kind_is_refused(tmp_path: Path) -> None:
    step = capture(lambda x: x + 1)
    for ask in (step.draw, lambda: step.draw(tmp_path / "a.svg")):
        with pytest.raises(RuntimeError, match=r"nothing is recorded yet.*call"):
            ask()
    step(bx.ones(3))
    for name in ("plan.png", "plan"):
        with pytest.raises(ValueError, match=r"\.svg or \.html"):
            step.draw(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_the_picture_of_the_documentation_is_the_plan_of_today() -> None:
    command = [sys.executable, str(ROOT / "tools" / "draw_plan.py"), "--check"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_drawing_is_loaded_when_it_is_used() -> None:
    code = (
        "import sys, backprop_ext as bx; f = bx.capture(lambda x: x + 1); f(bx.ones(1));"
        "assert 'backprop_ext._capture_plan' not in sys.modules; f.draw();"
        "assert 'backprop_ext._capture_plan' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
