"""Lists and dicts as the arguments of a node hold them: assign new ones, these do not change."""

from __future__ import annotations

from typing import Any, NoReturn

from ..utils._pytree import register_pytree_node

__all__ = ["immutable_dict", "immutable_list"]


def _fixed(self: Any, *args: Any, **kwargs: Any) -> NoReturn:
    raise TypeError(
        f"[fx] {type(self).__name__!r} object does not support mutation; change a copy, and assign "
        "it: node.args = new_args"
    )


class immutable_list(list[Any]):  # noqa: N801 (PyTorch's name)
    """A list that does not change."""

    __delitem__ = __iadd__ = __imul__ = __setitem__ = _fixed
    append = clear = extend = insert = pop = remove = reverse = sort = _fixed

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(tuple(self))

    def __reduce__(self) -> Any:
        return type(self), (tuple(self),)


class immutable_dict(dict[Any, Any]):  # noqa: N801 (PyTorch's name)
    """A dict that does not change."""

    __delitem__ = __ior__ = __setitem__ = _fixed
    clear = pop = popitem = setdefault = update = _fixed

    def __hash__(self) -> int:  # type: ignore[override]
        return hash(frozenset(self.items()))

    def __reduce__(self) -> Any:
        return type(self), (tuple(self.items()),)


register_pytree_node(immutable_list, lambda x: (x, None), lambda parts, _: immutable_list(parts))
register_pytree_node(
    immutable_dict,
    lambda x: (x.values(), [*x]),
    lambda parts, keys: immutable_dict(zip(keys, parts, strict=True)),
)
