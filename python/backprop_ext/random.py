"""The seed of the default generator (Mersenne twister, the same stream as PyTorch's on the CPU)."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._core import Generator, _default_generator, _host_call, default_generator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ._core import Tensor

__all__ = [
    "Generator",
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


def manual_seed(seed: int) -> Generator:
    """Start the default generator at `seed`, and return it.

    -2^63 to 2^64 - 1, negative seeds wrap around; ValueError beyond.
    """
    number, generator = int(seed), _default_generator()
    _host_call("manual_seed", lambda: generator.manual_seed(number))
    return generator


def seed() -> int:
    """Start the default generator at a random seed, and return that seed."""
    return _default_generator().seed()


def initial_seed() -> int:
    """The seed that the default generator was started with."""
    return _default_generator().initial_seed()


def get_rng_state() -> Tensor:
    """The state of the default generator: PyTorch's 5056 bytes in a 1-d uint8 tensor."""
    return _default_generator().get_state()


def set_rng_state(new_state: Tensor) -> None:
    """Put the default generator back into a state taken with `get_rng_state`.

    Takes any integer tensor, or NumPy array, of the 5056 bytes. TypeError for another kind,
    RuntimeError for bytes that are no state; the generator then stays as it was.
    """
    generator = _default_generator()
    _host_call("set_rng_state", lambda: generator.set_state(new_state))


class RandomState:
    """The state of the default generator, which replays of a captured step take anew."""

    def __init__(self) -> None:
        _host_call("get_rng_state", self._take)

    def _take(self) -> None:
        self._state = get_rng_state()

    def is_current(self) -> bool:
        """Whether nothing was drawn since."""
        return self._state.equal(get_rng_state())

    def put_back(self) -> None:
        """The generator as it was."""
        _host_call("set_rng_state", lambda: set_rng_state(self._state))


@contextmanager
def fork_rng(
    devices: Any = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str | None = None,
) -> Iterator[None]:
    """Inside, draw as you like; afterwards the default generator goes on as if nothing happened."""
    if not enabled:
        yield
        return
    state = RandomState()
    try:
        yield
    finally:
        state.put_back()
