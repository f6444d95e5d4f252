"""What all optimizers share: groups of parameters with their settings, and state per parameter."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Mapping
from functools import wraps
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from .._checks import WrongKindError
from .._core import Tensor, _host_call, _recording
from ..nn.modules._hooks import RemovableHandle
from ..nn.modules._tree import changes

if TYPE_CHECKING:
    from collections.abc import Callable

    from ..types import Closure, StateDict

ParamsT = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]

__all__ = [
    "Optimizer",
    "ParamsT",
    "register_optimizer_step_post_hook",
    "register_optimizer_step_pre_hook",
    "required",
]


class _RequiredParameter:
    """Stands for the default of a setting that every group must give."""

    def __repr__(self) -> str:
        return "<required parameter>"


required = _RequiredParameter()

# When a hook runs: in every optimizer's step (kept here), or at one of an optimizer's events.
_PRE_STEP, _POST_STEP = "pre_step", "post_step"
_of_all: dict[str, dict[Any, Any]] = {_PRE_STEP: {}, _POST_STEP: {}}


def register_optimizer_step_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(optimizer, args, kwargs) runs before every optimizer's step."""
    return _entered(_of_all[_PRE_STEP], hook)


def register_optimizer_step_post_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """hook(optimizer, args, kwargs) runs after every optimizer's step."""
    return _entered(_of_all[_POST_STEP], hook)


def _entered(hooks: dict[Any, Any], hook: Any, prepend: bool = False) -> RemovableHandle:
    return RemovableHandle(hooks, hook, prepend)


def _with_hooks(step: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(step)
    def run(self: Optimizer, *args: Any, **kwargs: Any) -> Any:
        hooked = self._hooks or _of_all[_PRE_STEP] or _of_all[_POST_STEP]
        if hooked:
            (_, *args), kwargs = self._before_step((self, *args), kwargs)
        if self._recordable or not _recording():
            result = step(self, *args, **kwargs)
        else:
            result = None
            _host_call(type(self).__name__, lambda: step(self, *args, **kwargs))
        self._opt_called = True
        if hooked:
            for hook in self._hooks_at(_POST_STEP):
                hook(self, (self, *args), kwargs)
        return result

    return run


class Optimizer:
    """p <- p - step(p.grad) for the parameters in `param_groups`, a list of dicts.

    A subclass gives the `defaults` that a group may override, and step(). Raises TypeError and
    ValueError for parameters that cannot be optimized, see `add_param_group`.
    Source: https://docs.pytorch.org/docs/stable/optim.html
    """

    # Schedulers warn when it stays False.
    _opt_called = False
    # Whether `capture` may record what step() launches; else it calls step() at every replay.
    _recordable = False
    # One's own are made with the first: a wrapper of an optimizer may not call __init__.
    _hooks: Mapping[str, dict[Any, Any]] = MappingProxyType({})

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = _with_hooks(cls.__dict__["step"])  # type: ignore[method-assign]

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self.state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        if isinstance(params, (Tensor, str)) or not isinstance(params, Iterable):
            raise TypeError(
                f"[optimizer] params is a {type(params).__name__}, Tensors or dicts are "
                "needed; pass [tensor] or module.parameters()"
            )
        groups: list[Any] = [*params]
        if not groups:
            raise ValueError("[optimizer] params is empty, nothing to optimize; were they used up?")
        for group in groups if isinstance(groups[0], dict) else [{"params": groups}]:
            self.add_param_group(group)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a dict {"params": tensors, setting: value, ...}; a missing setting has its default.

        Raises TypeError for a group or parameter of a wrong type, ValueError for a non-leaf, for a
        missing required setting, and for a parameter of two groups.
        """
        if not isinstance(param_group, dict):
            raise TypeError(
                f"[add_param_group] a dict is needed, not a {type(param_group).__name__}; "
                "pass {'params': ...}"
            )
        if "params" not in param_group:
            raise KeyError(
                f"[add_param_group] the group has {[*param_group]}; pass the tensors as 'params'"
            )
        params = param_group["params"]
        if isinstance(params, (set, frozenset)):
            raise TypeError("[add_param_group] params is a set, whose order changes; pass a list")
        group = {**param_group, "params": [params] if isinstance(params, Tensor) else [*params]}
        named = [isinstance(p, tuple) for p in group["params"]]
        if any(named):
            if not all(named):
                raise ValueError(
                    "[add_param_group] some parameters have names, some have none; name all of "
                    "them, or none"
                )
            group["param_names"] = [name for name, _ in group["params"]]
            group["params"] = [p for _, p in group["params"]]
        for p in group["params"]:
            self._check(p)
        for name, value in self.defaults.items():
            if value is required and name not in group:
                raise ValueError(
                    f"[add_param_group] the group has no {name}, which has no default; pass {name}="
                )
            group.setdefault(name, value)
        if self.param_groups and ("param_names" in group) != (
            "param_names" in self.param_groups[0]
        ):
            raise ValueError(
                "[add_param_group] some groups have names, some have none; name the parameters of "
                "all groups, or of none"
            )
        unique = {id(p) for p in group["params"]}
        if len(unique) < len(group["params"]):
            warnings.warn(
                f"[add_param_group] {len(group['params'])} parameters, {len(unique)} different: "
                "a parameter group with duplicate parameters updates them twice; drop the doubles",
                stacklevel=3,
            )
        if any(id(p) in unique for other in self.param_groups for p in other["params"]):
            raise ValueError("[add_param_group] a parameter is in two groups; leave it in one")
        changes.count += 1
        self.param_groups.append(group)

    def _check(self, p: Any) -> None:
        if not isinstance(p, Tensor):
            raise TypeError(
                f"[add_param_group] a parameter is a {type(p).__name__}, a Tensor is needed; "
                "pass module.parameters()"
            )
        if not p.is_leaf:
            raise ValueError(
                "[add_param_group] a parameter is the result of an op, a leaf is needed; "
                "optimize what it was computed from, or its .detach()"
            )

    def step(self, closure: Closure | None = None) -> Any:
        """Update the parameters. Raises NotImplementedError when the subclass has none."""
        raise NotImplementedError(f"[step] {type(self).__name__} defines no step(); define it")

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Drop the gradients, or fill them with 0."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none is True:
                    p.grad = None
                elif p.grad is not None:
                    if set_to_none:
                        p.grad = None
                        continue
                    if p.grad.requires_grad:
                        p.grad = p.grad.detach()
                    p.grad.zero_()

    def _hooks_at(self, event: str) -> Iterable[Callable[..., Any]]:
        ours, everyone = self._hooks.get(event), _of_all.get(event)
        return (*(everyone.values() if everyone else ()), *(ours.values() if ours else ()))

    def _before_step(self, args: Any, kwargs: Any) -> tuple[Any, Any]:
        for hook in self._hooks_at(_PRE_STEP):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                raise RuntimeError(
                    f"[step] a step pre-hook returned {changed!r}; return None or (args, kwargs)"
                )
            args, kwargs = changed
        return args, kwargs

    def _register(self, event: str, hook: Callable[..., Any], prepend: bool) -> RemovableHandle:
        hooks = self.__dict__.setdefault("_hooks", {})
        return _entered(hooks.setdefault(event, {}), hook, prepend)

    def register_step_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """hook(optimizer, args, kwargs) runs before step; what it returns replaces them.

        args begin with the optimizer, in what is returned too.
        """
        return self._register(_PRE_STEP, hook, False)

    def register_step_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """hook(optimizer, args, kwargs) runs after step."""
        return self._register(_POST_STEP, hook, False)

    def register_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """hook(optimizer) runs before state_dict."""
        return self._register("pre_state_dict", hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """hook(optimizer, state_dict) runs after state_dict; a dict it returns replaces it."""
        return self._register("post_state_dict", hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """hook(optimizer, state_dict) runs before load_state_dict; a dict it returns is loaded."""
        return self._register("pre_load", hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable[..., Any], prepend: bool = False
    ) -> RemovableHandle:
        """hook(optimizer) runs after load_state_dict."""
        return self._register("post_load", hook, prepend)

    def state_dict(self) -> StateDict:
        """{"state": {index: state}, "param_groups": [...]}: parameters are named by their order."""
        for hook in self._hooks_at("pre_state_dict"):
            hook(self)
        order: dict[int, int] = {}
        groups, count = [], 0
        for group in self.param_groups:
            for position, p in enumerate(group["params"], count):
                order.setdefault(id(p), position)
            count += len(group["params"])
            packed = {name: value for name, value in group.items() if name != "params"}
            groups.append({**packed, "params": [order[id(p)] for p in group["params"]]})
        state = {order[id(k)] if isinstance(k, Tensor) else k: v for k, v in self.state.items()}
        result: StateDict = {"state": state, "param_groups": groups}
        for hook in self._hooks_at("post_state_dict"):
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: StateDict) -> None:
        """Take over the settings and the state; floating-point state is cast to its parameter.

        Raises ValueError, and changes nothing, when the groups have other sizes.
        """
        if not isinstance(state_dict, Mapping):
            raise WrongKindError(
                f"[load_state_dict] a {type(state_dict).__name__} is no dict; pass what "
                "state_dict() returned, or load() of it"
            )
        state_dict = dict(state_dict)
        for hook in self._hooks_at("pre_load"):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        if "param_groups" not in state_dict:
            raise KeyError(
                "[load_state_dict] no 'param_groups'; pass what an optimizer's state_dict() "
                "returned, not a model's"
            )
        ours, saved = self.param_groups, state_dict["param_groups"]
        sizes = [[len(group["params"]) for group in groups] for groups in (ours, saved)]
        if sizes[0] != sizes[1]:
            raise ValueError(
                f"[load_state_dict] the parameter groups have sizes {sizes[0]} here, {sizes[1]} "
                "in the state_dict; make the optimizer with the groups it was saved with"
            )
        by_index = {
            index: p
            for mine, theirs in zip(ours, saved, strict=True)
            for index, p in zip(theirs["params"], mine["params"], strict=True)
        }
        state: defaultdict[Any, dict[str, Any]] = defaultdict(dict)
        for index, entry in state_dict["state"].items():
            p = by_index.get(index)
            state[index if p is None else p] = entry if p is None else _cast(entry, p)
        groups = []
        for mine, theirs in zip(ours, saved, strict=True):
            names = {"param_names": mine["param_names"]} if "param_names" in mine else {}
            groups.append({**names, **_copied(theirs), "params": mine["params"]})
        changes.count += 1
        self.__setstate__({"state": state, "param_groups": groups})
        for hook in self._hooks_at("post_load"):
            hook(self)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name != "_hooks"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        # Files from before there was a switch do not have it.
        switches = {k: v for k, v in self.defaults.items() if v is None or isinstance(v, bool)}
        for group in self.param_groups:
            for name, value in switches.items():
                group.setdefault(name, value)

    def __repr__(self) -> str:
        text = f"{type(self).__name__} ("
        for index, group in enumerate(self.param_groups):
            text += f"\nParameter Group {index}\n"
            text += "".join(
                f"    {name}: {group[name]}\n" for name in sorted(group) if name != "params"
            )
        return text + ")"


def _copied(group: dict[str, Any]) -> dict[str, Any]:
    from copy import deepcopy

    return deepcopy({name: value for name, value in group.items() if name != "params"})


def _cast(value: Any, p: Tensor, key: str | None = None) -> Any:
    """The state of a parameter, with its dtype; a `step` is a count and stays as it is."""
    if isinstance(value, Tensor):
        # Beside complex parameters there are numbers that are real.
        alike = p.is_floating_point() or (p.is_complex() and value.is_complex())
        return value.to(p.dtype) if alike and key != "step" else value
    if isinstance(value, dict):
        return {name: _cast(item, p, name) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(item, p) for item in value)
    return value
