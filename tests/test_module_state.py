"""Hooks of modules, their state, and parameters that are computed from others."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn.modules.module import register_module_forward_hook
from backprop_ext.nn.utils import parametrizations, parametrize, stateless

torch = pytest.importorskip("torch")


def close(a: Any, b: Any) -> bool:
    return bool(np.allclose(np.asarray(a.tolist()), np.asarray(b.tolist()), 1e-5, 1e-5))


class Two(nn.Module):
    def forward(self, a: Any, b: Any, scale: Any = 1) -> Any:
        return a * b * scale, a + b


def test_backward_hooks_see_and_change_the_gradients() -> None:
    module, seen = Two(), []
    a, b = bx.tensor(2.0, requires_grad=True), bx.tensor(3.0)
    module.register_full_backward_pre_hook(lambda m, g: (g[0] * 10, g[1]))
    module.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    product, total = module(a, b)
    (product + total).backward()
    ((gi, go),) = seen
    assert [t if t is None else t.item() for t in gi] == [31, None]
    assert [t.item() for t in go] == [10, 1]
    assert a.grad.item() == 31
    handle = module.register_full_backward_hook(lambda m, gi, go: (gi[0] * 0, None))
    a.grad = None
    sum(module(a, b)).backward()
    assert a.grad.item() == 0
    handle.remove()
    layer = nn.Linear(2, 1)
    layer.register_full_backward_hook(lambda m, gi, go: seen.append((gi, go)))
    layer(bx.ones(1, 2)).sum().backward()
    assert seen[-1][0] == (None,)
    assert seen[-1][1][0].tolist() == [[1.0]]


def test_hooks_with_keywords_and_hooks_of_all_modules() -> None:
    module, seen = Two(), []
    module.register_forward_pre_hook(lambda m, args, kw: (args, {"scale": 5}), with_kwargs=True)
    module.register_forward_hook(lambda m, args, kw, out: seen.append(kw), with_kwargs=True)
    assert module(bx.tensor(2.0), bx.tensor(3.0))[0].item() == 30
    assert seen == [{"scale": 5}]
    with register_module_forward_hook(lambda m, args, out: seen.append(type(m).__name__)):
        nn.Sequential(nn.Identity(), nn.Identity())(1)
    assert seen[1:] == ["Identity", "Identity", "Sequential"]
    module.register_forward_hook(lambda m, args, out: seen.append(out), always_call=True)
    with pytest.raises(TypeError):
        module(bx.tensor(2.0), None)
    assert seen[-1] is None


def test_state_hooks_extra_state_and_forgiven_keys() -> None:
    class Counted(nn.Linear):
        count = 0

        def get_extra_state(self) -> Any:
            return {"count": self.count}

        def set_extra_state(self, state: Any) -> None:
            self.count = state["count"]

    net = nn.Sequential(Counted(1, 1))
    net[0].count = 7
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(prefix))
    seen: list[Any] = []
    net.register_state_dict_post_hook(lambda m, state, prefix, meta: state.update(more=1))
    state = net.state_dict()
    assert list(state) == ["0.weight", "0.bias", "0._extra_state", "more"]
    assert state._metadata["0"] == {"version": 1}
    other = nn.Sequential(Counted(1, 1))
    other.register_load_state_dict_pre_hook(lambda m, state, *rest: state.pop("more"))
    other.load_state_dict(state)
    assert other[0].count == 7
    strict = nn.Linear(1, 1)
    strict.register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    assert repr(strict.load_state_dict({})) == "<All keys matched successfully>"


def test_errors_of_loading_have_pytorchs_lines() -> None:
    theirs = torch.nn.Linear(2, 3)
    for ours_state, their_state in (
        ({}, {}),
        ({"weight": bx.ones(5), "x": bx.ones(1)}, {"weight": torch.ones(5), "x": torch.ones(1)}),
    ):
        with pytest.raises(RuntimeError) as expected:
            theirs.load_state_dict(their_state)
        with pytest.raises(RuntimeError) as caught:
            nn.Linear(2, 3).load_state_dict(ours_state)
        lines = str(expected.value).split("\n\t")[1:]
        assert sorted(str(caught.value).split("\n\t")[1:]) == sorted(lines)


class Renamed(nn.Module):
    """Reads what it wrote under another name, as timm's and others' layers do."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(bx.zeros(1))
        self.seen = 0
        self._register_load_state_dict_pre_hook(self.rename)

    def rename(self, state: Any, prefix: str, *rest: Any) -> None:
        self.seen += 1
        state[prefix + "w"] = state.pop(prefix + "old")


def test_hooks_of_the_older_name_are_called_without_the_module_and_copied_with_it() -> None:
    net = nn.Sequential(Renamed())
    twin = copy.deepcopy(net)
    twin.load_state_dict({"0.old": bx.ones(1)})
    assert (twin[0].w.item(), net[0].w.item()) == (1.0, 0.0)
    assert (twin[0].seen, net[0].seen) == (1, 0)


@pytest.mark.parametrize("affine", [True, False])
@pytest.mark.parametrize("bias", [True, False])
def test_a_fused_layer_does_both(affine: bool, bias: bool) -> None:
    def trained(norm: Any) -> Any:
        norm.running_mean.uniform_(-1, 1)
        norm.running_var.uniform_(0.5, 2)
        return norm.eval()

    x = bx.randn(2, 4, 5, 5)
    pairs = [
        (nn.Conv2d(4, 3, 2, bias=bias), trained(nn.BatchNorm2d(3, affine=affine)), x),
        (nn.Linear(4, 3, bias=bias), trained(nn.BatchNorm1d(3, affine=affine)), x[:, :, 0, 0]),
    ]
    for layer, norm, inputs in pairs:
        is_conv = isinstance(layer, nn.Conv2d)
        fuse = nn.utils.fuse_conv_bn_eval if is_conv else nn.utils.fuse_linear_bn_eval
        fused = fuse(layer.eval(), norm)
        assert bx.allclose(fused(inputs), norm(layer(inputs)), atol=1e-5)
        with pytest.raises(AssertionError, match=r"eval\(\)"):
            fuse(layer.train(), norm)
    turned = nn.ConvTranspose2d(4, 3, 2, bias=bias).eval()
    fused = nn.utils.fuse_conv_bn_eval(turned, pairs[0][1], transpose=True)
    assert bx.allclose(fused(x), pairs[0][1](turned(x)), atol=1e-5)
    with pytest.raises(AssertionError, match="3 features normalised of 2"):
        nn.utils.fuse_linear_bn_eval(nn.Linear(1, 2).eval(), pairs[1][1])


class Symmetric(nn.Module):
    def forward(self, x: Any) -> Any:
        return (x + x.transpose(0, 1)) / 2

    def right_inverse(self, x: Any) -> Any:
        return x


def test_a_parametrized_weight_is_computed_and_trained() -> None:
    layer = nn.Linear(3, 3)
    before = layer.weight.detach().clone()
    parametrize.register_parametrization(layer, "weight", Symmetric())
    assert repr(layer).startswith("ParametrizedLinear(")
    assert close(layer.weight, (before + before.transpose(0, 1)) / 2)
    assert list(layer.state_dict()) == ["bias", "parametrizations.weight.original"]
    layer(bx.ones(1, 3)).sum().backward()
    assert layer.parametrizations.weight.original.grad is not None
    twin = copy.deepcopy(layer)
    twin.weight = bx.eye(3)
    assert twin.weight.tolist() == bx.eye(3).tolist()
    assert not close(layer.weight, twin.weight)
    with parametrize.cached():
        assert layer.weight is layer.weight
    assert parametrize.is_parametrized(layer, "weight")
    assert parametrize.type_before_parametrizations(layer) is nn.Linear
    value = layer.weight.detach().clone()
    parametrize.remove_parametrizations(layer, "weight")
    assert type(layer) is nn.Linear
    assert layer.weight.tolist() == value.tolist()
    assert isinstance(layer.weight, nn.Parameter)
    with pytest.raises(ValueError, match="nothing"):
        parametrize.register_parametrization(layer, "nothing", Symmetric())


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("home", ["utils", "parametrizations"])
@pytest.mark.parametrize("name", ["weight_norm", "spectral_norm"])
def test_norms_of_weights_are_pytorchs(home: str, name: str) -> None:
    results = []
    for lib in (torch, bx):
        lib.manual_seed(0)
        utils = lib.nn.utils if home == "utils" else lib.nn.utils.parametrizations
        layer = getattr(utils, name)(lib.nn.Linear(4, 3))
        for _ in range(3):
            (layer(lib.ones(2, 4)) ** 2).sum().backward()
        values = {k: v.tolist() for k, v in layer.state_dict().items()}
        results.append((values, [p.grad.tolist() for p in layer.parameters()]))
    (values, grads), (own_values, own_grads) = results
    assert list(own_values) == list(values)
    for a, e in zip([*own_values.values(), *own_grads], [*values.values(), *grads], strict=True):
        assert np.allclose(a, e, 1e-5, 1e-5)


def test_functional_call_and_skip_init() -> None:
    net = nn.Sequential(nn.Linear(2, 1), nn.Tanh())
    params = {k: v * 0 for k, v in net.named_parameters()}
    assert stateless.functional_call(net, params, bx.ones(1, 2)).tolist() == [[0.0]]
    assert bx.func.functional_call(net, [params, {}], bx.ones(1, 2)).tolist() == [[0.0]]
    assert net(bx.ones(1, 2)).tolist() != [[0.0]]
    with pytest.raises(RuntimeError, match=r"0\.bias"):
        stateless.functional_call(net, {"0.weight": bx.ones(1, 2)}, bx.ones(1, 2), strict=True)
    bx.manual_seed(0)
    expected = bx.rand(1).item()
    bx.manual_seed(0)
    assert nn.utils.skip_init(nn.Linear, 3, 2).weight.shape == (2, 3)
    assert bx.rand(1).item() == expected
    assert parametrizations.weight_norm is not nn.utils.weight_norm


def test_a_prefix_is_taken_from_the_keys() -> None:
    from backprop_ext.nn.modules.utils import consume_prefix_in_state_dict_if_present

    class Wrapped(bx.nn.Module):
        def __init__(self, module: bx.nn.Module) -> None:
            super().__init__()
            self.module = module

    model = bx.nn.Sequential(bx.nn.BatchNorm1d(2))
    state = Wrapped(model).state_dict()
    consume_prefix_in_state_dict_if_present(state, "module.")
    assert [*state] == [*model.state_dict()]
    assert dict(state._metadata) == dict(model.state_dict()._metadata)
    model.load_state_dict(state)


def test_a_number_that_was_saved_as_a_vector() -> None:
    layer = nn.BatchNorm1d(2)
    layer.load_state_dict({**layer.state_dict(), "num_batches_tracked": bx.tensor([3])})
    assert layer.num_batches_tracked.tolist() == 3
