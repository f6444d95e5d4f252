"""What a Module owns, and the walk over it.

The values are plain attributes; one dict, `_kinds`, tells which names are parameters, buffers or
modules. So `self.weight` costs what any attribute costs, with no __getattr__, and nothing is kept
twice. Only a module under the name of something of its class lies apart, in `_behind`: what the
class has is found first, as in PyTorch, and `self.parameters = ModuleList(...)` hides no method.
"""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, KeysView, Mapping, MutableMapping, ValuesView
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ..._checks import WrongKindError
from ..._core import Tensor
from ..._core import _module_changes as changes
from ..parameter import Buffer, Parameter

if TYPE_CHECKING:
    from collections.abc import Callable

    from .module import Module

__all__ = [
    "BUFFER",
    "MODULE",
    "PARAMETER",
    "TRANSIENT",
    "Members",
    "Tree",
    "changes",
    "registration_hooks",
]

_W = TypeVar("_W", bound="Callable[..., Iterator[Any]]")

PARAMETER: Final = "parameter"
BUFFER: Final = "buffer"
TRANSIENT: Final = "non-persistent buffer"
MODULE: Final = "module"


# hook(module, name, member) of the members that every module is given, (kind, hook).
registration_hooks: dict[int, tuple[str, Callable[..., Any]]] = {}


class Members(MutableMapping[str, Any]):
    """The members of some kinds, by name: a live view on a module's attributes."""

    __slots__ = ("_kinds", "_owner")

    def __init__(self, owner: Tree, *kinds: str) -> None:
        self._owner, self._kinds = owner, kinds

    def __iter__(self) -> Iterator[str]:
        return iter([name for name, kind in self._owner._kinds.items() if kind in self._kinds])

    def __len__(self) -> int:
        return sum(kind in self._kinds for kind in self._owner._kinds.values())

    def __getitem__(self, name: str) -> Any:
        if self._owner._kinds.get(name) in self._kinds:
            return self._owner._values()[name]
        raise KeyError(name)

    def __setitem__(self, name: str, value: Any) -> None:
        # Unchecked, as PyTorch's dicts are: fast weights are results, and no Parameters.
        kind = self._owner._kinds.get(name)
        changes.count += 1
        self._owner._put(name, value, kind if kind in self._kinds else self._kinds[0])

    def __delitem__(self, name: str) -> None:
        self[name]
        Tree.__delattr__(self._owner, name)  # one of a subclass may have called this

    def _now(self) -> dict[str, Any]:
        values = self._owner._values()
        return {name: values[name] for name in self}

    copy = _now

    # Those of a dict, which print as PyTorch's; members may be replaced while one walks over them.
    def keys(self) -> KeysView[str]:
        return self._now().keys()

    def values(self) -> ValuesView[Any]:
        return self._now().values()

    def items(self) -> ItemsView[str, Any]:
        return self._now().items()

    def __repr__(self) -> str:
        return repr(self._now())


def _members(*kinds: str) -> Any:
    """A module's attribute that holds its members of some kinds, and takes others instead.

    The module's own books are made anew then: a copy of its __dict__ shares them.
    """

    def get(self: Tree) -> Members:
        return Members(self, *kinds)

    def replace(self: Tree, members: Mapping[str, Any]) -> None:
        before = self._kinds
        self.__dict__["_kinds"] = {n: kind for n, kind in before.items() if kind not in kinds}
        self.__dict__["_behind"] = {**self.__dict__.get("_behind", {})}
        for name in before.keys() - self._kinds.keys():
            self.__dict__.pop(name, self._behind.pop(name, None))
        for name, value in members.items():
            get(self)[name] = value
            if before.get(name) in kinds:
                self._kinds[name] = before[name]
        changes.count += 1

    return property(get, replace)


def _printed(walk: _W) -> _W:
    """A generator that prints as PyTorch's: <generator object Module.parameters at 0x..>."""
    walk.__qualname__ = f"Module.{walk.__name__}"
    return walk


class Tree:
    """Parameters, buffers and modules under the names of attributes; modules have their own."""

    _kinds: dict[str, str]
    _behind: dict[str, Any]

    def __setattr__(self, name: str, value: Any) -> None:
        kind = self._kind_of(name, value)
        if kind is None:
            # train() sets what is set already, in every loop.
            if value is None or self.__dict__.get(name) is not value:
                changes.count += 1
            if value is None and name in self.__dict__.get("_behind", ()):
                self._behind[name] = None
            else:
                object.__setattr__(self, name, value)
            return
        kinds = self.__dict__.get("_kinds", {})
        if kinds.get(name) != kind:
            kinds.pop(name, None)
            self.__dict__.pop(name, None)
            self.__dict__.get("_behind", {}).pop(name, None)
        self._declare(name, value, kind, assigned=True)

    def __delattr__(self, name: str) -> None:
        changes.count += 1
        if self.__dict__.get("_kinds", {}).pop(name, None) is None:
            object.__delattr__(self, name)
        elif self.__dict__.get("_behind", {}).pop(name, self) is self:
            del self.__dict__[name]  # a property of the class may have the name too

    def _kind_of(self, name: str, value: Any) -> str | None:
        """The kind that an assignment declares, None when it declares nothing new.

        Raises TypeError where a member would be lost to a value of another kind.
        """
        kind = None
        if isinstance(value, Parameter):
            kind = PARAMETER
        elif isinstance(value, Tree):
            kind = MODULE
        elif isinstance(value, Buffer):
            kind = BUFFER if value.persistent else TRANSIENT
        old = self.__dict__.get("_kinds", {}).get(name)
        if old is None or value is None or kind in (old, PARAMETER):
            return kind
        if old in (BUFFER, TRANSIENT) and (kind or hasattr(value, "__torch_function__")):
            return kind
        raise TypeError(
            f"[setattr] {type(self).__name__}.{name} is a {old}, the new value a "
            f"{type(value).__name__}; assign a {old} or None, or `del` it first"
        )

    def _declare(self, name: str, value: Any, kind: str, assigned: bool = False) -> None:
        """Make `value` the member `name`; None holds the place.

        Raises TypeError for a wrong type, KeyError for an empty, dotted or taken name, ValueError
        for a Parameter inside a graph, AttributeError before Module.__init__().
        """
        op = f"register_{kind.rpartition(' ')[2]}"
        if "_kinds" not in self.__dict__:
            raise AttributeError(
                f"[{op}] {type(self).__name__} was given {name!r} before Module.__init__() ran; "
                "call super().__init__() first"
            )
        if not isinstance(name, str):
            raise TypeError(f"[{op}] the name is a {type(name).__name__}, not a str; pass a str")
        if not name or "." in name:
            raise KeyError(f"[{op}] the name {name!r} is empty or has a dot; rename it")
        old = self._kinds.get(name, "none")
        # An assigned module is not looked for: a __getattr__ may lead to the very one.
        free = (assigned and kind == MODULE) or not hasattr(self, name)
        if not free and old.rpartition(" ")[2] != kind.rpartition(" ")[2]:
            raise KeyError(
                f"[{op}] {type(self).__name__} has an attribute {name!r} already; rename one"
            )
        wanted: Any = Parameter if kind == PARAMETER else Tree if kind == MODULE else Tensor
        if value is not None and not isinstance(value, wanted):
            cure = "wrap it in Parameter()" if kind == PARAMETER else "wrap it in tensor()"
            if kind == MODULE:
                made = f"make one, {value.__name__}()" if isinstance(value, type) else ""
                cure = made or "pass modules, each by itself"
            raise TypeError(
                f"[{op}] {name!r} is a {type(value).__name__}, a {kind} or None is needed; {cure}"
            )
        if kind == PARAMETER and value is not None and value.grad_fn is not None:
            raise ValueError(
                f"[{op}] {name!r} is the result of {value.grad_fn.name()}, a leaf is needed; "
                "register a Parameter and compute from it in forward()"
            )
        changes.count += 1
        if registration_hooks and value is not None:
            for of, hook in [*registration_hooks.values()]:
                found = hook(self, name, value) if kind.endswith(of) else None
                value = value if found is None else found
        self._put(name, value, kind)

    def _put(self, name: str, value: Any, kind: str) -> None:
        self._kinds[name] = kind
        if kind == MODULE and any(name in vars(c) for c in type(self).__mro__):
            self.__dict__.setdefault("_behind", {})[name] = value
        else:
            self.__dict__[name] = value

    def _values(self) -> dict[str, Any]:
        """The members by their names, among other attributes."""
        values = self.__dict__
        behind = values.get("_behind")
        return {**values, **behind} if behind else values

    def _take_books(self, state: dict[str, Any]) -> dict[str, Any]:
        """Of a state: members from the dicts that PyTorch's modules keep; returns what is left."""
        if "_parameters" not in state:
            return state
        left = dict(state)
        transient = left.pop("_non_persistent_buffers_set", ())
        for books, kind in (
            ("_parameters", PARAMETER),
            ("_buffers", BUFFER),
            ("_modules", MODULE),
        ):
            for name, member in left.pop(books, {}).items():
                self._declare(name, member, TRANSIENT if name in transient else kind)
        return left

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under a name. Raises TypeError, KeyError, ValueError."""
        self._declare(name, param, PARAMETER)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that is state and not trained; the state_dict has it if `persistent`."""
        self._declare(name, tensor, BUFFER if persistent else TRANSIENT)

    def register_module(self, name: str, module: Module | None) -> None:
        """Add a child under a name. Raises TypeError, KeyError."""
        self._declare(name, module, MODULE)

    def add_module(self, name: str, module: Module | None) -> None:
        """register_module under its older name."""
        self._declare(name, module, MODULE)

    _parameters: MutableMapping[str, Any] = _members(PARAMETER)
    _buffers: MutableMapping[str, Any] = _members(BUFFER, TRANSIENT)
    _modules: MutableMapping[str, Any] = _members(MODULE)

    @property
    def _non_persistent_buffers_set(self) -> set[str]:
        return {name for name, kind in self._kinds.items() if kind == TRANSIENT}

    @_printed
    def named_modules(
        self, memo: set[Any] | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Module]]:
        """(dotted name, module): this one under `prefix`, then all below it, each once."""
        seen = set() if memo is None else memo
        if self in seen:
            return
        if remove_duplicate:
            seen.add(self)
        yield prefix, self  # type: ignore[misc]  # every Tree is a Module
        for name, child in self._modules.items():
            if child is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from child.named_modules(seen, path, remove_duplicate)

    @_printed
    def modules(self, remove_duplicate: bool = True) -> Iterator[Module]:
        """This module and all below it, each once, or under each of its names."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    @_printed
    def named_children(self) -> Iterator[tuple[str, Module]]:
        """(name, module) directly below, each once."""
        seen = set()
        for name, child in self._modules.items():
            if child is not None and child not in seen:
                seen.add(child)
                yield name, child

    @_printed
    def children(self) -> Iterator[Module]:
        """The modules directly below, each once."""
        for _, child in self.named_children():
            yield child

    def _named_members(
        self, members: str, prefix: str, recurse: bool, remove_duplicate: bool
    ) -> Iterator[tuple[str, Any]]:
        seen = set()
        owners: Any = [(prefix, self)]
        if recurse:
            owners = self.named_modules(None, prefix, remove_duplicate)
        for path, owner in owners:
            for name, value in getattr(owner, members).items():
                if value is not None and not (remove_duplicate and id(value) in seen):
                    seen.add(id(value))
                    yield (f"{path}.{name}" if path else name), value

    @_printed
    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """(dotted name, parameter) of this module and, with `recurse`, of all below it."""
        yield from self._named_members("_parameters", prefix, recurse, remove_duplicate)

    @_printed
    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """The parameters, each once: what an optimizer is given."""
        for _, value in self.named_parameters(recurse=recurse):
            yield value

    @_printed
    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Tensor]]:
        """(dotted name, buffer) of this module and, with `recurse`, of all below it."""
        yield from self._named_members("_buffers", prefix, recurse, remove_duplicate)

    @_printed
    def buffers(self, recurse: bool = True) -> Iterator[Tensor]:
        """The buffers, each once."""
        for _, value in self.named_buffers(recurse=recurse):
            yield value

    def get_submodule(self, target: str) -> Module:
        """The module of a dotted name; "" is this one. Raises AttributeError."""
        if not isinstance(target, str):
            raise WrongKindError(f"[get_submodule] target={target!r}; pass a dotted name, a str")
        module: Any = self
        for name in target.split(".") if target else ():
            found = module._modules.get(name)
            if found is None:
                raise AttributeError(
                    f"[get_submodule] {type(module).__name__} has no module {name!r} on the way to "
                    f"{target!r}; named_modules() lists them"
                )
            module = found
        return module  # type: ignore[no-any-return]

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put a module at a dotted name; with `strict`, only where one is.

        Raises ValueError for an empty name or no module, AttributeError for a missing parent.
        """
        if not target or not isinstance(module, Tree):
            raise ValueError(
                f"[set_submodule] target={target!r}, module of type {type(module).__name__}; pass "
                "a name and a Module"
            )
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        if strict and owner._modules.get(name) is None:
            raise AttributeError(
                f"[set_submodule] {type(owner).__name__} has no module {name!r} for {target!r}; "
                "pass strict=False to add it"
            )
        setattr(owner, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter of a dotted name. Raises AttributeError."""
        return self._get_member(target, "parameter")  # type: ignore[no-any-return]

    def get_buffer(self, target: str) -> Tensor:
        """The buffer of a dotted name. Raises AttributeError."""
        return self._get_member(target, "buffer")  # type: ignore[no-any-return]

    def _get_member(self, target: str, kind: str) -> Any:
        path, _, name = target.rpartition(".")
        owner = self.get_submodule(path)
        found = getattr(owner, f"_{kind}s").get(name)
        if found is None:
            raise AttributeError(
                f"[get_{kind}] {type(owner).__name__} has no {kind} {name!r} for {target!r}; "
                f"named_{kind}s() lists them"
            )
        return found
