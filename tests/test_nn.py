"""Layers and losses: formulas against NumPy, and whole models against PyTorch."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from numeric import DirectionCheck

import backprop_ext as bx
from backprop_ext import nn

F = nn.functional


def rows(*shape: int, seed: int = 0) -> Any:
    return np.random.default_rng(seed).standard_normal(shape)


def test_linear_with_seed_zero_computes_pytorchs_numbers() -> None:
    bx.manual_seed(0)
    layer = nn.Linear(3, 2)
    weight = [
        [-0.00432251766, 0.309715837, -0.475185335],
        [-0.424894601, -0.222368971, 0.154820725],
    ]
    bias = [-0.0114391446, 0.457774937]
    np.testing.assert_allclose(layer.weight.detach().numpy(), weight, rtol=1e-6)
    np.testing.assert_allclose(layer.bias.detach().numpy(), bias, rtol=1e-6)
    x = bx.tensor([[1.0, 2.0, 3.0]])
    y = layer(x)
    expected = np.array(weight) @ [1, 2, 3] + bias
    np.testing.assert_allclose(y.detach().numpy()[0], expected, rtol=1e-6)
    y.sum().backward()
    assert layer.weight.grad.tolist() == [[1, 2, 3], [1, 2, 3]]
    assert layer.bias.grad.tolist() == [1, 1]


def test_linear_takes_any_leading_dimensions() -> None:
    layer = nn.Linear(3, 2).double()
    w, b = (p.detach().numpy() for p in layer.parameters())
    for shape in ((3,), (5, 3), (2, 5, 3), (0, 3), (2, 1, 1, 3)):
        x = rows(*shape)
        np.testing.assert_allclose(layer(bx.tensor(x)).detach().numpy(), x @ w.T + b, rtol=1e-12)
    assert nn.Linear(3, 2, bias=False).bias is None
    assert nn.Linear(3, 2, dtype=bx.float64).weight.dtype == bx.float64


def test_bilinear_is_its_formula() -> None:
    layer = nn.Bilinear(2, 3, 4).double()
    a, b = rows(5, 2), rows(5, 3, seed=1)
    weight, bias = (p.detach().numpy() for p in layer.parameters())
    expected = np.einsum("ni,kij,nj->nk", a, weight, b) + bias
    np.testing.assert_allclose(layer(bx.tensor(a), bx.tensor(b)).detach().numpy(), expected)


def test_shape_layers() -> None:
    x = bx.ones(2, 3, 4)
    assert nn.Flatten()(x).shape == (2, 12)
    assert nn.Flatten(0, 1)(x).shape == (6, 4)
    assert nn.Unflatten(1, (3, 1))(x).shape == (2, 3, 1, 4)
    assert nn.Identity(1, a=2)(x) is x


def test_dropout_follows_the_mode() -> None:
    layer, x = nn.Dropout(0.5), bx.ones(1000)
    assert (layer(x) == 0).any()
    assert layer.eval()(x).tolist() == [1.0] * 1000
    assert (layer.train()(x) == 0).any()
    y = bx.ones(1000)
    assert nn.Dropout(0.5, inplace=True)(y) is y
    assert (y == 0).any()
    with pytest.raises(ValueError, match=r"1\.5"):
        nn.Dropout(1.5)


ACTIVATIONS: list[Any] = [
    "CELU", "ELU", "GELU", "SELU", "Hardsigmoid", "Hardswish", "Hardtanh", "LeakyReLU",
    "LogSigmoid", "Mish", "PReLU", "ReLU", "ReLU6", "SiLU", "Sigmoid", "Softplus", "Softsign",
    "Tanh", "Tanhshrink",
]  # fmt: skip


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activation_layer_is_the_function_of_its_name(name: str) -> None:
    lower = {"PReLU": "prelu", "LogSigmoid": "logsigmoid", "LeakyReLU": "leaky_relu"}
    function = getattr(F, lower.get(name, name.lower()))
    x = bx.tensor(rows(4, 5))
    layer = getattr(nn, name)()
    more = [layer.weight.double()] if name == "PReLU" else []
    if more:
        layer.double()
    np.testing.assert_array_equal(layer(x).detach().numpy(), function(x, *more).detach().numpy())


def test_softmax_layers_and_the_warning_without_dim() -> None:
    x = bx.tensor(rows(3, 4))
    assert nn.Softmax(dim=1)(x).tolist() == F.softmax(x, 1).tolist()
    assert nn.LogSoftmax(dim=0)(x).tolist() == F.log_softmax(x, 0).tolist()
    np.testing.assert_allclose(nn.Softmin(dim=1)(x).numpy(), F.softmax(-x, 1).numpy())
    with pytest.warns(UserWarning, match="dim"):
        assert F.softmax(x).tolist() == F.softmax(x, 1).tolist()


LOSSES: list[Any] = [
    (nn.MSELoss, {}, "real"), (nn.L1Loss, {"reduction": "sum"}, "real"),
    (nn.SmoothL1Loss, {"beta": 0.5}, "real"), (nn.HuberLoss, {"delta": 0.5}, "real"),
    (nn.KLDivLoss, {"reduction": "batchmean"}, "probability"),
    (nn.BCEWithLogitsLoss, {}, "probability"), (nn.NLLLoss, {"ignore_index": 1}, "class"),
    (nn.CrossEntropyLoss, {"label_smoothing": 0.1}, "class"),
    (nn.CrossEntropyLoss, {}, "probability"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "options", "target"), LOSSES)
def test_loss_layer_is_the_function_and_its_gradient_is_right(
    kind: Any, options: Any, target: str
) -> None:
    x = rows(4, 3)
    t = {
        "real": bx.tensor(rows(4, 3, seed=1)),
        "probability": bx.softmax(bx.tensor(rows(4, 3, seed=1)), 1),
        "class": bx.tensor([0, 2, 1, 0]),
    }[target]
    names = {
        nn.MSELoss: "mse_loss", nn.L1Loss: "l1_loss", nn.SmoothL1Loss: "smooth_l1_loss",
        nn.HuberLoss: "huber_loss", nn.KLDivLoss: "kl_div", nn.NLLLoss: "nll_loss",
        nn.BCEWithLogitsLoss: "binary_cross_entropy_with_logits",
        nn.CrossEntropyLoss: "cross_entropy",
    }  # fmt: skip
    layer = kind(**options)
    assert (
        layer(bx.tensor(x), t).item() == getattr(F, names[kind])(bx.tensor(x), t, **options).item()
    )
    check = DirectionCheck(lambda a: layer(a, t), [x])
    check.first()
    check.second()


def test_cross_entropy_gradient_is_softmax_minus_onehot() -> None:
    x = bx.tensor(rows(5, 3), requires_grad=True)
    target = bx.tensor([0, 2, 1, 1, 0])
    F.cross_entropy(x, target).backward()
    onehot = np.eye(3)[target.numpy()]
    expected = (F.softmax(x.detach(), 1).numpy() - onehot) / 5
    np.testing.assert_allclose(x.grad.numpy(), expected, atol=1e-15)


def test_losses_refuse_and_warn_about_old_arguments() -> None:
    with pytest.warns(UserWarning, match="reduction='sum'"):
        loss = nn.MSELoss(size_average=False)
    assert loss.reduction == "sum"
    with pytest.raises(ValueError, match="'avg'"):
        F.mse_loss(bx.ones(1), bx.ones(1), reduction="avg")


def test_initializers_have_their_bounds_and_moments() -> None:
    bx.manual_seed(0)
    w = bx.empty(300, 200)
    for fill, bound in (
        (lambda: nn.init.xavier_uniform_(w), math.sqrt(6 / 500)),
        (lambda: nn.init.kaiming_uniform_(w, nonlinearity="relu"), math.sqrt(6 / 200)),
        (lambda: nn.init.uniform_(w, -0.5, 0.5), 0.5),
    ):
        assert fill() is w
        assert abs(w).max().item() <= bound
        assert abs(w).max().item() > 0.99 * bound
    for fill, std in (
        (lambda: nn.init.xavier_normal_(w), math.sqrt(2 / 500)),
        (
            lambda: nn.init.kaiming_normal_(w, mode="fan_out", nonlinearity="relu"),
            math.sqrt(2 / 300),
        ),
        (lambda: nn.init.normal_(w, std=0.3), 0.3),
    ):
        fill()
        assert w.std().item() == pytest.approx(std, rel=0.02)
    assert nn.init.constant_(w, 2.5).mean().item() == 2.5
    assert nn.init.eye_(bx.empty(2, 3)).tolist() == [[1, 0, 0], [0, 1, 0]]
    assert nn.init.calculate_gain("tanh") == pytest.approx(5 / 3)
    p = nn.Parameter(bx.ones(2, 2))
    nn.init.zeros_(p)
    assert p.is_leaf
    assert p.requires_grad
    with pytest.raises(ValueError, match=r"\[xavier_uniform_\].*\(3,\)"):
        nn.init.xavier_uniform_(bx.empty(3))


MODELS: list[Any] = [
    lambda m: m.Sequential(m.Linear(4, 8), m.ReLU(), m.Linear(8, 3)),
    lambda m: m.Sequential(m.Linear(4, 8), m.Tanh(), m.Dropout(0.3), m.Linear(8, 3, bias=False)),
    lambda m: m.Sequential(m.Linear(4, 6), m.PReLU(6), m.GELU(), m.LogSoftmax(dim=1)),
    lambda m: m.Sequential(m.Unflatten(1, (2, 2)), m.Linear(2, 5), m.SiLU(), m.Flatten()),
    lambda m: m.Sequential(m.Linear(4, 4), m.Sigmoid(), m.Softplus(2.0), m.Softmax(dim=-1)),
]


@pytest.mark.parametrize("make", MODELS, ids=range(len(MODELS)))
def test_model_with_the_same_seed_computes_what_pytorchs_does(make: Any) -> None:
    torch = pytest.importorskip("torch")
    x = rows(6, 4).astype(np.float32)
    found = []
    for lib in (bx, torch):
        lib.manual_seed(3)
        model = make(lib.nn)
        inputs = lib.tensor(x, requires_grad=True)
        y = model(inputs)
        (y * y).mean().backward()
        found.append([y, inputs.grad, *[p.grad for p in model.parameters()], *model.parameters()])
        names = [name for name, _ in model.named_parameters()]
        found[-1].append(lib.tensor([len(name) for name in names]))
    for ours, theirs in zip(*found, strict=True):
        np.testing.assert_allclose(
            ours.detach().numpy(), theirs.detach().numpy(), rtol=3e-5, atol=1e-6
        )


def test_clipping_and_vectors_of_parameters() -> None:
    model = nn.Linear(2, 2).double()
    with bx.no_grad():
        vector = nn.utils.parameters_to_vector(model.parameters())
        assert vector.shape == (6,)
        nn.utils.vector_to_parameters(bx.arange(6.0).double(), model.parameters())
    assert model.weight.tolist() == [[0, 1], [2, 3]]
    assert model.bias.tolist() == [4, 5]
    model(bx.ones(1, 2).double()).sum().mul(3).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    assert norm.item() == pytest.approx(3 * math.sqrt(6))
    clipped = math.sqrt(sum((p.grad**2).sum().item() for p in model.parameters()))
    assert clipped == pytest.approx(1.0, rel=1e-5)
    nn.utils.clip_grad_value_(model.parameters(), 0.1)
    assert max(abs(p.grad).max().item() for p in model.parameters()) == pytest.approx(0.1)
    with pytest.raises(RuntimeError, match=r"\[vector_to_parameters\].*3.*6"):
        nn.utils.vector_to_parameters(bx.ones(3), model.parameters())


def test_a_call_hands_its_arguments_to_forward() -> None:
    class Count(nn.Module):
        def forward(self, *args: Any, **kwargs: Any) -> Any:
            return args, kwargs

    count = Count()
    for n in (0, 1, 6, 7, 8, 30):
        for named in ({}, {"a": 1}, {f"k{i}": i for i in range(9)}):
            assert count(*range(n), **named) == (tuple(range(n)), named)
    seen = []
    handle = count.register_forward_hook(
        lambda m, args, kwargs, out: seen.append((args, kwargs)), with_kwargs=True
    )
    count(1, k=2)
    handle.remove()
    count(3)
    assert seen == [((1,), {"k": 2})]

    class Early(nn.Module):
        def __init__(self) -> None: ...

    with pytest.raises(AttributeError, match=r"Early was called before .*super\(\)"):
        Early()(1)
    with pytest.raises(TypeError):
        nn.Module.__call__(3, 1)  # type: ignore[arg-type]


def test_gradients_of_convolutions_as_functions() -> None:
    x, w = bx.randn(2, 2, 5, 4), bx.randn(4, 1, 3, 2)
    options: dict[str, Any] = {"stride": (1, 2), "padding": 1, "groups": 2}
    x.requires_grad_()
    w.requires_grad_()
    y = nn.functional.conv2d(x, w, **options)
    g = bx.randn(y.shape)
    in_x, in_w = bx.autograd.grad(y, (x, w), g)
    found = nn.grad.conv2d_input(x.shape, w, g, **options)
    assert bx.equal(found, in_x)
    assert found.requires_grad
    assert bx.equal(nn.grad.conv2d_weight(x.detach(), w.shape, g, **options), in_w)


def test_a_convolution_tells_its_padding_as_pad_takes_it() -> None:
    assert [*nn.Conv2d(1, 1, 3, padding=(1, 2))._reversed_padding_repeated_twice] == [2, 2, 1, 1]
    assert nn.Conv1d(1, 1, 4, padding="same")._reversed_padding_repeated_twice == [1, 2]


def test_channels_are_dropped_as_pytorch_counts_them() -> None:
    # Without a batch, three dimensions of dropout2d are (batch, channels, length).
    with pytest.warns(UserWarning, match="dropout2d"):
        rows = nn.functional.dropout2d(bx.ones(6, 5))
    assert len({tuple(row) for row in rows.tolist()}) > 2
    with pytest.warns(UserWarning, match="dropout3d"):
        whole = nn.functional.dropout3d(bx.ones(9, 4, 5))
    assert all(len(channel.unique()) == 1 for channel in whole)


def test_parameter_dict_is_a_dict() -> None:
    d = nn.ParameterDict({"b": bx.ones(1), "a": bx.ones(2)})
    assert d.get("z") is None
    assert d.get("z", 3) == 3
    assert d.setdefault("c", bx.zeros(1)) is d["c"]
    assert [*reversed(d)] == ["c", "b", "a"]
    assert isinstance(d["c"], nn.Parameter)
    copy = d.copy() | {"e": bx.ones(1)}
    assert [*copy] == ["a", "b", "c", "e"]
    assert copy["a"] is d["a"]
    assert [*({"k": 1} | d)] == ["k", "a", "b", "c"]
    d |= {"f": bx.ones(1)}
    assert d.popitem()[0] == "f"
    assert [*d.fromkeys(["u", "v"], 1.0).items()] == [("u", 1.0), ("v", 1.0)]
    d.clear()
    assert not len(d)
    assert not [*d.parameters()]
    with pytest.raises(KeyError):
        d.popitem()


def test_weights_start_again() -> None:
    layer = nn.PReLU(2, init=0.5)
    bx.nn.init.zeros_(layer.weight)
    layer.reset_parameters()
    assert layer.weight.tolist() == [0.5, 0.5]
    with pytest.warns(UserWarning, match="no-op"):
        nn.Linear(0, 3)
