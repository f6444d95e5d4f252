"""Weights from a URL, kept on disk: what model files import for `pretrained=True`.

`load`, which runs a repository's code, is not here.
Source of the names: https://docs.pytorch.org/docs/stable/hub.html
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from ._names import missing_from
from .serialization import load as _load

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["download_url_to_file", "get_dir", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")
_chosen: list[str] = []


def get_dir() -> str:
    """Where files are kept: what set_dir said, $TORCH_HOME/hub, or ~/.cache/torch/hub."""
    return _chosen[-1] if _chosen else os.path.join(_get_torch_home(), "hub")


def _get_torch_home() -> str:
    cache = os.environ.get("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.environ.get("TORCH_HOME", os.path.join(cache, "torch")))


def set_dir(d: str | os.PathLike[str]) -> None:
    """Keep files there from now on."""
    _chosen[:] = [os.path.expanduser(os.fspath(d))]


def download_url_to_file(
    url: str, dst: str | os.PathLike[str], hash_prefix: str | None = None, progress: bool = True
) -> None:
    """The file at a URL, whole or not at all; `progress` is taken, and there is no bar.

    Raises RuntimeError where its SHA-256 is another.
    """
    from hashlib import sha256
    from tempfile import NamedTemporaryFile
    from urllib.request import urlopen

    target = Path(dst).expanduser()
    digest = sha256()
    with urlopen(url) as source, NamedTemporaryFile(dir=target.parent, delete=False) as part:
        try:
            while block := source.read(1 << 20):
                part.write(block)
                digest.update(block)
            found = digest.hexdigest()
            if hash_prefix and not found.startswith(hash_prefix):
                raise RuntimeError(
                    f"[download_url_to_file] the SHA-256 is {found}, not {hash_prefix}...; "
                    "it did not arrive whole, or the file has changed"
                )
            part.close()
            os.replace(part.name, target)
        finally:
            Path(part.name).unlink(missing_ok=True)


def load_state_dict_from_url(
    url: str,
    model_dir: str | os.PathLike[str] | None = None,
    map_location: Any = None,
    progress: bool = True,
    check_hash: bool = False,
    file_name: str | None = None,
    weights_only: bool = True,
) -> Any:
    """What the file at a URL holds, downloaded once; see `load` for the formats.

    With check_hash, name-<first digits of the SHA-256>.pt is held to its name.
    """
    name = file_name or os.path.basename(urlparse(url).path)
    path = Path(model_dir or Path(get_dir()) / "checkpoints").expanduser() / name
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        print(f'Downloading: "{url}" to {path}')
        digits = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, digits and digits.group(1), progress)
    return _load(path, map_location=map_location, weights_only=weights_only)


__getattr__: Callable[[str], Any] = missing_from("torch.hub", globals())
