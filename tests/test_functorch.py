"""Modules as functions of their state."""

import pytest

import backprop_ext as torch
from backprop_ext import functorch


def test_a_module_as_a_function():
    layer = torch.nn.Linear(3, 2)
    x = torch.randn(4, 3)
    f, params = functorch.make_functional(layer)
    assert torch.equal(f(params, x), layer(x))
    assert params[0] is not layer.weight
    (weight, bias) = functorch.grad(lambda p: f(p, x).sum())(params)
    assert torch.allclose(weight, x.sum(0).expand(2, 3))
    assert torch.equal(bias, torch.full((2,), 4.0))
    _, params = functorch.make_functional(layer, disable_autograd_tracking=True)
    assert not any(p.requires_grad for p in params)


def test_buffers():
    norm = torch.nn.BatchNorm1d(3)
    x = torch.randn(4, 3)
    with pytest.raises(RuntimeError, match="buffers"):
        functorch.make_functional(norm)
    f, params, buffers = functorch.make_functional_with_buffers(norm.eval())
    assert torch.equal(f(params, buffers, x), norm(x))


def test_an_ensemble():
    layers = [torch.nn.Linear(3, 2) for _ in range(3)]
    x = torch.randn(4, 3)
    f, params, buffers = functorch.combine_state_for_ensemble(layers)
    found = functorch.vmap(f, in_dims=(0, 0, None))(params, buffers, x)
    assert torch.allclose(found, torch.stack([layer(x) for layer in layers]))
    for wrong in ([], [layers[0], torch.nn.ReLU()]):
        with pytest.raises(RuntimeError, match="one kind"):
            functorch.combine_state_for_ensemble(wrong)
