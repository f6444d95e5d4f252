"""Modules: registration, traversal, modes, containers, hooks, state_dict, printing."""

from __future__ import annotations

import copy
import inspect
import pickle
from collections import OrderedDict
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import nn


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(2, 3)
        self.act = nn.ReLU()
        self.scale = nn.Parameter(bx.tensor(2.0))
        self.register_buffer("count", bx.zeros(1))
        self.register_buffer("scratch", bx.zeros(1), persistent=False)
        self.none = None
        self.last = nn.Sequential(nn.Linear(3, 1), nn.Tanh())

    def forward(self, x: Any) -> Any:
        return self.last(self.act(self.first(x))) * self.scale


NAMES = ["scale", "first.weight", "first.bias", "last.0.weight", "last.0.bias"]


def test_parameters_are_found_in_pytorchs_order() -> None:
    net = Net()
    assert [name for name, _ in net.named_parameters()] == NAMES
    assert [p.numel() for p in net.parameters()] == [1, 6, 3, 3, 1]
    assert [name for name, _ in net.named_buffers()] == ["count", "scratch"]
    modules = [name for name, _ in net.named_modules()]
    assert modules == ["", "first", "act", "last", "last.0", "last.1"]
    assert [name for name, _ in net.named_children()] == ["first", "act", "last"]
    assert list(net.state_dict()) == ["scale", "count", *NAMES[1:]]


def test_shared_parameters_are_listed_once_and_trained_together() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    net[1].weight = net[0].weight
    assert [name for name, _ in net.named_parameters()] == ["0.weight", "0.bias", "1.bias"]
    assert set(net.state_dict()) == {"0.weight", "0.bias", "1.weight", "1.bias"}
    net(bx.ones(1, 2)).sum().backward()
    assert net[0].weight.grad is net[1].weight.grad


def test_plain_tensors_are_no_parameters_and_assignment_is_checked() -> None:
    net = Net()
    net.plain = bx.ones(2)
    assert "plain" not in dict(net.named_parameters())
    with pytest.raises(TypeError, match="scale"):
        net.scale = bx.ones(2)
    net.scale = None
    assert "scale" not in dict(net.named_parameters())
    del net.act
    assert not hasattr(net, "act")
    with pytest.raises(AttributeError, match="super"):
        type("Late", (nn.Module,), {"__init__": lambda self: setattr(self, "a", nn.ReLU())})()
    with pytest.raises(KeyError, match=r"a\.b"):
        net.register_parameter("a.b", None)


def test_modes_reach_every_module() -> None:
    net = Net()
    assert net.training
    assert net.eval() is net
    assert not any(m.training for m in net.modules())
    net.train()
    assert all(m.training for m in net.modules())
    net.requires_grad_(False)
    assert not any(p.requires_grad for p in net.parameters())
    seen: list[str] = []
    net.apply(lambda m: seen.append(type(m).__name__))
    assert seen == ["Linear", "ReLU", "Linear", "Tanh", "Sequential", "Net"]


def test_gradients_are_dropped_or_zeroed() -> None:
    net = Net()
    net(bx.ones(1, 2)).sum().backward()
    net.zero_grad(set_to_none=False)
    assert all((p.grad == 0).all() for p in net.parameters())
    net.zero_grad()
    assert all(p.grad is None for p in net.parameters())


def test_conversion_keeps_the_parameter_objects() -> None:
    net = Net()
    before = list(net.parameters())
    net(bx.ones(1, 2)).sum().backward()
    assert net.double() is net
    assert all(a is b for a, b in zip(before, net.parameters(), strict=True))
    assert {p.dtype for p in net.parameters()} == {bx.float64}
    assert net.count.dtype == bx.float64
    assert all(p.grad.dtype == bx.float64 for p in net.parameters())
    assert net(bx.ones(1, 2).double()).dtype == bx.float64
    assert net.to(bx.float32).scale.dtype == bx.float32
    with pytest.raises(TypeError, match="int64"):
        net.to(bx.int64)


def test_state_dict_shares_memory_and_loads_by_name() -> None:
    net, other = Net(), Net()
    state = net.state_dict()
    assert not state["scale"].requires_grad
    result = other.load_state_dict(state)
    assert (result.missing_keys, result.unexpected_keys) == ([], [])
    x = bx.tensor([[0.3, -0.7]])
    assert other(x).tolist() == net(x).tolist()
    kept = other.first.weight
    other.load_state_dict({k: v * 2 for k, v in state.items()})
    assert other.first.weight is kept
    assert kept.requires_grad
    state["scale"].fill_(9)
    assert net.scale.item() == 9


def test_wrong_state_lists_every_fault_and_changes_nothing() -> None:
    net = Net()
    before = {k: v.tolist() for k, v in net.state_dict().items()}
    state = dict(net.state_dict())
    del state["scale"]
    state["extra"] = bx.ones(1)
    state["first.weight"] = bx.ones(5, 5)
    state["first.bias"] = bx.ones(3) * 7
    with pytest.raises(RuntimeError) as caught:
        net.load_state_dict(state)
    for part in ("scale", "extra", "first.weight", "(5, 5)", "(3, 2)"):
        assert part in str(caught.value).replace("torch.Size([5, 5])", "(5, 5)").replace(
            "torch.Size([3, 2])", "(3, 2)"
        )
    assert {k: v.tolist() for k, v in net.state_dict().items()} == before
    state["first.weight"] = bx.ones(3, 2)
    result = net.load_state_dict(state, strict=False)
    assert (result.missing_keys, result.unexpected_keys) == (["scale"], ["extra"])
    assert net.first.bias.tolist() == [7, 7, 7]


def test_hooks_see_and_change_inputs_and_outputs() -> None:
    layer, seen = nn.Identity(), []
    layer.register_forward_pre_hook(lambda m, args: seen.append("pre") or (args[0] + 1,))
    handle = layer.register_forward_hook(lambda m, args, out: seen.append("post") or out * 10)
    assert layer(bx.tensor(1.0)).item() == 20
    assert seen == ["pre", "post"]
    handle.remove()
    assert layer(bx.tensor(1.0)).item() == 2
    with layer.register_forward_hook(lambda m, args, out: out * 0):
        assert layer(bx.tensor(1.0)).item() == 0
    assert layer(bx.tensor(1.0)).item() == 2


def test_dicts_of_hooks_hold_the_functions_by_the_ids_of_their_handles() -> None:
    layer = nn.Identity()
    double = lambda m, args, kwargs, out: out * 2  # noqa: E731
    handle = layer.register_forward_hook(double, with_kwargs=True)
    assert dict(layer._forward_hooks) == {handle.id: double}
    first = layer.register_forward_hook(lambda m, args, out: out + 1, prepend=True)
    assert [*layer._forward_hooks] == [first.id, handle.id]
    assert layer(bx.tensor(1.0)).item() == 4
    assert copy.deepcopy(layer)(bx.tensor(1.0)).item() == 4
    handle.remove()
    assert layer(bx.tensor(1.0)).item() == 2
    assert not layer._hook_options
    assert ".utils.hooks.RemovableHandle object" in repr(handle)
    assert type(bx.ones(1, requires_grad=True).register_hook(print)).__module__.endswith("hooks")
    mine: dict[int, int] = {}
    with bx.utils.hooks.RemovableHandle(mine) as own:
        mine[own.id] = 3
    assert mine == {}


def test_sequential_is_a_list_of_modules() -> None:
    a, b, c = nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1)
    net = nn.Sequential(a, b, c)
    assert len(net) == 3
    assert net[-1] is c
    assert list(net[:2]) == [a, b]
    assert isinstance(net[:2], nn.Sequential)
    net[1] = nn.Tanh()
    net.append(nn.Identity()).insert(0, nn.Flatten())
    names = [type(m).__name__ for m in net]
    assert names == ["Flatten", "Linear", "Tanh", "Linear", "Identity"]
    del net[0]
    assert type(net.pop()) is nn.Identity
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    named = nn.Sequential(OrderedDict(fc=a, act=b))
    assert named.fc is a
    assert list(named.state_dict()) == ["fc.weight", "fc.bias"]
    with pytest.raises(IndexError):
        net[7]


def test_lists_and_dicts_of_modules_and_parameters() -> None:
    modules = nn.ModuleList([nn.Linear(1, 1) for _ in range(3)])
    modules.extend([nn.ReLU()])
    assert len(modules) == 4
    assert len(list(modules.parameters())) == 6
    assert list(modules.state_dict())[2:4] == ["1.weight", "1.bias"]
    table = nn.ModuleDict({"a": nn.Linear(1, 1), "b": nn.ReLU()})
    table["c"] = nn.Tanh()
    assert list(table) == ["a", "b", "c"]
    assert repr(table.keys()) == "dict_keys(['a', 'b', 'c'])"
    assert "b" in table
    assert type(table.pop("b")) is nn.ReLU
    params = nn.ParameterList([bx.ones(1), nn.Parameter(bx.ones(2))])
    params.append(bx.zeros(3))
    assert [p.numel() for p in params] == [1, 2, 3]
    assert all(isinstance(p, nn.Parameter) for p in params)
    by_name = nn.ParameterDict({"w": bx.ones(2)})
    by_name["b"] = bx.zeros(1)
    assert list(dict(by_name.named_parameters())) == ["w", "b"]
    pairs = [("w", bx.ones(1)), ("b", bx.ones(1))]
    assert list(nn.ParameterDict(dict(pairs))) == ["b", "w"]
    assert list(nn.ParameterDict(OrderedDict(pairs))) == list(nn.ParameterDict(pairs)) == ["w", "b"]


def test_members_print_as_a_dict_and_may_be_replaced_on_a_walk() -> None:
    net = nn.Sequential(nn.ReLU(), nn.Tanh())
    assert str(net._modules.keys()) == "dict_keys(['0', '1'])"
    assert str(net[0]._parameters) == "{}"
    for name, layer in net._modules.items():
        net._modules[name] = nn.Sequential(layer)
    assert [type(layer[0]) for layer in net._modules.values()] == [nn.ReLU, nn.Tanh]


def _clone(module: Any) -> Any:
    """A module whose weights are results: how libraries for meta-learning copy one."""
    clone = type(module).__new__(type(module))
    clone.__dict__ = module.__dict__.copy()
    clone._parameters = clone._parameters.copy()
    clone._buffers = clone._buffers.copy()
    clone._modules = clone._modules.copy()
    for name, value in module._parameters.items():
        clone._parameters[name] = value.clone()
    for name, child in module._modules.items():
        clone._modules[name] = _clone(child)
    return clone


def test_members_may_be_replaced_by_results() -> None:
    net = Net()
    x = bx.ones(4, 2)
    fast = _clone(net)
    assert [name for name, _ in fast.named_parameters()] == NAMES
    assert all(value.grad_fn for value in fast.parameters())
    assert [*fast.state_dict()] == [*net.state_dict()]
    gradients = bx.autograd.grad(fast(x).sum(), [*fast.parameters()], create_graph=True)
    for module in (fast, fast.first, fast.last[0]):
        for name, value in module._parameters.items():
            module._parameters[name] = value - 0.1 * gradients[NAMES.index("scale")] * value
    fast(x).pow(2).sum().backward()
    assert all(value.grad is not None for value in net.parameters())
    assert all(isinstance(value, nn.Parameter) for value in net.parameters())
    assert net.first.weight is not fast.first.weight


def test_forward_must_be_defined() -> None:
    with pytest.raises(NotImplementedError, match=r"\[forward\] Module"):
        nn.Module()(1)


def test_a_setstate_of_ones_own_is_for_pickles_alone() -> None:
    class Shaped(nn.Module):
        def __init__(self, width: int) -> None:
            super().__init__()
            self.width = width

        def __getstate__(self) -> dict[str, int]:
            return {"width": self.width}

        def __setstate__(self, state: dict[str, int]) -> None:
            self.__init__(state["width"])  # type: ignore[misc]

    assert copy.copy(Shaped(3)).width == 3


def test_module_prints_as_in_pytorch() -> None:
    assert repr(Net()) == (
        "Net(\n"
        "  (first): Linear(in_features=2, out_features=3, bias=True)\n"
        "  (act): ReLU()\n"
        "  (last): Sequential(\n"
        "    (0): Linear(in_features=3, out_features=1, bias=True)\n"
        "    (1): Tanh()\n"
        "  )\n"
        ")"
    )


def test_signatures_are_those_of_the_class_and_of_a_call() -> None:
    assert str(inspect.signature(nn.Linear(2, 1))) == "(*args, **kwargs)"
    assert list(inspect.signature(nn.Linear).parameters)[:2] == ["in_features", "out_features"]


def test_a_forward_runs_on_an_object_of_another_class() -> None:
    class Scope:
        pass

    x = bx.tensor([-1.0, 2.0])
    assert nn.Tanh.forward(Scope(), x).equal(x.tanh())  # type: ignore[arg-type]
    assert nn.Sigmoid.forward(Scope(), x).equal(x.sigmoid())  # type: ignore[arg-type]


def test_a_recurrent_layer_knows_its_weights_by_layer() -> None:
    layer = nn.LSTM(2, 3, num_layers=2, bidirectional=True)
    names = ["weight_ih_l0", "weight_hh_l0", "bias_ih_l0", "bias_hh_l0"]
    assert layer._all_weights[0] == names
    assert layer._all_weights[1] == [f"{name}_reverse" for name in names]
    assert [
        [getattr(layer, name) is w for name, w in zip(*both, strict=True)]
        for both in zip(layer._all_weights, layer.all_weights, strict=True)
    ] == [[True] * 4] * 4


def test_a_module_that_looks_for_names_itself_may_end_in_the_base_class() -> None:
    class Wrapped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)  # type: ignore[misc]
            except AttributeError:
                return getattr(super().__getattr__("inner"), name)  # type: ignore[misc]

    wrapped = Wrapped(nn.Linear(2, 3))
    assert wrapped.out_features == 3
    assert wrapped.__getattr__("inner") is wrapped.inner
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        wrapped.nothing  # noqa: B018
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'nothing'"):
        nn.Linear(2, 3).nothing  # noqa: B018


def test_a_module_may_call_getattr_of_the_base_class_by_its_name() -> None:
    class Numbered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.level_1 = nn.Linear(2, 3)

        def forward(self, x: Any) -> Any:
            return self.__getattr__(f"level_{1}")(x)  # type: ignore[operator]

    assert Numbered()(bx.ones(1, 2)).shape == (1, 3)


def test_a_module_that_hands_names_on_takes_the_one_it_hands_them_to() -> None:
    class Wrapped(nn.Module):
        def __init__(self, inner: nn.Module) -> None:
            super().__init__()
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            return getattr(self.inner, name)

    assert Wrapped(nn.Linear(2, 3)).in_features == 2


def test_a_delattr_of_ones_own_may_delete_in_the_dict_of_parameters() -> None:
    class Watched(nn.Linear):
        def __delattr__(self, name: str) -> None:
            if name in self._parameters:
                del self._parameters[name]
            else:
                super().__delattr__(name)

    layer = Watched(2, 1)
    del layer.bias
    assert not hasattr(layer, "bias")
    assert [name for name, _ in layer.named_parameters()] == ["weight"]


class Stacked(nn.Module):
    """Members under the names of methods, and of an attribute of the class."""

    head = None

    def __init__(self) -> None:
        super().__init__()
        self.parameters = nn.ParameterList([nn.Parameter(bx.ones(2))])  # type: ignore[assignment]
        self.head = nn.Linear(2, 1)

    def forward(self, x: Any) -> Any:
        return self._modules["head"](x) * self._modules["parameters"][0].sum()


def test_what_a_class_has_is_found_before_a_module_of_that_name() -> None:
    net = Stacked()
    assert net.head is None
    assert [*net.state_dict()] == ["parameters.0", "head.weight", "head.bias"]
    assert [p.shape for p in net.parameters()] == [(2,), (1, 2), (1,)]
    assert [name for name, _ in net.named_children()] == ["parameters", "head"]
    assert (
        repr(net).splitlines()[-2] == "  (head): Linear(in_features=2, out_features=1, bias=True)"
    )
    x = bx.ones(1, 2)
    for other in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        assert other(x) == net(x)
    step = bx.capture(net)
    assert step(x) == net(x)
    net.head = nn.Linear(2, 1)
    assert step(x) == net(x)


def test_a_module_behind_a_name_of_the_class_is_replaced_emptied_and_deleted() -> None:
    net = Stacked()
    kept = copy.copy(net)
    kept._modules = dict(kept._modules)
    kept._modules["head"] = nn.Linear(2, 2)
    assert net._modules["head"].out_features == 1
    net.head = None
    assert net._modules["head"] is None
    assert [name for name, _ in net.named_children()] == ["parameters"]
    with pytest.raises(TypeError, match=r"Stacked\.head is a module"):
        net.head = 3
    net.head = nn.Linear(2, 3)
    assert net._modules["head"].out_features == 3
    del net.head
    assert "head" not in net._modules
    with pytest.raises(AttributeError):
        del net.head
    with pytest.raises(KeyError, match="has an attribute 'buffers' already"):
        net.buffers = nn.Parameter(bx.ones(1))
    with pytest.raises(KeyError, match="has an attribute 'buffers' already"):
        net.add_module("buffers", nn.Linear(1, 1))
    chain = nn.Sequential(nn.Linear(2, 2))
    chain.apply = nn.Tanh()
    assert [type(part).__name__ for part in chain] == ["Linear", "Tanh"]
    assert bx.equal(chain(bx.ones(2)), chain[0](bx.ones(2)).tanh())


def test_a_child_may_have_more_to_cast() -> None:
    class Tables(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(bx.ones(1))
            self.tables = [bx.ones(2)]

        def _apply(self, fn: Any, recurse: bool = True) -> Any:
            super()._apply(fn, recurse)
            self.tables = [fn(table) for table in self.tables]
            return self

    model = nn.Sequential(Tables(), nn.Linear(1, 1)).double()
    assert model[0].weight.dtype is model[0].tables[0].dtype is model[1].bias.dtype is bx.float64
    assert model._apply(lambda t: t.float(), recurse=False)[0].weight.dtype is bx.float64
