"""Modes that see every call, classes with __torch_dispatch__, and what is counted by them."""

import copy
import io
import pickle
import sys
import threading

import pytest

import backprop_ext as torch
import backprop_ext.nn.functional as F
from backprop_ext.overrides import TorchFunctionMode
from backprop_ext.utils._python_dispatch import (
    TorchDispatchMode,
    _get_current_dispatch_mode,
    is_traceable_wrapper_subclass,
    return_and_correct_aliasing,
)
from backprop_ext.utils._pytree import tree_map_only
from backprop_ext.utils.flop_counter import FlopCounterMode, register_flop_formula

aten = torch.ops.aten


class Seen(TorchDispatchMode):
    """Notes the operations."""

    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.names.append(str(func).removeprefix("aten."))
        return func(*args, **(kwargs or {}))


class Held(torch.Tensor):
    """Holds a tensor, and answers with what that answers."""

    __torch_function__ = torch._C._disabled_torch_function_impl

    @staticmethod
    def __new__(cls, held):
        made = torch.Tensor._make_wrapper_subclass(
            cls, held.size(), strides=held.stride(), dtype=held.dtype, device=held.device
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
        args, kwargs = tree_map_only(Held, lambda t: t.held, (args, kwargs or {}))
        return tree_map_only(torch.Tensor, cls, func(*args, **kwargs))


class Asked(Held):
    """The same, but for __torch_function__, which is that of Tensor."""

    __torch_function__ = classmethod(torch.Tensor.__torch_function__.__func__)


X = torch.arange(6.0).view(2, 3)

# What PyTorch 2.13 shows for each, of x of shape (2, 3).
SEEN = {
    "x + 1": "add.Tensor",
    "2 - x": "rsub.Scalar",
    "2 / x": "reciprocal.default mul.Tensor",
    "2**x": "pow.Scalar",
    "x**2": "pow.Tensor_Scalar",
    "x % 2": "remainder.Scalar",
    "-x": "neg.default",
    "x == 1": "eq.Scalar",
    "x == x": "eq.Tensor",
    "x @ x.t()": "t.default mm.default",
    "x[0]": "select.int",
    "x[:, 1:]": "slice.Tensor",
    "x[..., 0]": "select.int",
    "x[None]": "unsqueeze.default",
    "x[x > 2]": "gt.Scalar index.Tensor",
    "x.to(torch.float64)": "_to_copy.default",
    "x.to(torch.float32)": "",
    "x.long()": "_to_copy.default",
    "x.sum().item()": "sum.default _local_scalar_dense.default",
    "x.sum(1, keepdim=True)": "sum.dim_IntList",
    "x.mean(-1)": "mean.dim",
    "x.max(1)": "max.dim",
    "x.view(-1)": "view.default",
    "x.reshape(3, 2)": "view.default",
    "x.flatten()": "view.default",
    "x.transpose(0, 1)": "transpose.int",
    "x.contiguous()": "",
    "x.split(1)": "split.Tensor",
    "x.sort(stable=True)": "sort.stable",
    "x.masked_fill(x > 0, 1.0)": "gt.Scalar masked_fill.Scalar",
    "x.softmax(-1)": "_softmax.default",
    "x.clone().add_(1)": "clone.default add_.Tensor",
    "x.square()": "pow.Tensor_Scalar",
    "F.linear(x, x, x[:, 0])": "select.int t.default addmm.default",
    "F.linear(x[None], x)": "unsqueeze.default t.default view.default mm.default "
    "_unsafe_view.default",
    "x[None] @ x[None].mT": "unsqueeze.default unsqueeze.default expand.default view.default "
    "expand.default view.default bmm.default _unsafe_view.default",
    "F.conv1d(x[None], torch.ones(2, 2, 1))": "unsqueeze.default ones.default convolution.default",
    "torch.cat([x, x], 1)": "cat.default",
    "torch.arange(1, 3)": "arange.start",
    "torch.empty(2)": "empty.memory_format",
    "torch.where(x > 0, x, x)": "gt.Scalar where.self",
}


@pytest.mark.parametrize("text", SEEN)
def test_a_mode_sees_what_pytorch_shows(text):
    before = eval(text, {"torch": torch, "F": F, "x": X})
    with Seen() as mode:
        result = eval(text, {"torch": torch, "F": F, "x": X})
    assert mode.names == SEEN[text].split()
    for a, b in zip(torch.utils._pytree.tree_leaves(before), [*_leaves(result)], strict=True):
        if text != "torch.empty(2)":
            torch.testing.assert_close(a, b)


def _leaves(value):
    return torch.utils._pytree.tree_leaves(value)


def test_arguments_are_those_of_the_operation():
    given = []

    class Mode(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            given.append((func, args[1:], kwargs))
            return func(*args, **(kwargs or {}))

    with Mode():
        X.sum(dim=1, keepdim=False)
        X.view(3, 2)
        X[1:]
        X.to(torch.float64)
        X.add(X, alpha=2)
    assert [(str(f), a, k) for f, a, k in given[:4]] == [
        ("aten.sum.dim_IntList", ([1],), {}),
        ("aten.view.default", ([3, 2],), {}),
        ("aten.slice.Tensor", (0, 1, 2**63 - 1), {}),
        ("aten._to_copy.default", (), {"dtype": torch.float64}),
    ]
    assert given[4][0] is aten.add.Tensor
    assert given[4][2] == {"alpha": 2}


def test_a_mode_answers_and_modes_nest():
    class Doubled(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            return result * 2 if func is aten.add.Tensor else result

    with Seen() as outer, Doubled():
        found = X + 1
    assert torch.equal(found, (X + 1) * 2)
    assert outer.names == ["add.Tensor", "mul.Tensor"]
    assert _get_current_dispatch_mode() is None


def test_nothing_is_left_of_a_mode():
    plain = torch.Tensor.__add__
    with pytest.raises(TypeError), Seen():
        torch.add(X)
    assert torch.Tensor.__add__ is plain
    frames = []
    sys.setprofile(lambda frame, event, arg: frames.append((event, frame.f_code.co_name)))
    X + 1
    X[0]
    sys.setprofile(None)
    assert not [name for event, name in frames if event == "call"]


def test_another_thread_has_modes_of_its_own():
    with Seen() as mode:
        thread = threading.Thread(target=lambda: (X + 1).sum())
        thread.start()
        thread.join()
    assert mode.names == []


def test_gradients_of_what_a_mode_saw():
    w = torch.ones(2, 3, requires_grad=True)
    with Seen():
        loss = (w * X).sum()
    loss.backward()
    assert torch.equal(w.grad, X)


def test_a_mode_that_does_not_answer():
    class Silent(TorchDispatchMode):
        def __torch_dispatch__(self, *args):
            return NotImplemented

    with pytest.raises(TypeError, match="NotImplemented"), Silent():
        X.exp()
    with pytest.raises(NotImplementedError), TorchDispatchMode():
        X.exp()


def test_a_function_mode_sees_calls():
    class Mode(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    names = []
    with Mode():
        torch.add(X, 1)
        X + 1
        F.relu(X)
        X[0]
        torch.zeros(2)
    assert names == ["add", "add", "relu", "__getitem__", "zeros"]


@pytest.mark.parametrize("kind", [Held, Asked])
@pytest.mark.parametrize(
    "text",
    [
        *("x + 1", "1 + x", "1 - x", "x @ x.t()", "x[0]", "x[:, 1:]", "x[x > 2]", "x.sum(1)"),
        *("y + x", "y - x", "y[x > 2]", "torch.cat([x, y])", "x.T", "x.mT", "x.clone()", "-x"),
        *("x.to(torch.float64)", "x.reshape(3, 2)", "x.softmax(1)", "F.linear(x, y)", "x == 1"),
        *("x.new_zeros(2)", "torch.zeros_like(x)", "x.max(1)[0]", "x.detach()", "x.chunk(2)[0]"),
    ],
)
def test_a_class_answers(kind, text):
    space = {"torch": torch, "F": F, "y": torch.ones(2, 3)}
    found = eval(text, space | {"x": kind(X)})
    assert type(found) is kind
    torch.testing.assert_close(found.held, eval(text, space | {"x": X}))


def test_what_a_class_is_written_to():
    x = Held(X.clone())
    same = x
    x += 1
    x[0] = 5.0
    x[x > 5] = 0.0
    assert x is same
    assert x.mul_(2) is x
    assert x.held.tolist() == [[10, 10, 10], [8, 10, 0]]
    assert float(x.sum()) == 48
    assert [type(row) for row in x] == [Held, Held]


def test_what_has_no_memory_hands_out_none():
    x = Held(X)
    for call in (x.numpy, x.tolist, lambda: __import__("numpy").asarray(x)):
        with pytest.raises(RuntimeError, match="tensor subclasses"):
            call()
    assert x.data_ptr() == 0
    assert repr(x).startswith("Held(")
    with pytest.raises(NotImplementedError, match="graph"):
        torch.Tensor._make_wrapper_subclass(Held, (2,), requires_grad=True)
    with pytest.raises(AssertionError):
        torch.Tensor._make_wrapper_subclass(Held, (2,), device="cuda")


def test_a_class_is_copied_and_saved():
    x = Held(X)
    file = io.BytesIO()
    torch.save({"x": x}, file)
    file.seek(0)
    loaded = torch.load(file, weights_only=False)["x"]
    for other in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), loaded):
        assert type(other) is Held
        assert torch.equal(other.held, X)
    file.seek(0)
    with pytest.raises(pickle.UnpicklingError):
        torch.load(file)


def test_a_class_that_does_not_answer():
    class Silent(Held):
        @classmethod
        def __torch_dispatch__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    with pytest.raises(TypeError, match="Silent"):
        Silent(X).exp()


def test_what_is_asked_about_classes():
    assert not is_traceable_wrapper_subclass(Held(X))
    x = Held(X)
    assert return_and_correct_aliasing(aten.add_.Tensor, (x,), {}, X) is x
    assert return_and_correct_aliasing(aten.add.Tensor, (x,), {}, X) is X


def test_names_of_operations():
    op = aten.add.Tensor
    assert op is aten.add.Tensor
    assert op._overloadpacket is aten.add
    assert (str(op), op.name(), op.namespace) == ("aten.add.Tensor", "aten::add.Tensor", "aten")


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 8, 3, padding=1)
        self.body = torch.nn.Sequential(
            torch.nn.Linear(8, 16), torch.nn.ReLU(), torch.nn.Linear(16, 4, bias=False)
        )

    def forward(self, x):
        return self.body(F.relu(self.conv(x)).mean((2, 3)))


# What PyTorch prints for it, with tabulate 0.9.
TABLE = """\
Module                             FLOP    % Total
-----------------------------  --------  ---------
Net                            175.104K    100.00%
 - aten.convolution             86.400K     49.34%
 - aten.addmm                    0.512K      0.29%
 - aten.mm                       1.792K      1.02%
 - aten.convolution_backward    86.400K     49.34%
 Net.body                        2.304K      1.32%
  - aten.addmm                   0.512K      0.29%
  - aten.mm                      1.792K      1.02%
 Net.conv                      172.800K     98.68%
  - aten.convolution            86.400K     49.34%
  - aten.convolution_backward   86.400K     49.34%
"""


def test_the_table_of_flops(capsys):
    net = Net()
    with FlopCounterMode() as counter:
        net(torch.randn(2, 3, 10, 10)).sum().backward()
    assert capsys.readouterr().out == TABLE
    assert counter.get_total_flops() == 175104
    assert counter.get_flop_counts()["Net.body.2"] == {aten.mm: 768}
    with FlopCounterMode():
        X + 1
    assert capsys.readouterr().out.splitlines() == [
        "Module      FLOP    % Total",
        "--------  ------  ---------",
        "Global         0         0%",
    ]


W = torch.randn(4, 5, requires_grad=True)
Y = torch.randn(2, 3, 4, requires_grad=True)


@pytest.mark.parametrize(
    ("run", "forward", "both"),
    [
        (lambda: Y[0] @ W, 120, 360),
        (lambda: Y @ Y.mT, 144, 432),
        (lambda: F.linear(Y, W.t()), 240, 720),
        (lambda: torch.baddbmm(torch.zeros(1), Y, Y.mT), 144, 432),
        (lambda: torch.einsum("bij,jk->bik", Y, W), 240, 720),
        (lambda: torch.tensordot(Y, W, 1), 240, 720),
        (lambda: F.scaled_dot_product_attention(Y, Y, Y), 288, 864),
        (
            lambda: F.conv1d(torch.ones(1, 4, 9), W[:4, :2, None].repeat(1, 1, 3), groups=2),
            336,
            1008,
        ),
        (lambda: F.conv1d(Y, torch.ones(3, 3, 3), padding="same"), 432, 864),
        (lambda: F.conv_transpose1d(Y, torch.ones(3, 2, 3), stride=2), 288, 576),
    ],
)
def test_flops_as_pytorch_counts(run, forward, both):
    with FlopCounterMode(display=False) as counter:
        result = run()
    assert counter.get_total_flops() == forward
    with FlopCounterMode(display=False) as counter:
        result = run()
        result.sum().backward()
    assert counter.get_total_flops() == both


def test_formulas_of_ones_own():
    @register_flop_formula(aten.exp)
    def exp_flop(shape, **kwargs):
        return 7

    with FlopCounterMode(display=False) as counter:
        X.exp()
    assert counter.get_total_flops() == 7
    with FlopCounterMode(display=False, custom_mapping={aten.sin: lambda *a, **k: 3}) as counter:
        X.sin()
    assert counter.get_total_flops() == 3


def test_a_plain_tensor_indexed_and_written_by_one_that_answers():
    y = torch.ones(3)
    found = y[Held(torch.tensor([0, 2]))]
    assert type(found) is Held
    assert found.held.tolist() == [1, 1]
    with pytest.raises(BufferError):
        memoryview(Held(X))
