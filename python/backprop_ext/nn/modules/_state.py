"""state_dict: a module's parameters and buffers by dotted name, out and in again."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING, Any, NamedTuple

from ..._core import Tensor
from ...autograd.grad_mode import no_grad
from ..parameter import Parameter, is_lazy
from ._tree import BUFFER, MODULE, PARAMETER

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from .module import Module

__all__ = ["collect", "load_own", "restore", "save_own"]

EXTRA = "_extra_state"


class _IncompatibleKeys(NamedTuple):
    """The keys that only one side has; both are empty after a strict load."""

    missing_keys: list[str]
    unexpected_keys: list[str]

    def __repr__(self) -> str:
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return (
            f"_IncompatibleKeys(missing_keys={self.missing_keys}, "
            f"unexpected_keys={self.unexpected_keys})"
        )


class Faults(list[str]):
    """What does not fit, and what is to be written once all has been found to fit."""

    def __init__(self, assign: bool) -> None:
        super().__init__()
        self.assign = assign
        self.writes: list[tuple[Module, str, Tensor, Tensor]] = []


def _own(module: Module) -> Iterator[tuple[str, Tensor]]:
    """(name, value) of the parameters, then the persistent buffers, of this module alone."""
    for wanted in (PARAMETER, BUFFER):
        for name, kind in module._kinds.items():
            if kind == wanted and module.__dict__[name] is not None:
                yield name, module.__dict__[name]


def _children(module: Module) -> Iterator[tuple[str, Module]]:
    for name, kind in module._kinds.items():
        if kind == MODULE and (child := module._values()[name]) is not None:
            yield name, child


def _has_extra(module: Module, method: str) -> bool:
    from .module import Module

    return getattr(type(module), method) is not getattr(Module, method)


def save_own(module: Module, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
    """Enter what this module alone holds."""
    for name, value in _own(module):
        itself = keep_vars or is_lazy(value)  # one without shape has no values
        destination[prefix + name] = value if itself else value.detach()
    if _has_extra(module, "get_extra_state"):
        destination[prefix + EXTRA] = module.get_extra_state()


def collect(
    module: Module, destination: dict[str, Any] | None, prefix: str, keep_vars: bool
) -> dict[str, Any]:
    """{key: value}, values detached unless `keep_vars`; they share storage with the module."""
    found: Any = destination
    if found is None:
        found = OrderedDict()
        found._metadata = OrderedDict()
    local = {"version": module._version}
    if hasattr(found, "_metadata"):
        found._metadata[prefix[:-1]] = local
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(found, prefix, keep_vars)
    for name, child in _children(module):
        child.state_dict(destination=found, prefix=f"{prefix}{name}.", keep_vars=keep_vars)
    for hook in module._state_dict_hooks.values():
        changed = hook(module, found, prefix, local)
        found = found if changed is None else changed
    return found  # type: ignore[no-any-return]


def load_own(
    module: Module,
    state: Mapping[str, Any],
    prefix: str,
    missing: list[str],
    unexpected: list[str],
    faults: list[str],
) -> None:
    """Check what this module alone is given, and note (or, for a plain list, do) the writing."""
    own = dict(_own(module))
    for name, value in own.items():
        key = prefix + name
        if key not in state:
            missing.append(key)
            continue
        new = state[key]
        if isinstance(new, Tensor) and not is_lazy(value) and value.ndim == 0 and new.ndim == 1:
            new = new[0]  # as PyTorch 0.3 saved a number
        if not isinstance(new, Tensor):
            faults.append(
                f'While copying the parameter named "{key}", expected torch.Tensor from checkpoint '
                f"but received {type(new)}"
            )
        elif not is_lazy(value) and new.shape != value.shape:
            faults.append(
                f"size mismatch for {key}: copying a param with shape {new.shape} from checkpoint, "
                f"the shape in current model is {value.shape}."
            )
        elif isinstance(faults, Faults):
            faults.writes.append((module, name, value, new))
        else:
            with no_grad():
                value.copy_(new)
    _load_extra(module, state, prefix, missing, unexpected)
    children = {name for name, _ in _children(module)}
    for key in state:
        if not key.startswith(prefix):
            continue
        first, _, rest = key[len(prefix) :].partition(".")
        if first != EXTRA and first not in children and (rest or first not in own):
            unexpected.append(key)


def _load_extra(
    module: Module, state: Mapping[str, Any], prefix: str, missing: list[str], unexpected: list[str]
) -> None:
    key = prefix + EXTRA
    if _has_extra(module, "set_extra_state"):
        if key in state:
            module.set_extra_state(state[key])
        else:
            missing.append(key)
    elif key in state:
        unexpected.append(key)


def restore(
    module: Module, given: Mapping[str, Any], strict: bool, assign: bool
) -> _IncompatibleKeys:
    """Copy (or, with `assign`, put) the values in; all is checked before anything changes."""
    state: Any = OrderedDict(given)
    metadata = getattr(given, "_metadata", {})
    result, faults = _IncompatibleKeys([], []), Faults(assign)
    visited: list[Module] = []

    def visit(part: Module, prefix: str) -> None:
        local = dict(metadata.get(prefix[:-1], {}))
        if assign:
            local["assign_to_params_buffers"] = assign
        arguments = (state, prefix, local, True, *result, faults)
        for hook in part._load_state_dict_pre_hooks.values():
            hook(part, *arguments)
        part._load_from_state_dict(*arguments)
        for name, child in _children(part):
            visit(child, f"{prefix}{name}.")
        visited.append(part)

    visit(module, "")
    hooked = any(part._load_state_dict_post_hooks for part in visited)
    # A hook may forgive missing and unexpected keys, so it must have seen them.
    if not faults and (hooked or not (strict and any(result))):
        with no_grad():
            for owner, name, old, new in faults.writes:
                _put(owner, name, old, new, assign)
        for part in visited:
            for hook in part._load_state_dict_post_hooks.values():
                if hook(part, result) is not None:
                    raise AssertionError(
                        "[load_state_dict] a post hook returned a value; change incompatible_keys "
                        "in place"
                    )
    lines = [*faults]
    for what, keys in (("Unexpected", result[1]), ("Missing", result[0])):
        if strict and keys:
            lines.insert(0, f"{what} key(s) in state_dict: {', '.join(map(_quoted, keys))}. ")
    if lines:
        raise RuntimeError(
            f"[load_state_dict] Error(s) in loading state_dict for {type(module).__name__}; load "
            "the one of such a module, or pass strict=False to skip keys:\n\t" + "\n\t".join(lines)
        )
    return result


def _quoted(key: str) -> str:
    return f'"{key}"'


def _put(owner: Module, name: str, old: Any, new: Tensor, assign: bool) -> None:
    if not assign:
        if is_lazy(old):
            if is_lazy(new):  # there is nothing to load yet
                return
            old.materialize(new.shape)
        old.copy_(new)
    elif not isinstance(old, Parameter):
        setattr(owner, name, new)
    elif isinstance(new, Parameter):
        setattr(owner, name, new.requires_grad_(old.requires_grad))
    else:
        setattr(owner, name, Parameter(new, old.requires_grad))
