"""Optimizers of several processes.

Source of the names: https://docs.pytorch.org/docs/stable/distributed.optim.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .._names import missing_from
from ..autograd.grad_mode import no_grad
from ..optim.optimizer import Optimizer
from ._buckets import broadcast_all
from ._objects import gather_object
from .distributed_c10d import the_group

if TYPE_CHECKING:
    from collections.abc import Callable

    from .._core import Tensor

__all__ = ["PostLocalSGDOptimizer", "ZeroRedundancyOptimizer"]

__getattr__ = missing_from("torch.distributed.optim", globals())


class ZeroRedundancyOptimizer(Optimizer):
    """An optimizer whose state is shared out: each process updates some of the parameters.

    They go to all after the step. `optimizer_class` is given the process's own, and `defaults`.
    Source: Rajbhandari et al., SC 2020.
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: Callable[..., Optimizer],
        process_group: Any = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        self._group = the_group("ZeroRedundancyOptimizer", process_group)
        super().__init__(params, defaults)
        if overlap_with_ddp:
            raise NotImplementedError(
                "[ZeroRedundancyOptimizer] overlap_with_ddp=True is not there; leave it out"
            )
        size, self._rank = self._group.size(), self._group.rank()
        loads, self._owner = [0] * size, {}
        for p in sorted(self._all(), key=lambda p: -p.numel()):
            owner = loads.index(min(loads))
            loads[owner] += p.numel()
            self._owner[id(p)] = owner
        own = [
            {**g, "params": [p for p in g["params"] if self._owner[id(p)] == self._rank]}
            for g in self.param_groups
        ]
        self._own_groups = [
            g for g, part in zip(self.param_groups, own, strict=True) if part["params"]
        ]
        own = [part for part in own if part["params"]]
        self.optim = optimizer_class(own, **defaults) if own else None
        for group, part in zip(
            self._own_groups, self.optim.param_groups if self.optim else (), strict=True
        ):
            for name, value in part.items():  # the class's own defaults
                group.setdefault(name, value)
        self._whole: list[Any] = []

    def _all(self) -> list[Tensor]:
        return [p for group in self.param_groups for p in group["params"]]

    def _settings(self) -> None:
        for group, part in zip(
            self._own_groups, self.optim.param_groups if self.optim else (), strict=True
        ):
            part.update({name: value for name, value in group.items() if name != "params"})

    def step(self, closure: Any = None, **kwargs: Any) -> Any:
        """The step of the process's own parameters; then all have all of them."""
        self._settings()
        loss = None
        if self.optim is not None:
            loss = self.optim.step(closure, **kwargs)
        elif closure is not None:
            loss = closure()
        with no_grad():
            for rank in range(self._group.size()):
                broadcast_all(
                    self._group, [p for p in self._all() if self._owner[id(p)] == rank], rank
                )
        return loss

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Brings the states to one rank, whose state_dict() has them all."""
        index = {id(p): i for i, p in enumerate(self._all())}
        own = {}
        if self.optim is not None:
            own = {index[id(p)]: dict(state) for p, state in self.optim.state.items()}
        every: list[Any] | None = [None] * self._group.size() if self._rank == to else None
        gather_object(own, every, group=self._group, group_dst=to)
        self._whole = every or []

    def state_dict(self) -> dict[str, Any]:
        """The whole state. RuntimeError before consolidate_state_dict()."""
        if not self._whole:
            raise RuntimeError(
                "[state_dict] the state is with other processes; call consolidate_state_dict(to) "
                "in all before, and state_dict() in that rank"
            )
        made = super().state_dict()
        made["state"] = {i: state for each in self._whole for i, state in sorted(each.items())}
        return made

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the process's own part of a whole state."""
        super().load_state_dict(state_dict)
        if self.optim is not None:
            self.optim.state.update(
                {p: s for p, s in self.state.items() if self._owner[id(p)] == self._rank}
            )
        self.state.clear()
        self._settings()


class PostLocalSGDOptimizer(Optimizer):
    """An optimizer after whose step averager.average_parameters(...) is called."""

    def __init__(self, optim: Optimizer, averager: Any) -> None:
        self.optim, self.averager = optim, averager
        self.param_groups, self.state, self.defaults = (
            optim.param_groups,
            optim.state,
            optim.defaults,
        )

    def step(self, closure: Any = None) -> Any:
        """The step, and the mean of parameters where it is due."""
        loss = self.optim.step(closure)
        self.averager.average_parameters(self.param_groups)
        return loss

    def zero_grad(self, set_to_none: bool = True) -> None:
        """That of the optimizer."""
        self.optim.zero_grad(set_to_none)

    def state_dict(self) -> dict[str, Any]:
        """That of the optimizer, with the averager's step."""
        return {**self.optim.state_dict(), "step": self.averager.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes such a state."""
        self.optim.load_state_dict({k: v for k, v in state_dict.items() if k != "step"})
        self.averager.step = state_dict.get("step", 0)
