"""Nested lists, tuples and dicts as a flat list of leaves, and back: what `tree_map` maps over.

Anything else is a leaf, None among it. A type of one's own is entered by `register_pytree_node`.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict, deque, namedtuple
from collections.abc import Callable, Iterable, Iterator
from typing import Any, NamedTuple

from .._names import missing_from

__all__ = [
    "LeafSpec",
    "PyTree",
    "TreeSpec",
    "register_pytree_node",
    "tree_all",
    "tree_any",
    "tree_flatten",
    "tree_iter",
    "tree_leaves",
    "tree_map",
    "tree_map_",
    "tree_map_only",
    "tree_structure",
    "tree_unflatten",
]

PyTree = Any
IsLeaf = Callable[[Any], bool] | None


class _Node(NamedTuple):
    flatten: Callable[[Any], tuple[Iterable[Any], Any]]
    unflatten: Callable[[Any, Any], Any]


_nodes: dict[type, _Node] = {}


def register_pytree_node(
    cls: type,
    flatten_fn: Callable[[Any], tuple[Iterable[Any], Any]],
    unflatten_fn: Callable[[Any, Any], Any],
    **names: Any,
) -> None:
    """flatten_fn(x) is (children, context), and unflatten_fn(children, context) is x again.

    Raises ValueError for a type that is there already. `names`, for files, are not used.
    """
    if cls in _nodes:
        raise ValueError(f"[register_pytree_node] {cls} is registered already; it has one form")
    _nodes[cls] = _Node(flatten_fn, unflatten_fn)


register_pytree_node(list, lambda x: (x, None), lambda parts, _: list(parts))
register_pytree_node(tuple, lambda x: (x, None), lambda parts, _: tuple(parts))
register_pytree_node(namedtuple, lambda x: (x, type(x)), lambda parts, kind: kind(*parts))  # type: ignore[arg-type]
register_pytree_node(deque, lambda x: (x, x.maxlen), deque)
for _dict in (dict, OrderedDict):
    register_pytree_node(
        _dict,
        lambda x: (x.values(), [*x]),
        lambda parts, keys, kind=_dict: kind(zip(keys, parts, strict=True)),  # type: ignore[misc]
    )
register_pytree_node(
    defaultdict,
    lambda x: (x.values(), (x.default_factory, [*x])),
    lambda parts, made: defaultdict(made[0], zip(made[1], parts, strict=True)),
)


def _kind(tree: Any) -> Any:
    """The registered type of a node, None for a leaf."""
    kind = type(tree)
    if kind in _nodes:
        return kind
    return namedtuple if isinstance(tree, tuple) and hasattr(kind, "_fields") else None


class TreeSpec:
    """The structure of a tree: the type of its root, what else that needs, and its parts."""

    def __init__(self, type: Any, context: Any, children: Iterable[TreeSpec]) -> None:
        self.type, self.context, self.children_specs = type, context, [*children]
        self.num_leaves: int = sum(child.num_leaves for child in self.children_specs)
        self.num_children = len(self.children_specs)

    def is_leaf(self) -> bool:
        """Whether the tree is one leaf."""
        return self.type is None

    def unflatten(self, leaves: Iterable[Any]) -> Any:
        """The tree of this structure with these leaves. Raises ValueError for another number."""
        values = [*leaves]
        if len(values) != self.num_leaves:
            raise ValueError(
                f"[tree_unflatten] {len(values)} leaves for a tree of {self.num_leaves}; pass one "
                "for each"
            )
        return self._built(iter(values))

    def _built(self, values: Iterator[Any]) -> Any:
        if self.type is None:
            return next(values)
        parts = [child._built(values) for child in self.children_specs]
        return _nodes[self.type].unflatten(parts, self.context)

    def leaves_of(self, tree: Any) -> list[Any]:
        """The parts of a tree that stand where this one has leaves. Raises ValueError."""
        if self.type is None:
            return [tree]
        kind = _kind(tree)
        children = [*_nodes[kind].flatten(tree)[0]] if kind is self.type else []
        if kind is not self.type or len(children) != self.num_children:
            raise ValueError(
                f"[tree_map] {self!r} and {tree!r} differ in structure; pass trees of one structure"
            )
        pairs = zip(self.children_specs, children, strict=True)
        return [leaf for spec, child in pairs for leaf in spec.leaves_of(child)]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, TreeSpec) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash((self.type, self.num_leaves))

    def __repr__(self) -> str:
        if self.type is None:
            return "*"
        parts = ",\n".join(map(repr, self.children_specs)).replace("\n", "\n  ")
        return f"TreeSpec({self.type.__name__}, {self.context}, [{parts}])"


class LeafSpec(TreeSpec):
    """The structure of a leaf."""

    def __init__(self) -> None:
        super().__init__(None, None, [])
        self.num_leaves = 1


def tree_flatten(tree: Any, is_leaf: IsLeaf = None) -> tuple[list[Any], TreeSpec]:
    """(leaves, structure); what is_leaf(part) says is a leaf is not looked into."""
    leaves: list[Any] = []

    def walk(part: Any) -> TreeSpec:
        kind = _kind(part)
        if kind is None or (is_leaf and is_leaf(part)):
            leaves.append(part)
            return LeafSpec()
        children, context = _nodes[kind].flatten(part)
        return TreeSpec(kind, context, [walk(child) for child in children])

    spec = walk(tree)
    return leaves, spec


def tree_unflatten(leaves: Iterable[Any], treespec: TreeSpec) -> Any:
    """The tree of a structure with these leaves. Raises ValueError for another number of them."""
    return treespec.unflatten(leaves)


def tree_leaves(tree: Any, is_leaf: IsLeaf = None) -> list[Any]:
    """The leaves, in their order."""
    return tree_flatten(tree, is_leaf)[0]


def tree_iter(tree: Any, is_leaf: IsLeaf = None) -> Iterator[Any]:
    """The leaves, one by one."""
    return iter(tree_leaves(tree, is_leaf))


def tree_structure(tree: Any, is_leaf: IsLeaf = None) -> TreeSpec:
    """The structure without its leaves."""
    return tree_flatten(tree, is_leaf)[1]


def tree_map(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """The tree with func(leaf, ...) for each leaf, and for what stands there in the other trees.

    Raises ValueError where another tree has another structure.
    """
    leaves, spec = tree_flatten(tree, is_leaf)
    return spec.unflatten(map(func, leaves, *(spec.leaves_of(rest) for rest in rests)))


def tree_map_(func: Callable[..., Any], tree: Any, *rests: Any, is_leaf: IsLeaf = None) -> Any:
    """func(leaf, ...) for each leaf; the tree as it is."""
    tree_map(func, tree, *rests, is_leaf=is_leaf)
    return tree


def tree_map_only(kind: Any, func: Callable[[Any], Any], tree: Any, is_leaf: IsLeaf = None) -> Any:
    """tree_map for the leaves of a type (or of one in a tuple); the others stay."""
    return tree_map(lambda x: func(x) if isinstance(x, kind) else x, tree, is_leaf=is_leaf)


def tree_all(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether pred(leaf) holds for all leaves."""
    return all(map(pred, tree_leaves(tree, is_leaf)))


def tree_any(pred: Callable[[Any], bool], tree: Any, is_leaf: IsLeaf = None) -> bool:
    """Whether pred(leaf) holds for a leaf."""
    return any(map(pred, tree_leaves(tree, is_leaf)))


__getattr__ = missing_from("torch.utils._pytree", globals())
