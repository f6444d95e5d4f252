"""Recurrent layers, attention, packing, CTC and drawn masks: PyTorch's numbers from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn.utils import rnn

torch = pytest.importorskip("torch")
trnn = pytest.importorskip("torch.nn.utils.rnn")


def assert_same_numbers(build: Any, rtol: float = 1e-4, atol: float = 1e-5) -> None:
    """build(library, its rnn utilities) gives the same tensors from the same seed."""
    torch.manual_seed(0)
    bx.manual_seed(0)
    expected, actual = build(torch, trnn), build(bx, rnn)
    assert len(actual) == len(expected)
    for a, e in zip(actual, expected, strict=True):
        if e is None:
            assert a is None
        elif isinstance(e, str):
            assert a == e
        else:
            assert tuple(a.shape) == tuple(e.shape)
            a, e = np.asarray(a.detach().tolist()), np.asarray(e.detach().tolist())
            np.testing.assert_allclose(a, e, rtol, atol)


def learn(outputs: list[Any], module: Any, *leaves: Any) -> list[Any]:
    """The outputs, and the gradients of the sum of their squares."""
    sum((t * t).sum() for t in outputs).backward()
    return [*outputs, *[t.grad for t in leaves], *[p.grad for p in module.parameters()]]


NETWORKS: list[Any] = [
    ("RNN", {}),
    ("RNN", {"nonlinearity": "relu", "num_layers": 2}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "dropout": 0.4}),
    ("LSTM", {"num_layers": 2, "bidirectional": True, "proj_size": 3}),
    ("LSTM", {"bias": False, "batch_first": True}),
    ("GRU", {"num_layers": 2, "dropout": 0.2, "batch_first": True}),
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(("name", "options"), NETWORKS)
def test_network_starts_and_learns_as_in_pytorch(name: str, options: Any) -> None:
    def build(lib: Any, utils: Any) -> list[Any]:
        module = getattr(lib.nn, name)(4, 5, **options)
        x = lib.randn(6, 3, 4).requires_grad_()
        out, h = module(x)
        h = list(h) if isinstance(h, tuple) else [h]
        padded = learn([out, *h], module, x)
        rows = [lib.randn(n, 4).requires_grad_() for n in (2, 5, 3)]
        out, h = module(utils.pack_sequence(rows, enforce_sorted=False))
        h = list(h) if isinstance(h, tuple) else [h]
        packed = learn([out.data, *h], module, *rows)
        single, _ = module(x[0], tuple(s[:, 0] for s in h) if name == "LSTM" else h[0][:, 0])
        again, lengths = utils.pad_packed_sequence(out, batch_first=True, total_length=7)
        more = [again, lengths, *utils.unpack_sequence(out), out.batch_sizes, out.sorted_indices]
        return [*padded, *packed, single, *more, *module.state_dict().values(), repr(module)]

    assert_same_numbers(build)


@pytest.mark.parametrize("name", ["RNNCell", "LSTMCell", "GRUCell"])
def test_cell_starts_and_learns_as_in_pytorch(name: str) -> None:
    def build(lib: Any, utils: Any) -> list[Any]:
        module, x = getattr(lib.nn, name)(4, 5), lib.randn(3, 4)
        h = module(x, module(x))
        single = module(x[0])
        one = list(single) if isinstance(single, tuple) else [single]
        return [*learn(list(h) if isinstance(h, tuple) else [h], module), *one, repr(module)]

    assert_same_numbers(build)


def test_network_has_second_derivatives() -> None:
    bx.manual_seed(0)
    module = nn.LSTM(2, 3, 2, bidirectional=True).double()
    x = bx.randn(3, 2, 2, dtype=bx.float64).requires_grad_()
    assert (
        bx.autograd.gradgradcheck(lambda t: module(t)[0], (x,))
        if hasattr(bx.autograd, "gradgradcheck")
        else True
    )
    (g,) = bx.autograd.grad(module(x)[0].sum(), x, create_graph=True)
    (g * g).sum().backward()
    assert all(p.grad is not None for p in module.parameters())


def test_wrong_shapes_are_named() -> None:
    module = nn.LSTM(4, 5)
    with pytest.raises(RuntimeError, match="Expected 4, got 3"):
        module(bx.zeros(2, 1, 3))
    with pytest.raises(ValueError, match="2D or 3D"):
        module(bx.zeros(4))
    with pytest.raises(RuntimeError, match=r"hidden\[0\] size \(1, 2, 5\)"):
        module(bx.zeros(3, 2, 4), (bx.zeros(1, 3, 5), bx.zeros(1, 2, 5)))
    with pytest.raises(ValueError, match="proj_size"):
        nn.LSTM(4, 5, proj_size=5)
    with pytest.raises(ValueError, match="nonlinearity"):
        nn.RNN(4, 5, nonlinearity="sin")
    with pytest.raises(RuntimeError, match="enforce_sorted"):
        rnn.pack_padded_sequence(bx.zeros(3, 2, 1), [1, 3])
    with pytest.raises(RuntimeError, match="greater than 0"):
        rnn.pack_padded_sequence(bx.zeros(3, 2, 1), [3, 0])


def test_pad_sequence_on_either_side() -> None:
    rows = [bx.ones(2), bx.ones(3) * 2]
    assert rnn.pad_sequence(rows, True, -1.0).tolist() == [[1, 1, -1], [2, 2, 2]]
    left = rnn.pad_sequence(rows, True, padding_side="left")
    assert left.tolist() == [[0, 1, 1], [2, 2, 2]]
    back = rnn.unpad_sequence(rnn.pad_sequence(rows), bx.tensor([2, 3]))
    assert [t.tolist() for t in back] == [[1, 1], [2, 2, 2]]


MULTIHEAD: list[Any] = [
    {},
    {"bias": False},
    {"add_bias_kv": True, "add_zero_attn": True},
    {"kdim": 3, "vdim": 7},
    {"batch_first": True},
    {"dropout": 0.3},
]


@pytest.mark.parametrize("options", MULTIHEAD)
@pytest.mark.parametrize("call", ["weights", "plain", "heads", "mask", "padding"])
def test_multihead_attention_is_pytorchs(options: Any, call: str) -> None:
    def build(lib: Any, utils: Any) -> list[Any]:
        module = lib.nn.MultiheadAttention(8, 2, **options)
        q = lib.randn(4, 4, 8).requires_grad_()
        k, v = (lib.randn(4, 4, options.get(name, 8)) for name in ("kdim", "vdim"))
        hidden = lib.tensor(np.triu(np.ones((4, 4), bool), 1))
        extra = {
            "weights": {},
            "plain": {"need_weights": False},
            "heads": {"average_attn_weights": False},
            "mask": {"attn_mask": hidden, "need_weights": False},
            "padding": {"key_padding_mask": hidden},
        }[call]
        out, weights = module(q, k, v, **extra) if "kdim" in options else module(q, q, q, **extra)
        if call == "padding":
            out = out[1:] if not options.get("batch_first") else out[:, :1]
        return [weights, *learn([out], module, q)]

    assert_same_numbers(build)


def test_ctc_gradient_is_pytorchs() -> None:
    def build(lib: Any, utils: Any) -> list[Any]:
        x = lib.randn(10, 3, 5).log_softmax(2).detach().requires_grad_()
        labels = lib.tensor([[1, 2, 2], [3, 0, 0], [1, 4, 2]])
        found = []
        for reduction in ("mean", "sum", "none"):
            loss = lib.nn.CTCLoss(reduction=reduction)
            each = loss(x, labels, lib.tensor([10, 7, 9]), lib.tensor([3, 1, 3]))
            each.sum().backward()
            found.append(each)
        each = lib.nn.CTCLoss(zero_infinity=True)(x, lib.tensor([1, 2, 3]), (10, 2, 9), (2, 1, 0))
        each.backward()
        return [*found, each, x.grad]

    assert_same_numbers(build)


@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("Dropout1d", (3, 4, 5)),
        ("Dropout2d", (2, 3, 4, 5)),
        ("Dropout3d", (3, 4, 2, 2)),
        ("AlphaDropout", (4, 5)),
        ("FeatureAlphaDropout", (2, 3, 4)),
        ("RReLU", (4, 5)),
    ],
)
def test_drawn_masks_are_pytorchs(name: str, shape: Any) -> None:
    def build(lib: Any, utils: Any) -> list[Any]:
        module, x = getattr(lib.nn, name)(), lib.randn(*shape).requires_grad_()
        return [*learn([module(x)], module, x), module.eval()(x), repr(module)]

    assert_same_numbers(build)


def test_adaptive_softmax_is_pytorchs() -> None:
    def build(lib: Any, utils: Any) -> list[Any]:
        module = lib.nn.AdaptiveLogSoftmaxWithLoss(8, 20, [4, 10], div_value=2.0)
        x, t = lib.randn(6, 8), lib.tensor([0, 3, 5, 11, 19, 9])
        out, loss = module(x, t)
        return [out, module.log_prob(x), module.predict(x), *learn([loss], module), repr(module)]

    assert_same_numbers(build)


@pytest.mark.parametrize("kind", ["RNN", "LSTM", "GRU"])
def test_weights_that_are_computed_from_others_are_used(kind: str) -> None:
    bx.manual_seed(0)
    network = getattr(bx.nn, kind)(3, 4, num_layers=2, bidirectional=True)
    x = bx.randn(5, 2, 3)
    plain = network(x)[0].detach()
    bx.nn.utils.parametrizations.weight_norm(network, "weight_hh_l0")
    computed = network(x)[0]
    np.testing.assert_allclose(computed.detach().numpy(), plain.numpy(), rtol=1e-5, atol=1e-6)
    computed.sum().backward()
    assert network.parametrizations.weight_hh_l0.original0.grad is not None
    bx.nn.utils.prune.l1_unstructured(network, "weight_hh_l1", amount=16)
    network(x)[0].sum().backward()
    assert bool((network.weight_hh_l1 == 0).any())
    assert [len(w) for w in network.all_weights] == [4, 4, 4, 4]


def test_what_is_padded_again_in_the_given_order_is_contiguous() -> None:
    packed = rnn.pack_padded_sequence(
        bx.arange(20.0).reshape(2, 5, 2), bx.tensor([2, 5]), batch_first=True, enforce_sorted=False
    )
    assert rnn.pad_packed_sequence(packed, batch_first=True)[0].view(2, -1)[1, -1] == 19.0


def test_a_mode_that_is_not_there() -> None:
    with pytest.raises(ValueError, match="RNN_RELU"):
        nn.RNNBase("X", 2, 3)
