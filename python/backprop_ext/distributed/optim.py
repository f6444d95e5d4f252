"""ZeroRedundancyOptimizer. Source: Rajbhandari et al., SC 2020."""

from __future__ import annotations

from typing import Any

from .._names import missing_from
from ..optim.optimizer import Optimizer
from .distributed_c10d import the_group

__all__ = ["ZeroRedundancyOptimizer"]

__getattr__ = missing_from("torch.distributed.optim", globals())


class ZeroRedundancyOptimizer(Optimizer):
    """optimizer_class(params, **defaults), whose steps are those of the shared out one.

    Each process keeps the whole state here: no memory is saved, nothing has to be consolidated.
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: Any,
        process_group: Any = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        the_group("ZeroRedundancyOptimizer", process_group)
        self.optim = optim = optimizer_class(params, **defaults)
        self.defaults, self.state, self.param_groups = (
            optim.defaults,
            optim.state,
            optim.param_groups,
        )
        self.state_dict, self.zero_grad = optim.state_dict, optim.zero_grad  # type: ignore[method-assign]

    def step(self, closure: Any = None) -> Any:
        """The step of all parameters."""
        return self.optim.step(closure)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes a state."""
        self.optim.load_state_dict(state_dict)
        self.state, self.param_groups = self.optim.state, self.optim.param_groups

    def consolidate_state_dict(self, to: int = 0) -> None:
        """Nothing is left to do."""
