"""All that a run depends on, as one tree of tensors and numbers, out and in again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..autograd.grad_mode import no_grad
from .triggers import memory, remember

if TYPE_CHECKING:
    from ..nn.modules.module import Module
    from .batches import Batches
    from .loop import Loop

__all__ = ["restore", "snapshot"]


def snapshot(loop: Loop, batches: Batches, end: Any) -> dict[str, Any]:
    """Parameters, buffers, optimizer, scheduler, generators, counts and scores."""
    return {
        "module": dict(loop.module.state_dict()),
        "buffers": _unsaved_buffers(loop.module),
        "optimizer": {"class": _name(loop.optimizer), **loop.optimizer.state_dict()},
        "scheduler": _of_schedule(loop),
        "batches": batches.state_dict(),
        "state": loop.state.state_dict(),
        "end": memory(end),
    }


def restore(content: dict[str, Any], loop: Loop, batches: Batches, end: Any) -> None:
    """Put all of it back. What can be refused is refused before anything changes.

    Raises ValueError for another optimizer, scheduler or data, RuntimeError for another module.
    """
    optimizer, scheduler = dict(content["optimizer"]), content["scheduler"]
    name = optimizer.pop("class")
    sizes = [
        [len(g["params"]) for g in groups]
        for groups in (loop.optimizer.param_groups, optimizer["param_groups"])
    ]
    if name != _name(loop.optimizer) or sizes[0] != sizes[1]:
        raise ValueError(
            f"[resume] the optimizer is {_name(loop.optimizer)} with groups of {sizes[0]} "
            f"parameters, the checkpoint has {name} with {sizes[1]}; pass the one of before"
        )
    ours = _of_schedule(loop)
    if ours["class"] != scheduler["class"]:
        raise ValueError(
            f"[resume] the scheduler is {ours['class']}, the checkpoint has {scheduler['class']}; "
            "pass the one of before"
        )
    own = _unsaved_buffers(loop.module)
    if own.keys() != content["buffers"].keys():
        raise ValueError(
            f"[resume] the module has buffers {sorted(own)}, the checkpoint "
            f"{sorted(content['buffers'])}; make the module as it was made before"
        )
    before = batches.state_dict()
    batches.load_state_dict(content["batches"], content["state"]["position"])
    try:
        loop.module.load_state_dict(content["module"])
    except RuntimeError:
        batches.load_state_dict(before, 0)
        raise
    with no_grad():
        for key, value in content["buffers"].items():
            own[key].copy_(value)
    loop.optimizer.load_state_dict(optimizer)
    if loop.schedule is not None:
        present = loop.schedule.scheduler.state_dict()
        loop.schedule.scheduler.load_state_dict(_as_before(scheduler["state"], present))
    loop.state.load_state_dict(content["state"])
    if _alike(memory(end), content["end"]):
        remember(end, content["end"])


def _of_schedule(loop: Loop) -> dict[str, Any]:
    if loop.schedule is None:
        return {"class": "none", "state": {}}
    scheduler = loop.schedule.scheduler
    return {"class": _name(scheduler), "state": _plain(scheduler.state_dict())}


def _alike(a: Any, b: Any) -> bool:
    """Whether two triggers remember the same things; another end begins without a memory."""
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_alike(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_alike, a, b))
    return not isinstance(a, (dict, list)) and not isinstance(b, (dict, list))


def _unsaved_buffers(module: Module) -> dict[str, Any]:
    """The buffers that a state_dict leaves out."""
    saved = module.state_dict().keys()
    return {name: b for name, b in module.named_buffers() if name not in saved}


def _plain(value: Any) -> Any:
    """Kinds of dict and of numbers that `save` does not know, as those that it does."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_plain(item) for item in value)
    return value


def _as_before(saved: Any, present: Any) -> Any:
    """What was saved as a plain dict, as the kind of dict that is there."""
    if isinstance(saved, dict) and isinstance(present, dict):
        items = {key: _as_before(value, present.get(key)) for key, value in saved.items()}
        return items if type(present) is dict else type(present)(items)
    if isinstance(saved, list) and isinstance(present, list) and len(saved) == len(present):
        return [_as_before(a, b) for a, b in zip(saved, present, strict=True)]
    return saved


def _name(value: object) -> str:
    return type(value).__name__
