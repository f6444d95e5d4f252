"""Where PyTorch is installed: the same results, gradients, types and classes of errors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numeric import tensors
from op_rows.row import map_arrays
from op_table import TABLE, cases, cast, operation, registered

import backprop_ext as bx

torch = pytest.importorskip("torch")

ROWS = [row for row in TABLE if row.reference is not None and row.torch]


def theirs(name: str) -> Any:
    """PyTorch's callable of a registered name."""
    if name.startswith("nn."):
        return getattr(torch.nn.functional, name[3:])
    if "." in name:
        namespace, last = name.split(".")
        return getattr(getattr(torch, namespace), last)
    is_function = registered()[name]["function"] and name not in ("reshape", "permute", "flip")
    return getattr(torch if is_function else torch.Tensor, name)


def to_theirs(value: Any, requires_grad: bool) -> Any:
    def make(array: Any) -> Any:
        t = torch.from_numpy(np.array(array))
        return t.requires_grad_() if requires_grad and t.is_floating_point() else t

    value = map_arrays(make, value, np.ndarray)
    return map_arrays(lambda d: getattr(torch, str(d).split(".")[1]), value, bx.dtype)


def to_ours(value: Any, requires_grad: bool) -> Any:
    def make(array: Any) -> Any:
        t = bx.tensor(array)
        return t.requires_grad_() if requires_grad and t.is_floating_point() else t

    return map_arrays(make, value, np.ndarray)


def results(
    function: Any, convert: Any, args: Any, kwargs: Any, grad: Any, row: Any, first_only: bool
) -> Any:
    """Results, and the gradients of the sum of their squares to the floating-point arguments."""
    inputs: list[Any] = []
    keep = {k: convert(v, False) for k, v in kwargs.items() if k in row.constants}
    rest = {k: v for k, v in kwargs.items() if k not in row.constants}
    made, keywords = convert((args, rest), row.order > 0 and not first_only)
    if first_only:
        made[0].requires_grad_()
    kind = bx.Tensor if convert is to_ours else torch.Tensor
    map_arrays(lambda t: inputs.append(t) if t.requires_grad else None, (made, keywords), kind)
    if row.name.endswith("_"):
        made = (made[0] * 1, *made[1:])
    out = function(*made, **keywords, **keep)
    out = [out] if isinstance(out, kind) else list(out)
    float_outputs = [t for t in out if t.requires_grad]
    if not float_outputs or not inputs:
        return out, []
    total = sum((t * t.conj()).real.sum() for t in float_outputs)
    return out, list(grad(total, inputs, allow_unused=True))


@pytest.mark.filterwarnings("ignore:Converting a tensor:UserWarning")
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize(
    ("row", "case", "seed"), cases(ROWS), ids=[seed for *_, seed in cases(ROWS)]
)
def test_result_and_gradient_equal_pytorchs(row: Any, case: Any, seed: str, dtype: str) -> None:
    if row.result == "error":
        args, kwargs = case.draw_whole(seed, "int64")
    else:
        args, kwargs = cast(case.draw(seed), dtype)
    first_only = False
    call_theirs = (theirs(row.name), to_theirs, args, kwargs, torch.autograd.grad, row)
    try:
        them, their_grads = results(*call_theirs, first_only)
    except RuntimeError as error:
        if "is not differentiable with respect to argument" not in str(error):
            raise
        first_only = True
        them, their_grads = results(*call_theirs, first_only)
    ours, our_grads = results(
        operation(row.name), to_ours, args, kwargs, bx.autograd.grad, row, first_only
    )
    assert len(ours) == len(them)
    assert len(our_grads) == len(their_grads)
    rtol = row.torch_rtol if dtype == "float64" else 10 * row.rtol
    for a, e in zip(ours + our_grads, them + their_grads, strict=True):
        if e is None or a is None:  # one sees no graph where the other gives zeros
            assert a is None or not a.any()
            assert e is None or not e.any()
            continue
        assert str(a.dtype) == str(e.dtype)
        assert tuple(a.shape) == tuple(e.shape)
        np.testing.assert_allclose(
            a.detach().numpy(), e.detach().numpy(force=True), rtol=rtol, atol=rtol, equal_nan=True
        )
    assert [t.requires_grad for t in ours] == [t.requires_grad for t in them]


NODE_ROWS = [row for row in ROWS if row.order >= 1 and not row.name.endswith("_")]
OTHER_NODES = {  # made of other operations here, or with a target that requires grad there
    "chain_matmul", "combinations", "fft.fft", "fft.ifft", "fft.rfft2", "fft.rfftn", "gru",
    "gru_cell", "linalg.multi_dot", "linalg.tensorinv", "linalg.vander", "lstm", "lstm_cell",
    "nn.instance_norm", "nn.scaled_dot_product_attention",
    "nn.soft_margin_loss", "rnn_relu", "rnn_relu_cell",
    "rnn_tanh", "rnn_tanh_cell", "special.ndtr", "stft", "trapezoid", "unsafe_split",
}  # fmt: skip


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_graph_node_has_pytorchs_name() -> None:
    wrong = []
    for row in NODE_ROWS:
        if row.name in OTHER_NODES or row.name.endswith("_copy"):
            continue
        args, kwargs = row.cases[0].draw(row.name)
        ours = tensors(operation(row.name)(*to_ours(args, True), **to_ours(kwargs, False)))[0]
        them = theirs(row.name)(*to_theirs(args, True), **to_theirs(kwargs, False))
        them = them if isinstance(them, torch.Tensor) else them[0]
        assert ours.requires_grad == them.requires_grad
        if them.grad_fn is None:
            continue
        if ours.grad_fn.name() != them.grad_fn.name():
            wrong.append(f"{row.name}: {ours.grad_fn.name()}, PyTorch {them.grad_fn.name()}")
    assert wrong == []


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int32", "int64", "float32", "float64"])
def test_every_pair_of_types_gives_pytorchs_type(dtype: str) -> None:
    wrong = []
    for other in ("bool", "uint8", "int32", "int64", "float32", "float64"):
        for name in ("add", "sub", "mul", "div", "floor_divide", "pow", "maximum", "eq", "atan2"):
            for shape in ((2,), ()):
                outcome = []
                for lib in (bx, torch):
                    a = lib.ones(2, dtype=getattr(lib, dtype))
                    b = lib.ones(shape, dtype=getattr(lib, other))
                    try:
                        outcome.append(str(getattr(lib, name)(a, b).dtype))
                    except RuntimeError:
                        outcome.append("RuntimeError")
                if outcome[0] != outcome[1]:
                    wrong.append((name, dtype, other, shape, *outcome))
    assert wrong == []


BAD_CALLS = [
    "add(t((2, 3)), t((4,)))",
    "add(t((2,)), 'x')",
    "add(t((2,)))",
    "matmul(t((3, 4)), t((5, 6)))",
    "mm(t((3,)), t((3,)))",
    "mv(t((3, 3)), t((4,)))",
    "dot(t((3,)), t((4,)))",
    "bmm(t((2, 3, 4)), t((3, 4, 5)))",
    "t((2, 3)).view(4, 2)",
    "t((2, 3)).t().view(6)",
    "t((2, 3)).view(-1, -1)",
    "t((2, 3)).reshape(7)",
    "t((2, 3)).permute(0, 0)",
    "t((2, 3)).permute(0)",
    "t((2, 3)).transpose(0, 2)",
    "t((2, 3)).expand(3, 3)",
    "t((2, 3)).squeeze(2)",
    "t((2, 3)).unsqueeze(4)",
    "t((2, 3)).sum(2)",
    "t((2, 3)).sum((0, 0))",
    "t((2, 3)).select(0, 2)",
    "t((2, 3)).narrow(0, 1, 2)",
    "t((2, 3)).split(0)",
    "t((2, 3)).split((1, 2))",
    "t((2, 3)).chunk(0)",
    "t((2, 3)).diagonal(0, 0, 0)",
    "t((2, 3))[2]",
    "t((2, 3))[0, 3]",
    "t((2, 3))[0, 0, 0]",
    "t((2, 3))[1.5]",
    "t((2, 3))['a']",
    "t((2, 3))[::-1]",
    "t((2, 3))[lib.tensor([5])]",
    "t((2, 3))[lib.tensor([True])]",
    "t((2, 3))[lib.tensor([0.5])]",
    "t(())[0]",
    "len(t(()))",
    "list(t(()))",
    "bool(t((2,)))",
    "t((2,)).item()",
    "float(t((2,)))",
    "cat([])",
    "cat([t((2, 3)), t((3, 2))])",
    "cat([t(())])",
    "stack([])",
    "stack([t((2,)), t((3,))])",
    "t((0,)).max()",
    "t((0, 3)).max(0)",
    "t((0,)).argmax()",
    "t((2, 3)).flatten(1, 0)",
    "t((2, 3)).unflatten(0, (3, 3))",
    "lib.arange(5, 0)",
    "lib.arange(0, 5, 0)",
    "lib.zeros(-1)",
    "lib.full((2,), 'x')",
    "lib.tensor([[1, 2], [3]])",
    "lib.tensor(['a'])",
    "lib.tensor([1, None])",
    "lib.tensor(2**70)",
    "lib.ones(2, dtype=lib.int64).mean()",
    "lib.ones(2, dtype=lib.int64).requires_grad_()",
    "lib.ones(2, dtype=lib.int64).softmax(0)",
    "lib.ones(2, dtype=lib.int64).normal_()",
    "lib.ones(2, dtype=lib.bool) - lib.ones(2, dtype=lib.bool)",
    "-lib.ones(2, dtype=lib.bool)",
    "lib.tensor([1, 2]) ** -1",
    "lib.tensor([1, 2]) // lib.tensor([0, 1])",
    "lib.tensor([1, 2]).add_(0.5)",
    "t((2, 3)).add_(t((2, 2, 3)))",
    "t((3,)).expand(2, 3).add_(1)",
    "t((2,)).masked_fill(t((2,)), 1.0)",
    "t((2,)).masked_fill(lib.tensor([True, False]), t((2,)))",
    "lib.where(t((2,)), t((2,)), t((2,)))",
    "t((2, 3)).index_select(0, lib.tensor([2]))",
    "t((2, 3)).as_strided((5, 5), (1, 1))",
    "t((2, 3)).copy_(t((3, 3)))",
    "t((2,)).fill_(t((2,)))",
    "lib.randint(5, 5, (2,))",
    "lib.randperm(-1)",
    "t((2,)).uniform_(1, 0)",
    "t((2,)).bernoulli_(2.0)",
    "lib.nn.functional.dropout(t((2,)), 1.5)",
    "lib.nn.functional.gelu(t((2,)), approximate='no')",
    "lib.nn.functional.mse_loss(t((2,)), t((2,)), reduction='no')",
    "lib.nn.functional.mse_loss(t((2, 3)), t((4,)))",
    "lib.nn.functional.nll_loss(t((2, 3)), lib.tensor([0, 3]))",
    "lib.nn.functional.nll_loss(t((2, 3)), lib.tensor([0]))",
    "lib.nn.functional.cross_entropy(t((2, 3)), lib.tensor([0, 1, 2]))",
    "lib.nn.functional.cross_entropy(t((2, 3)), lib.tensor([0, -1]))",
    "lib.nn.functional.cross_entropy(t((2, 3)), t((2,)))",
    "lib.nn.functional.binary_cross_entropy(t((2,)), t((3,)))",
    "lib.nn.functional.linear(t((2, 3)), t((4, 5)))",
    "lib.addmm(t((2, 2)), t((2, 3)), t((2, 3)))",
    "t((2,)).backward()",
    "t((2,), True).sum().backward(t((2,)))",
    "t((2,), True).backward()",
    "t((2,), True).add_(1)",
    "t((2,), True).numpy()",
    "lib.clamp(t((2,)))",
    "t((2,)).foo",
    "lib.from_numpy([1, 2])",
    "lib.zeros(2, device='mars')",
    "lib.zeros(2, dtype='x')",
    "lib.zeros(10**18)",
    "lib.zeros(10**12, 10**12)",
]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("text", BAD_CALLS)
def test_bad_call_raises_pytorchs_class(text: str) -> None:
    raised = []
    for lib in (torch, bx):

        def t(shape: Any, requires_grad: bool = False, lib: Any = lib) -> Any:
            return lib.ones(shape, requires_grad=requires_grad)

        scope = {name: getattr(lib, name) for name in ("add", "matmul", "mm", "mv", "dot", "bmm")}
        scope |= {"lib": lib, "t": t, "cat": lib.cat, "stack": lib.stack}
        with pytest.raises(Exception) as caught:  # noqa: PT011 (the class is what is compared)
            eval(text, scope)
        raised.append(caught.type.__mro__)
    builtin = next(c for c in raised[0] if c.__module__ == "builtins")
    assert builtin in raised[1], f"{raised[1][0].__name__}, PyTorch {builtin.__name__}"
