"""Weights from a URL: fetched once, held to the hash in their name, read as `load` reads them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import hub
from backprop_ext.utils.model_zoo import load_url


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(hub, "_chosen", [])
    return tmp_path


def weights(folder: Path, name: str = "net.pt") -> str:
    bx.save({"weight": bx.arange(3.0)}, folder / name)
    return (folder / name).as_uri()


def test_a_file_is_fetched_once_and_kept(home: Path) -> None:
    url = weights(home)
    for _ in range(2):
        state = hub.load_state_dict_from_url(url, progress=False)
        assert state["weight"].tolist() == [0, 1, 2]
        (home / "net.pt").unlink(missing_ok=True)
    assert [path.name for path in (home / "cache/hub/checkpoints").iterdir()] == ["net.pt"]
    assert load_url(url, model_dir=hub.get_dir() + "/checkpoints")["weight"].numel() == 3


def test_another_folder_and_another_name(home: Path, capsys: Any) -> None:
    hub.set_dir(home / "mine")
    assert hub.get_dir() == str(home / "mine")
    hub.load_state_dict_from_url(weights(home), file_name="other.pt")
    assert (home / "mine/checkpoints/other.pt").exists()
    assert "net.pt" in capsys.readouterr().out


def test_the_hash_in_the_name_is_held(home: Path) -> None:
    weights(home)
    digest = hashlib.sha256((home / "net.pt").read_bytes()).hexdigest()
    good, bad = (home / f"net-{digits}.pt" for digits in (digest[:8], "0" * 8))
    for path in (good, bad):
        path.write_bytes((home / "net.pt").read_bytes())
    hub.load_state_dict_from_url(good.as_uri(), progress=False, check_hash=True)
    with pytest.raises(RuntimeError, match=f"{digest}, not 00000000"):
        hub.load_state_dict_from_url(bad.as_uri(), progress=False, check_hash=True)
    assert [path.name for path in (home / "cache/hub/checkpoints").iterdir()] == [good.name]


def test_a_repositorys_code_is_not_run() -> None:
    with pytest.raises(AttributeError, match="torch has it"):
        _ = hub.load
