"""Who is measured: backprop_ext, PyTorch, JAX, NumPy by hand, and steps by hand on Eigen."""

from __future__ import annotations

import importlib
import subprocess
from dataclasses import dataclass, field, replace
from typing import Any

import native
import numpy as np
from handwritten import Handwritten
from torch_like import How


@dataclass(frozen=True)
class Peer:
    """A peer that is here (`module`), or why it is not (`absent`)."""

    key: str
    label: str
    version: str = ""
    module: Any = None
    absent: str = ""
    how: How = field(default_factory=How)


def find_peers(ours: str, threads: int) -> dict[str, Peer]:
    """All peers in the table's order, those that are missing with the reason."""
    here, torch = _python_peer("ours", ours, ours), _python_peer("torch", "PyTorch", "torch")
    peers = (
        here,
        _captured_peer(here),
        torch,
        _compiled_peer(torch),
        _python_peer("jax", "JAX jit", "jax"),
        Peer("numpy", "NumPy by hand", np.__version__, np),
        _handwritten_peer(),
    )
    for peer in (here, torch):
        if not peer.absent:
            peer.module.set_num_threads(threads)
    return {peer.key: peer for peer in peers}


def _python_peer(key: str, label: str, name: str) -> Peer:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        return Peer(key, label, absent=str(error))
    return Peer(key, label, str(getattr(module, "__version__", "unknown")), module)


def _captured_peer(ours: Peer) -> Peer:
    # The same module once more: its version is named once.
    peer = replace(ours, key="captured", label="captured", version="")
    if peer.absent:
        return peer
    if not hasattr(peer.module, "capture"):
        return replace(peer, absent=f"{peer.module.__name__} has no capture")
    return replace(peer, how=How(step=peer.module.capture))


def _compiled_peer(torch: Peer) -> Peer:
    peer = replace(torch, key="compile", label="torch.compile", version="")
    if peer.absent:
        return peer
    how = _compiled(peer.module)
    try:
        # Whether it works here, for it needs a C++ compiler and Python's headers. What it loads at
        # its first use is loaded now, and in no workload's first step.
        how.forward(lambda x: x * 2.0)(peer.module.ones(8))
    except Exception as error:
        reason = str(error).strip().partition("\n")[0]
        return replace(peer, absent=f"{type(error).__name__}: {reason}")
    return replace(peer, how=how)


def _compiled(torch: Any) -> How:
    def forward(function: Any) -> Any:
        # What is kept by code object would make the next model's sizes variable, and slow.
        torch.compiler.reset()
        return torch.compile(function, dynamic=False)

    return How(forward=forward, update=torch.compile)


def _handwritten_peer() -> Peer:
    try:
        lib = Handwritten()
    except (OSError, subprocess.CalledProcessError) as error:
        return Peer("eigen", "Eigen by hand", absent=native.reason(error))
    return Peer("eigen", "Eigen by hand", lib.call("build_info").decode(), lib)
