"""From the tape to a `Graph`: one walk over the nodes, and a backward pass of its own.

The pass runs each node by itself: no hook runs, no `.grad` changes, and nothing is freed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .. import _core, _stories
from ..autograd.grad_mode import no_grad
from ..nn.parameter import Parameter
from ._graph import Graph, Input, Kept, Op, Variable
from ._local import add_local
from ._names import formula_of, symbol_of
from ._value import Value

if TYPE_CHECKING:
    from .._core import Node, Tensor
    from ._names import Names
    from ._record import Note

__all__ = ["read"]

LOCAL_OPS: Final = 2000  # operations up to which local derivatives are computed
_GATE: Final = "BackwardHookFunctionBackward"  # runs the hooks of a module: passed by


def read(loss: Tensor, gradient: Tensor | None, names: Names) -> Graph:
    """The graph below `loss`, with the numbers of a backward pass that starts with `gradient`.

    Without a gradient there is no backward pass. Raises RuntimeError for a tensor without a graph,
    and for a freed graph.
    """
    root = loss.grad_fn
    if root is None:
        state = "is a leaf" if loss.requires_grad else "does not require grad"
        raise RuntimeError(
            f"[explain] a tensor of shape {tuple(loss.shape)} {state}, no operation made it; "
            "compute it from a tensor with requires_grad=True, outside no_grad()"
        )
    return _Reader(root, loss, names).read(gradient)


class _Found:
    """A node of the tape, as it was inspected."""

    __slots__ = ("edges", "kept", "name", "node", "note", "outputs")

    def __init__(self, node: Node) -> None:
        self.node = node
        self.name, self.outputs, freed, self.edges, self.kept, notes = _core._inspect_node(node)
        if freed:
            raise RuntimeError(
                f"[explain] the graph was freed: {self.name} does not have what it kept any more; "
                "call explain before backward(), or backward(retain_graph=True)"
                + _stories.story_of(node, None)
            )
        self.note: Note | None = notes.get(_stories.NOTE) if notes else None


class _Reader:
    def __init__(self, root: Node, loss: Tensor, names: Names) -> None:
        self.names = names
        self.root, self.root_output = root, loss.output_nr
        self.names.results[id(root), loss.output_nr] = loss
        self.items: list[Variable | Op] = []
        self.numbered = 0  # results without a name
        self.places: dict[int, int] = {}  # from id(node), or a constant, to its item
        # Holding the wrappers keeps their identities.
        self.found = _collect(root)
        self.ops = sorted(
            (f for f in self.found.values() if f.name != "AccumulateGrad"),
            key=lambda f: f.node._sequence_nr(),
        )
        self.leaves = {
            key: f.node.variable for key, f in self.found.items() if f.name == "AccumulateGrad"
        }
        self.parameters = {_core._memory_of(leaf)[0] for leaf in self.leaves.values()}
        names.resolve(self.leaves.values(), self._called())

    def _called(self) -> list[Any]:
        """The outermost modules that were called."""
        calls = {
            f.note.call.chain()[0].number: f.note.call for f in self.ops if f.note and f.note.call
        }
        found = (call.chain()[0].module() for call in calls.values())
        return [module for module in found if module is not None]

    def read(self, gradient: Tensor | None) -> Graph:
        """Forward, then backward."""
        values = self._values()
        for f in self.ops:
            self._add_op(f, values)
        detailed = len(self.ops) <= LOCAL_OPS
        if gradient is not None:
            with no_grad():
                self._backward(gradient, detailed)
        recorded = sum(f.note is not None for f in self.ops)
        root = self.places[id(self.root)]
        return Graph(self.items, root, recorded > 0, detailed, self._notes(recorded, detailed))

    def _notes(self, recorded: int, detailed: bool) -> list[str]:
        notes = []
        if recorded < len(self.ops):
            what = "not recorded" if not recorded else "recorded in part"
            notes.append(
                f"{what}: source lines, module paths and the values that the tape does not keep "
                "are there after `with backprop_ext.explain.record():` around the forward pass"
            )
        if not detailed:
            notes.append(
                f"{len(self.ops)} operations: local derivatives are left out above {LOCAL_OPS}"
            )
        return notes

    def _values(self) -> dict[tuple[int, int], Value]:
        """Forward values that the tape keeps anyway, by (node, output)."""
        values = {
            place: Value.of(tensor)
            for place, tensor in self.names.results.items()
            if place[0] in self.found
        }
        for f in self.ops:
            for tensor, _, stale in f.kept:
                if tensor is None or stale or tensor.grad_fn is None:
                    continue
                place = (id(tensor.grad_fn), tensor.output_nr)
                if place not in values:
                    values[place] = Value.of(tensor)
        return values

    def _add_op(self, f: _Found, values: dict[tuple[int, int], Value]) -> None:
        sources = [None if node is None else (self._leaf(node), nr) for node, nr in f.edges]
        inputs = [
            place if place is not None else self._constant(f, k) for k, place in enumerate(sources)
        ]
        note, outputs = f.note, range(f.outputs)
        label = self.names.of_result(f.node, outputs) or f"v{self._number()}"
        calls = self._calls(note)
        op = Op(
            len(self.items),
            f.name,
            symbol_of(f.name),
            label,
            formula_of(f.name),
            note.line if note else "",
            note.code if note else "",
            calls[-1][1] if calls else "" if note else self._path_of(inputs),
            calls,
            f.outputs,
        )
        op.inputs = [Input(*place) if place else Input(-1) for place in inputs]
        op.values = {nr: values[id(f.node), nr] for nr in outputs if (id(f.node), nr) in values}
        if note:
            op.values.update(enumerate(note.outputs))
        self.places[id(f.node)] = op.index
        self.items.append(op)
        op.kept = [self._kept(*kept) for kept in f.kept]

    def _calls(self, note: Note | None) -> tuple[tuple[int, str, str], ...]:
        """The modules around an operation: number, path and class of each call."""
        if note is None or note.call is None:
            return ()
        chain = note.call.chain()
        module = chain[0].module()
        prefix = self.names.prefixes.get(id(module), "") if module is not None else ""
        paths = [prefix.rstrip("."), *(prefix + call.path for call in chain[1:])]
        return tuple((c.number, path, c.kind) for c, path in zip(chain, paths, strict=True))

    def _number(self) -> int:
        self.numbered += 1
        return self.numbered

    def _leaf(self, node: Node) -> int:
        """The item of a node; a leaf is entered before its first use."""
        if id(node) not in self.places:
            leaf = self.leaves[id(node)]
            name = self.names.of(leaf) or f"leaf{len(self.items)}"
            self._enter(id(node), name, Value.of(leaf), True, isinstance(leaf, Parameter))
        return self.places[id(node)]

    def _enter(self, key: Any, name: str, value: Value | None, grad: bool, parameter: bool) -> int:
        self.places[key] = len(self.items)
        self.items.append(Variable(len(self.items), name, value, grad, parameter))
        return self.places[key]

    def _constant(self, f: _Found, k: int) -> tuple[int, int] | None:
        """The item of an input without a gradient, where anything is known of it."""
        tensor: Tensor | None
        if f.note and f.note.inputs and k < len(f.note.inputs):
            noted = f.note.inputs[k]
            if noted is None:
                return None
            tensor, value = noted[0](), noted[1]
        else:
            # Unrecorded: a constant that is kept, where it can only be this one.
            kept = [t for t, _, _ in f.kept if t is not None and not t.requires_grad]
            open_inputs = [i for i, (node, _) in enumerate(f.edges) if node is None]
            if len(kept) != len(open_inputs):
                return None
            tensor = kept[open_inputs.index(k)]
            value = Value.of(tensor)
        key: Any = (id(f.node), k) if tensor is None else ("constant", id(tensor))
        if key not in self.places:
            name = (tensor is not None and self.names.of(tensor)) or ""
            self.names.hold(tensor)
            if not name and value.size == 1 and value.array is not None:
                name = value.text()
            self._enter(key, name or "constant", value, False, False)
        return self.places[key], 0

    def _path_of(self, inputs: list[tuple[int, int] | None]) -> str:
        """The module that owns a parameter among the inputs."""
        for place in inputs:
            item = self.items[place[0]] if place else None
            if isinstance(item, Variable) and item.is_parameter and "." in item.name:
                return item.name.rpartition(".")[0]
        return ""

    def _kept(self, tensor: Tensor | None, memory: Any, stale: bool) -> Kept:
        if tensor is None:
            return Kept("packed by a hook", (), "", 0, None, "packed")
        address, bytes_, owned = memory
        kind = "activation" if tensor.grad_fn is not None else "constant"
        if address in self.parameters:
            kind = "parameter"
        elif not owned:
            kind = "borrowed"
        name = self.names.of(tensor)
        made = None if tensor.grad_fn is None else self.places.get(id(tensor.grad_fn))
        if made is not None:
            item = self.items[made]
            name = item.label if isinstance(item, Op) else item.name
        dtype = str(tensor.dtype).removeprefix("torch.")
        return Kept(name, tuple(tensor.shape), dtype, bytes_, address, kind, stale)

    def _backward(self, gradient: Tensor, detailed: bool) -> None:
        gradients: dict[tuple[int, int], Tensor] = {(id(self.root), self.root_output): gradient}
        for f in reversed(self.ops):
            upstream = [gradients.pop((id(f.node), nr), None) for nr in range(f.outputs)]
            if all(g is None for g in upstream):
                continue
            op = self.items[self.places[id(f.node)]]
            assert isinstance(op, Op)
            op.gradients = {nr: Value.of(g) for nr, g in enumerate(upstream) if g is not None}
            gate = f.name == _GATE
            results = tuple(upstream) if gate else _core._run_node(f.node, upstream)
            for k, (g, (node, nr)) in enumerate(zip(results, f.edges, strict=True)):
                if node is None or g is None:
                    continue
                op.inputs[k].gradient = part = Value.of(g)
                self.items[self.places[id(node)]].parts.append(part)
                sum_ = gradients.get((id(node), nr))
                gradients[id(node), nr] = g if sum_ is None else sum_ + g
            if detailed and not gate and f.outputs == 1 and upstream[0] is not None:
                add_local(op, f.node, upstream[0])
        for key, _ in self.leaves.items():
            leaf = self.items[self.places[key]]
            if isinstance(leaf, Variable) and (key, 0) in gradients:
                leaf.gradient = Value.of(gradients[key, 0])


def _collect(root: Node) -> dict[int, _Found]:
    found = {id(root): _Found(root)}
    stack = [root]
    while stack:
        for node, _ in found[id(stack.pop())].edges:
            if node is not None and id(node) not in found:
                found[id(node)] = _Found(node)
                stack.append(node)
    return found
