"""The bars that the project has set itself, for one thread: who has to be how fast beside whom."""

from __future__ import annotations

from dataclasses import dataclass

from problems import BINARY, NETS, UNARY, Net
from problems_deep import Gpt, LeNet, Lstm

SIZES = (1_000, 10_000, 100_000, 1_000_000, 10_000_000)


@dataclass(frozen=True)
class Bar:
    """`peer` takes at least `times` as long as `who`; or `who`'s own value is at most `at_most`."""

    who: str
    peer: str = ""
    times: float = 0.0
    at_most: float = 0.0

    def met(self, value: float, ratio: float | None) -> bool | None:
        """Whether it is met; None if the peer it needs was not measured."""
        if self.at_most:
            return value <= self.at_most
        return None if ratio is None else ratio >= self.times


def sized(family: str, size: int) -> str:
    """`tanh, 1e+06`."""
    return f"{family}, {size:.0e}"


def _against(who: str, **times: float) -> list[Bar]:
    return [Bar(who, peer, least) for peer, least in times.items()]


def _mlp(net: Net, ours: float, **captured: float) -> dict[str, list[Bar]]:
    """The eager step against PyTorch's, the captured one against those named."""
    eager = _against("ours", torch=ours) if ours else []
    return {net.name: eager + _against("captured", **(NOT_SLOWER | captured))}


# Of everything that a user could write; Eigen by hand is the limit, and has a bar of its own.
NOT_SLOWER = {"torch": 1.0, "compile": 1.0, "jax": 1.0, "numpy": 1.0}
_LIMIT = 1 / 1.15
_NETS = {net.name: net for net in NETS}

# Seconds for the import and the op, bytes for the wheel.
BARS: dict[str, list[Bar]] = {
    # One number of NumPy is arithmetic of the interpreter: a limit there too.
    "scalar step": _against("ours", torch=8.0)
    + _against("captured", torch=1.0, compile=1.0, jax=1.0),
    **_mlp(_NETS["mlp 4-32-1, batch 16"], 10.0, jax=1.5, eigen=_LIMIT),
    **_mlp(_NETS["mlp 2-16-16-1, batch 100"], 8.0, torch=40.0, jax=1.5, eigen=_LIMIT),
    **_mlp(_NETS["mlp 2-16-16-1, batch 100, Adam"], 0.0),
    **_mlp(_NETS["mlp 64-128-10, batch 64"], 3.5, torch=5.0, jax=1.5, eigen=_LIMIT),
    **_mlp(_NETS["mlp 64-128-10, batch 64, Adam"], 0.0),
    **_mlp(_NETS["mlp 784-512-512-10, batch 128"], 1.0, eigen=_LIMIT),
    **_mlp(_NETS["mlp 1024-1024-1024-1024-1024, batch 1024"], 1.0, eigen=_LIMIT),
    **{model.name: _against("captured", **NOT_SLOWER) for model in (LeNet(), Lstm(), Gpt())},
    sized("chain", 1_000_000): _against("captured", jax=1.0),
    "w * b, recorded": [Bar("ours", at_most=250e-9)],
    **{sized(family, n): _against("ours", torch=1.0) for family in BINARY + UNARY for n in SIZES},
    "import, beyond NumPy's": [Bar("ours", at_most=0.030)],
    "wheel": [Bar("ours", at_most=5e6)],
}
