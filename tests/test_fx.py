"""torch.fx records, prints and runs as PyTorch does; the long program is scripts/graphs.py."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import fx, nn
from backprop_ext.fx.proxy import GraphAppendingTracer, TraceError
from backprop_ext.fx.subgraph_rewriter import Match

F = nn.functional


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lin, self.unused = nn.Linear(2, 3), nn.Linear(5, 5)
        self.register_buffer("shift", bx.ones(3))

    def forward(self, x):  # type: ignore[no-untyped-def]
        return F.relu(self.lin(x)) + self.shift


# A line that makes results of x and y, and PyTorch's code for it.
CODE = """
x + y, 2 - x, x // 2, 2 ** x, x @ y, -x, ~x, x & 1, x != y, x[0, ..., None, 1:], abs(x)
    add = x + y
    sub = 2 - x
    floordiv = x // 2
    pow_1 = 2 ** x
    matmul = x @ y;  y = None
    neg = -x
    invert = ~x
    and_ = x & 1
    ne = x != y
    getitem = x[(0, Ellipsis, None, slice(1, None, None))]
    abs_1 = _operator_abs(x)
F.relu(x), F.softmax(x, dim=-1), F.linear(x, y), F.conv2d(x, y), F.pad(x, (1, 1)), F.logsigmoid(x)
    relu = torch.nn.functional.relu(x, inplace = False)
    softmax = torch.nn.functional.softmax(x, dim = -1, _stacklevel = 3, dtype = None)
    linear = torch._C._nn.linear(x, y)
    conv2d = torch.conv2d(x, y)
    pad = torch.nn.functional.pad(x, (1, 1), mode = 'constant', value = None)
    log_sigmoid = torch._C._nn.log_sigmoid(x)
torch.cat([x, y], dim=1), torch.einsum("ij,jk", x, y), torch.max(x, 1), torch.split(x, 2)
    cat = torch.cat([x, y], dim = 1)
    einsum = torch.functional.einsum('ij,jk', x, y)
    max_1 = torch.max(x, 1)
    split = torch.functional.split(x, 2, dim = 0)
torch.linalg.norm(x), torch.fft.rfft(x), torch.special.entr(x), torch.meshgrid(x, y)
    linalg_norm = torch._C._linalg.linalg_norm(x)
    fft_rfft = torch._C._fft.fft_rfft(x)
    special_entr = torch._C._special.special_entr(x)
    meshgrid = torch.functional.meshgrid(x, y, indexing = None)
x.shape[0], x.size(-1), x.to(torch.half), x.view(x.shape[0], -1), torch.zeros(x.shape), x.sum((0,))
    getattr_1 = x.shape
    getitem = getattr_1[0]
    size = x.size(-1)
    to = x.to(torch.float16)
    getattr_2 = x.shape
    getitem_1 = getattr_2[0]
    view = x.view(getitem_1, -1)
    getattr_3 = x.shape
    zeros = torch.zeros(getattr_3)
    sum_1 = x.sum((0,))
torch.ones(2) * x, x.masked_fill(x == 0, -inf), x.mean(dim=0, keepdim=True).T.HTTPGet(), x.foo(None)
    _tensor_constant0 = self._tensor_constant0
    mul = _tensor_constant0.mul(x)
    eq = x == 0
    masked_fill = x.masked_fill(eq, -inf)
    mean = x.mean(dim = 0, keepdim = True)
    getattr_1 = mean.T
    httpget = getattr_1.HTTPGet()
    foo = x.foo(None)
"""


def cases() -> Any:
    found: list[Any] = []
    for line in CODE.strip().split("\n"):
        if line.startswith("    "):
            found[-1][1].append(line.strip())
        else:
            found.append((line, []))
    return found


def steps(lib: Any, line: str) -> list[str]:
    """The code of a line, without what it frees."""
    names = {"torch": lib, "F": lib.nn.functional, "inf": float("inf")}
    exec(f"def f(x, y):\n    return [{line}]", names)
    code = lib.fx.symbolic_trace(names["f"]).code
    lines = [text.partition(";")[0].strip() for text in code.split("\n")]
    return [text for text in lines if " = " in text]


@pytest.mark.parametrize(("line", "expected"), cases())
def test_names_and_arguments_are_those_of_torch(line: str, expected: list[str]) -> None:
    assert steps(bx, line) == [text.partition(";")[0] for text in expected]


@pytest.mark.parametrize(("line", "expected"), cases())
def test_torch_records_the_same(line: str, expected: list[str]) -> None:
    torch = pytest.importorskip("torch")
    __import__("torch.fx")
    assert steps(torch, line) == [text.partition(";")[0] for text in expected]


def test_annotations_and_defaults_are_in_the_head() -> None:
    names: dict[str, Any] = {"torch": bx}
    source = "def f(x: torch.Tensor, y: int = 2, w: list[int] = [1]) -> torch.Tensor: return x\n"
    exec(compile(source, "f", "exec", dont_inherit=True), names)
    code = fx.symbolic_trace(names["f"]).code
    head = "def forward(self, x : torch.Tensor, y : int = 2, w : list[int] = [1]) -> torch.Tensor:"
    assert head in code


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("x if x.sum() > 0 else -x", TraceError),
        ("[part for part in x]", TraceError),
        ("torch.cat([*x])", TraceError),
        ("not x", TraceError),
        ("len(x)", RuntimeError),
        ("range(x.shape[0])", TypeError),
        ("int(x)", TypeError),
        ("x.add({x: 1})", TypeError),
        ("x.add(object())", NotImplementedError),
        ("torch.nn.Linear(2, 2)(x)", NameError),
        ("x + torch.nn.Parameter(torch.ones(1))", NameError),
    ],
)
def test_what_cannot_be_recorded_raises(source: str, error: type[Exception]) -> None:
    if error is TypeError and "{" in source:
        error = RuntimeError  # a key that is a Proxy
    with pytest.raises(error):
        fx.symbolic_trace(eval(f"lambda x: {source}", {"torch": bx}))
    # Nothing stays replaced.
    assert type(bx.einsum).__name__ == "function"
    assert not hasattr(bx.einsum, "__wrapped__")
    assert "__getattribute__" not in vars(nn.Module)
    assert bx.einsum("i->", bx.ones(2)).item() == 2


def test_a_trace_error_is_a_value_error() -> None:
    assert issubclass(TraceError, ValueError)
    with pytest.raises(ValueError, match="control flow"):
        fx.symbolic_trace(lambda x: x and 1)


def test_a_module_computes_and_learns_as_its_original() -> None:
    net = Net()
    gm = fx.symbolic_trace(net)
    x = bx.randn(4, 2)
    assert bx.equal(gm(x), net(x))
    gm(x).sum().backward()
    assert gm.lin is net.lin
    assert net.lin.weight.grad is not None
    assert [name for name, _ in gm.named_parameters()] == ["lin.weight", "lin.bias"]
    assert "call_module[target=lin]" in str(gm.graph)
    assert inspect.getsource(type(gm).forward).lstrip().startswith("def forward(self, x):")


def test_copies_and_pickles_compute_the_same() -> None:
    gm = fx.symbolic_trace(Net())
    x = bx.randn(4, 2)
    for other in (copy.deepcopy(gm), copy.copy(gm), pickle.loads(pickle.dumps(gm))):
        assert bx.equal(other(x), gm(x))
        assert other.code == gm.code
        assert str(other.graph) == str(gm.graph)
    assert copy.deepcopy(gm).lin.weight is not gm.lin.weight


def test_nodes_are_moved_and_replaced() -> None:
    graph = fx.Graph()
    x, y = graph.placeholder("x"), graph.placeholder("y", default_value=1)
    total = graph.call_function(bx.add, (x, y), {"alpha": 2})
    graph.output(total)
    assert total.format_node().endswith("[target=torch.add](args = (%x, %y), kwargs = {alpha: 2})")
    assert y.format_node() == "%y : [num_users=1] = placeholder[target=y](default=1)"
    assert total.all_input_nodes == [x, y]
    assert (x.next, total.prev) == (y, y)
    assert x < total
    assert not total < x
    total.insert_arg(0, y)
    total.update_arg(1, y)
    assert total.args == (y, y, y)
    assert x.users == {}
    total.args = ([x, {"k": (y, slice(0, x))}],)
    with pytest.raises(TypeError, match="mutation"):
        total.args[0].append(1)
    with pytest.raises(TypeError, match="mutation"):
        total.kwargs["alpha"] = 1
    with pytest.raises(RuntimeError, match="users"):
        graph.erase_node(x)
    x.prepend(total)
    with pytest.raises(RuntimeError, match="before it"):
        graph.lint()
    with pytest.raises(AssertionError):
        fx.Graph().inserting_before(x)
    assert [node.name for node in reversed(graph.nodes)] == ["output", "y", "x", "add"]


def test_dead_code_goes_and_unused_modules_too() -> None:
    gm = fx.symbolic_trace(Net())
    with gm.graph.inserting_before(gm.graph.output_node()):
        gm.graph.call_function(bx.neg, (gm.graph.get_attr("shift"),))
    assert gm.graph.eliminate_dead_code()
    assert not gm.graph.eliminate_dead_code()
    assert gm.add_submodule("a.b", nn.ReLU())
    gm.delete_all_unused_submodules()
    assert [name for name, _ in gm.named_modules()] == ["", "lin"]
    assert gm.delete_submodule("lin")
    assert not gm.delete_submodule("lin")
    with pytest.raises(RuntimeError, match="'lin'"):
        gm.graph.lint()


def test_an_interpreter_names_the_node_of_an_error() -> None:
    gm = fx.symbolic_trace(lambda x: bx.matmul(x, bx.ones(7, 7)))
    with pytest.raises(RuntimeError, match="While executing %matmul"):
        fx.Interpreter(gm).run(bx.ones(2, 2))
    with pytest.raises(RuntimeError, match="x"):
        fx.Interpreter(gm).run()
    env = {gm.graph.find_nodes(op="call_function", target=bx.matmul)[0]: bx.zeros(1)}
    assert fx.Interpreter(gm).run(bx.ones(1), initial_env=env).item() == 0


def test_only_whole_matches_are_replaced() -> None:
    def pattern(x: Any) -> Any:
        return bx.relu(bx.neg(x))

    def leaking(x: Any) -> Any:
        y = bx.neg(x)
        return bx.relu(y) + y

    gm = fx.symbolic_trace(leaking)
    assert fx.replace_pattern(gm, pattern, lambda x: x) == []
    gm = fx.symbolic_trace(lambda x: pattern(pattern(x)) * 1)
    found = fx.replace_pattern(gm, pattern, fx.symbolic_trace(nn.Sequential(nn.Linear(2, 2))))
    assert len(found) == 2
    assert isinstance(found[0], Match)
    assert gm(bx.ones(1, 2)).shape == (1, 2)
    assert len(list(gm.parameters())) == 2
    with pytest.raises(AssertionError, match="parameters"):
        fx.replace_pattern(gm, lambda x, y: x * y, lambda x: x)


def test_fused_norms_compute_the_same() -> None:
    from backprop_ext.fx.experimental.optimization import fuse

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.ReLU()).eval()
    net[1].running_mean.fill_(0.5)
    x = bx.randn(1, 1, 5, 5)
    fused = fuse(net)
    assert bx.allclose(fused(x), net(x), atol=1e-6)
    assert len(list(fused.modules())) < len(list(net.modules())) + 1
    assert "BatchNorm2d" not in str(fused)


def test_proxies_append_to_a_graph() -> None:
    graph = fx.Graph()
    tracer = GraphAppendingTracer(graph)
    a, b = (fx.Proxy(graph.placeholder(name), tracer) for name in "ab")
    graph.output((a + b).node)
    assert fx.GraphModule({}, graph)(1, 2) == 3
    other = fx.Proxy(a.node)
    with pytest.raises(RuntimeError, match="tracers"):
        bx.cat([a, other])


def test_wrap_is_for_the_top_of_a_module() -> None:
    with pytest.raises(NotImplementedError, match="top level"):
        fx.wrap(len)
    with pytest.raises(RuntimeError):
        fx.wrap(3)


def test_traces_may_nest_and_params_may_show_their_shapes() -> None:
    class Inner(fx.Tracer):
        def call_module(self, m: Any, forward: Any, args: Any, kwargs: Any) -> Any:
            assert fx.symbolic_trace(m).code
            return super().call_module(m, forward, args, kwargs)

    assert "call_module[target=lin]" in str(Inner().trace(Net()))

    class Sized(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = nn.Parameter(bx.ones(3, 2))

        def forward(self, x):  # type: ignore[no-untyped-def]
            return x @ self.w.T if self.w.shape[0] == 3 else x

    assert "matmul" in str(fx.Tracer(param_shapes_constant=True).trace(Sized()))
    with pytest.raises(TraceError):
        fx.symbolic_trace(Sized())


def test_the_package_is_imported_without_it() -> None:
    code = "import sys, backprop_ext; assert 'backprop_ext.fx' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
