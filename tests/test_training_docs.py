"""The code of docs/training.md runs as it stands there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import keras, nn
from backprop_ext.training import State
from backprop_ext.utils.data import DataLoader, TensorDataset

TEXT = (Path(__file__).parent.parent / "docs" / "training.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
X = np.random.default_rng(0).standard_normal((60, 4)).astype(np.float32)
Y = np.abs(X[:, :3]).argmax(1)


def run(block: str, **names: Any) -> dict[str, Any]:
    exec(compile(block, "docs/training.md", "exec"), names)
    return names


def test_the_loop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    bx.manual_seed(0)
    x, y = bx.tensor(X), bx.tensor(Y)
    held_out = DataLoader(TensorDataset(x, y), 30)
    for _ in range(2):  # The second time it is at its end already.
        model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
        state: State = run(BLOCKS[0], model=model, x=x, y=y, held_out=held_out)["loop"].state
        assert (state.epoch, state.iteration) == (20, 40)
        assert len(state.history) == 20


def test_keras_and_bigdl(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    names = {name: getattr(keras.layers, name) for name in keras.layers.__all__}
    names |= {name: getattr(keras.optimizer, name) for name in keras.optimizer.__all__}
    names |= {"Sequential": keras.models.Sequential}
    names |= {"ClassNLLCriterion": keras.criterion.ClassNLLCriterion}
    found = run(BLOCKS[1], x=X, y=Y, x_val=X, y_val=Y, **names)
    assert len(found["history"].epoch) == 10
    assert found["accuracy"] == (found["classes"] == Y).mean()
    model = keras.models.Sequential().add(keras.layers.Dense(3, input_shape=(4,)))
    model.add(keras.layers.Activation("log_softmax"))
    names["model"] = model
    found = run(BLOCKS[2], x=X, y=Y + 1, x_val=X, y_val=Y + 1, **names)
    assert found["model"] is model
    assert found["optimizer"].state.epoch == 5


def test_scikit_learn() -> None:
    pytest.importorskip("sklearn")
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    tools = {f.__name__: f for f in (GridSearchCV, make_pipeline, StandardScaler)}
    np.random.seed(0)  # The page gives no random_state.
    grid = {"neuralclassifier__learning_rate": [1e-7, 1e-2]}
    assert len(BLOCKS) == 4
    bx.manual_seed(0)
    found = run(BLOCKS[3], grid=grid, x=X, y=Y, **tools)
    assert found["search"].best_params_["neuralclassifier__learning_rate"] == 1e-2
