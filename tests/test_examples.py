"""The examples run as a user runs them, and print what they promise."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).resolve().parent.parent / "examples"
LESSONS = sorted(path.name for path in EXAMPLES.glob("seed*.py"))
PYTORCHS = [name for name in LESSONS if name != "seed5_layers.py"]  # its layers are BigDL's


def run(path: Path, *arguments: str) -> str:
    """What the script prints; its errors and warnings are the test's."""
    command = [sys.executable, "-W", "error", str(path), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    return done.stdout


def numbers(line: str) -> list[float]:
    """Every number of a line, digits of names left out."""
    return [float(n) for n in re.findall(r"(?<![\w.])-?\d+(?:\.\d*)?(?:e-?\d+)?(?!\w)", line)]


def test_all_five_lessons_are_there() -> None:
    assert [name[:5] for name in LESSONS] == ["seed1", "seed2", "seed3", "seed4", "seed5"]


def test_gradients_accumulate_until_they_are_zeroed() -> None:
    assert run(EXAMPLES / "seed1_autograd.py").splitlines() == [
        "y_hat  tensor(7., grad_fn=<DotBackward0>)",
        "loss   tensor(16., grad_fn=<PowBackward0>)",
        "w.grad tensor([16., 24.,  8.]) by hand tensor([16., 24.,  8.])",
        "w      tensor([0.8400, 0.7600, 1.9200])",
        "step 2: loss 8.2944",
        "w.grad tensor([27.5200, 41.2800, 13.7600])",
        "w      tensor([0.5648, 0.3472, 1.7824])",
        "step 3: loss 0.9094",
        "w.grad tensor([31.3344, 47.0016, 15.6672])",
        "w      tensor([ 0.2515, -0.1228,  1.6257])",
        "step 4: loss 1.5371",
        "zeroed first: w.grad tensor([-4.9592, -7.4388, -2.4796])",
    ]


def test_one_sample_at_a_time_to_the_last_digit() -> None:
    lines = run(EXAMPLES / "seed2_one_sample_at_a_time.py").splitlines()
    gradients = [
        "-4.0",
        "-15.680000305175781",
        "-32.457603454589844",
        "-47.31596755981445",
        "-50.273216247558594",
        "-36.19672393798828",
        "-13.794975280761719",
        "-0.3603515625",
        "0.12768173217773438",
    ]
    assert lines[:9] == [f"x {x}.0 grad {g}" for x, g in enumerate(gradients, 1)]
    assert lines[9] == "epoch 0 weight 2.999511480331421 loss 5.0316742999712005e-05"
    assert lines[-1] == "prediction for x = 4: 12.0"


def test_variable_of_old_scripts() -> None:
    lines = run(EXAMPLES / "seed3_variable.py").splitlines()
    assert lines[0] == "before training: 4 -> tensor(4.)"
    assert lines[1:5] == [
        "\tgrad: 1.0 2.0 tensor(-2.)",
        "\tgrad: 2.0 4.0 tensor(-7.8400)",
        "\tgrad: 3.0 6.0 tensor(-16.2288)",
        "epoch 0 loss tensor(7.3159)",
    ]
    assert len(lines) == 1 + 10 * 4 + 1
    assert lines[-2:] == ["epoch 9 loss tensor(0.0319)", "after training: 4 -> tensor(7.8049)"]


def test_perceptron_equals_its_closed_forms() -> None:
    text = run(EXAMPLES / "seed4_perceptron.py")
    verdicts = re.findall(r"^  (.*?) +\|difference\| <= 1e-12: (\w+)$", text, re.MULTILINE)
    assert [name for name, _ in verdicts] == [
        *("dJ/do", "dJ/dW2", "dJ/dh", "dJ/dz", "dJ/dW1"),
        *("W1", "W2"),
        *("dJ/dW2", "dJ/dW1", "dJ/db2 = dJ/do", "dJ/db1 = dJ/dz"),
        *("W1 after a step", "W2 after a step", "b1 after a step", "b2 after a step"),
    ]
    assert {verdict for _, verdict in verdicts} == {"True"}
    assert "J = 9.389061510172\n" in text


def test_layers_with_an_explicit_forward_and_backward() -> None:
    lines = run(EXAMPLES / "seed5_layers.py").splitlines()
    assert lines[0] == "(None, 2) -> (None, 1)"
    assert re.fullmatch(
        r"Dense[0-9a-f]{8} \{'weight': array\(\[\[ 0.5979733, -1.3809334\]\], dtype=float32\), "
        r"'bias': array\(\[0.\], dtype=float32\), 'gradWeight': array\(\[\[0., 0.\]\], "
        r"dtype=float32\), 'gradBias': array\(\[0.\], dtype=float32\)\}",
        lines[1],
    )
    assert lines[2:8] == [
        "output [3.3598402]",
        "loss 3.3598402",
        "dy [1.] dx [ 0.5979733 -1.3809334]",
        "dW [[ 1. -2.]] db [1.]",
        "output [1.6220247] loss 1.6220247",
        "dW [[ 1. -2.]] db [1.]",
    ]
    assert lines[8].startswith("RuntimeError: [backward] the input is not that of the last forward")
    # A step of 0.1 moves the output by 0.1 (1 + 4 + 1), the squares of x and of the bias's 1.
    steps = [numbers(line) for line in lines[9:]]
    outputs = [1.6220, 1.0220, 0.4220, -0.1780, 0.4220, -0.1780]
    assert steps == [[k, y, abs(y)] for k, y in enumerate(outputs, 1)]


@pytest.mark.parametrize("name", PYTORCHS)
def test_pytorch_prints_the_same(name: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("torch") is None:
        pytest.skip("torch is not installed")
    path = tmp_path / name
    path.write_text(as_pytorch((EXAMPLES / name).read_text()))
    assert run(path) == run(EXAMPLES / name)


def as_pytorch(source: str) -> str:
    """The import is the only line that differs."""
    return source.replace("import backprop_ext as torch", "import torch").replace(
        "from backprop_ext", "from torch"
    )


def test_readme_prints_what_it_says(tmp_path: Path) -> None:
    text = (EXAMPLES.parent / "README.md").read_text()
    found = re.search(r"```python\n(.*?)```\s+```text\n(.*?)```", text, re.DOTALL)
    assert found is not None
    script = tmp_path / "readme.py"
    script.write_text(found[1])
    assert run(script) == found[2]


def test_digits(tmp_path: Path) -> None:
    for module in ("sklearn", "matplotlib", "tqdm"):
        pytest.importorskip(module)
    text = run(EXAMPLES / "digits.py", "--seed", "0", "--out", str(tmp_path))
    lines = text.splitlines()
    epochs = [numbers(line) for line in lines if line.startswith("epoch")]
    assert [epoch[0] for epoch in epochs] == list(range(1, 31))
    losses = [epoch[1] for epoch in epochs]
    assert losses[-1] < 0.05 < 1.0 < losses[0]
    assert all(0 < train <= 100 and seconds >= 0 for _, _, train, _, seconds in epochs)
    assert "the predictions are the same: True" in text
    assert numbers(lines[-1])[0] >= 97
    assert (tmp_path / "digits_loss.png").read_bytes().startswith(b"\x89PNG\r\n")
    assert (tmp_path / "digits.pt").stat().st_size > 4 * (64 * 256 + 256 + 256 * 10 + 10)


def test_grid_search_finds_the_better_settings_and_a_network_of_ones_own_beats_them() -> None:
    pytest.importorskip("sklearn")
    lines = run(EXAMPLES / "digits_grid_search.py", "--seed", "0").splitlines()
    scores = {line.partition("  ")[2]: numbers(line)[0] for line in lines[:8]}
    assert len(scores) == 8
    best = max(scores, key=lambda settings: scores[settings])
    assert "hidden_layer_sizes (64,)" in best
    assert "learning_rate 0.01" in best
    perceptron, convolutional = (numbers(line)[-1] for line in lines[8:])
    assert perceptron > 95
    assert convolutional > 97
