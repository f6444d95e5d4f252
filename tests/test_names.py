"""Names that scripts and research code take from PyTorch's corners: here, and with its results."""

from __future__ import annotations

import importlib
import importlib.metadata
import pickle
import subprocess
import sys
import warnings
from collections import namedtuple
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.utils import _pytree

EXPRESSIONS = [
    "torch.embedding(w, i)",
    "torch.embedding(w, i, 1)",
    "torch.batch_norm(w, None, None, None, None, True, 0.1, 1e-5, False)",
    "torch.batch_norm(w, v, v, v, v, False, 0.1, 1e-5, False)",
    "torch.instance_norm(w[None], None, None, None, None, True, 0.1, 1e-5, False)",
    "torch.range(0, 1, 0.3)",
    "torch.range(1, 4)",
    "torch.Tensor([1, 2], device='cpu')",
    "torch.LongTensor([3], device=torch.device('cpu'))",
    "torch.FloatTensor(np.int64(3), 2).shape, torch.LongTensor(np.int32(4)).shape",
    "w.new(np.int64(2), 3).shape, torch.Tensor(2, np.int64(3)).shape",
    "torch.Tensor(2, 3, device='cpu').shape",
    "w.new([1, 2], device='cpu')",
    "torch.range(3, 0, -1)",
    "torch.range(-3, 3, 0.1)",
    "torch.range(0, 3, dtype=torch.int64)",
    "torch.get_device(w)",
    "torch.is_signed(w), torch.is_signed(w > 0), w.is_signed()",
    "w.is_nonzero() if w.numel() == 1 else w.is_same_size(w)",
    "w.is_inference(), w.is_conj(), w.is_neg(), w.is_shared()",
    "setattr(v, '_grad', v + 1) or v.grad",
    "w._is_view(), w[0]._is_view(), w.t()._is_view(), (w + 1)._is_view()",
    "(w[None] @ w.mT[None])._is_view(), (w[None] @ v)._is_view(), (w[0] @ w.mT)._is_view()",
    "nn.functional.linear(w[None], w)._is_view(), torch.kron(w, w)._is_view()",
    "w.t().flatten()._is_view(), w.flatten()._is_view()",
    "torch.complex(w, w)._is_view(), torch.polar(w, w)._is_view(), w.quantile(0.5)._is_view()",
    "torch.linalg.solve(torch.eye(3), torch.ones(3))._is_view()",
    "nn.functional.scaled_dot_product_attention(w[None], w[None], w[None])._is_view()",
    "torch._dynamo.reset(), setattr(module('_dynamo').config, 'suppress_errors', True)",
    "module('_dynamo').disable(len)([1]), module('_dynamo').mark_dynamic(w, 0)",
    "module('_jit_internal').boolean_dispatch('k', 1, 0, lambda *a: 1, lambda *a: 2, 'm', 'f')(3)",
    "module('_jit_internal').Optional[int]",
    "torch._VF.relu(w)",
    "nn.functional.one_hot(input=torch.tensor([0, 2]), num_classes=3)",
    "torch.backends.cudnn.conv.fp32_precision, torch.backends.cuda.matmul.fp32_precision",
    "torch.backends.mkldnn.enabled, torch.cuda.set_rng_state(torch.get_rng_state())",
    "torch.jit._unwrap_optional(3), nn.functional.has_torch_function((w,))",
    "torch.xpu.is_available(), torch.xpu.device_count(), torch.xpu.manual_seed(0)",
    "torch.mps.is_available(), torch.mps.device_count(), torch.mps.manual_seed(0)",
    "w.to_dense() is w",
    "w.to_dense(torch.float64)",
    "w.new_zeros(size=(2,))",
    "w.new_ones(size=[1, 2])",
    "torch.Size([torch.tensor(3), True, 2]), torch.Size(torch.tensor([1, 2]))",
    "module('distributions.utils')._sum_rightmost(w, 1)",
    "module('distributions.transforms')._InverseTransform.__name__",
    "w.real",
    "w.histogram(3).hist",
    "w.clone().apply_(lambda x: 2 * x + 1)",
    "w.clone().map_(v, lambda x, y: x - y)",
    "i.clone().apply_(lambda x: x + 1)",
    "nn.init._calculate_fan_in_and_fan_out(w)",
    "nn.init._calculate_correct_fan(torch.ones(2, 3, 4, 5), 'fan_out')",
    "module('nn.modules.utils')._pair(3), module('nn.modules.utils')._triple((1, 2, 3))",
    "module('nn.modules.utils')._single(3), module('nn.modules.utils')._ntuple(5)(0)",
    "issubclass(nn.CrossEntropyLoss, nn.modules.loss._WeightedLoss)",
    "isinstance(nn.Dropout2d(), nn.modules.dropout._DropoutNd)",
    "isinstance(nn.BatchNorm1d(2), nn.modules.batchnorm._NormBase)",
    "repr(module('optim.optimizer').required)",
    "module('utils.hooks').RemovableHandle.__name__",
    "nn.Linear(2, 2).compile()",
    "torch.torch is torch, module('functional').F is nn.functional",
    "torch.Tensor.backward.__qualname__, w.register_hook.__name__",
    "torch.OutOfMemoryError is torch.cuda.OutOfMemoryError",
    "module('utils.data._utils.collate').default_collate([(1, w), (2, w)])[1]",
    "module('utils.data')._utils.worker.get_worker_info()",
    "repr(torch.Generator).partition('.')[2], module('_C').Generator is torch.Generator",
    "[type(iter(torch.utils.data.DataLoader([1], num_workers=n))).__name__ for n in (0, 1)]",
    "torch.set_deterministic_debug_mode('warn'), torch.get_deterministic_debug_mode()",
    "torch.use_deterministic_algorithms(False), torch.get_deterministic_debug_mode()",
    "module('_C')._set_grad_enabled(True), torch.is_grad_enabled()",
    "tuple(v.clone().set_().shape)",
    "v.clone().set_(w, 1, (2, 2), (4, 1))",
    "v.clone().set_(w.storage())",
    "v.clone().set_(w.untyped_storage(), 2, (2, 3))",
    "(lambda a: a.set_(v) is a and a.data_ptr() == v.data_ptr())(torch.zeros(1))",
]
EXPRESSIONS += [
    f"torch.segment_reduce({data}, '{reduce}', lengths=torch.tensor([2, 0, 1]), initial={initial})"
    for data in ("w", "w[:, 0]")
    for reduce in ("sum", "mean", "max", "min", "prod")
    for initial in (None, 0.5)
]
EXPRESSIONS += ["torch.segment_reduce(w, 'max', offsets=torch.tensor([0, 1, 3]))"]
# Numbers before tensors, as scripts of before 2019 have them.
EXPRESSIONS += [
    "w.add(2, v)",
    "w.clone().add_(2, v)",
    "torch.add(w, 2, v)",
    "w.add(2, other=v)",
    "w.sub(2, v)",
    "w.clone().sub_(0.5, v)",
    "w.addcmul(2, v, w)",
    "w.clone().addcmul_(1 - 0.9, v, w)",
    "torch.addcmul(w, 2, v, w)",
    "w.clone().addcdiv_(-0.1, w, v)",
    "w.addcdiv(2, w, tensor2=v)",
    "torch.addmm(2, w[:, :3], w[:, :3], w[:, :3])",
    "torch.addmm(2, w[:, :3], 3, w[:, :3], w[:, :3])",
    "w[:, :3].addmm(2, 3, w[:, :3], w[:, :3])",
    "w[:, :3].addmm(2, w[:, :3], w[:, :3])",
    "torch.addmv(2, v[:3], w, v)",
    "v[:3].clone().addmv_(2, 3, w, v)",
    "torch.addr(2, w, 3, v[:3], v)",
    "torch.baddbmm(2, w[None, :, :3], w[None, :, :3], w[None, :, :3])",
    "w[:, :3].addbmm(2, w[None, :, :3], w[None, :, :3])",
    "torch.autograd.Variable(w, volatile=True)",
    "torch.autograd.Variable(w, False, True).requires_grad, w.volatile",
    "tuple(torch.autograd.Variable().shape)",
    "w.clamp(0, torch.tensor(2.5))",
    "w.clone().clamp_(torch.tensor(-1), 2)",
    "torch.clamp(w.int(), 0, torch.tensor(1.5))",
    "w.split(split_size=[1, 2], dim=0)[1]",
    "w.split(split_size=2)[1]",
]
# What optimizers of one's own are written in.
EXPRESSIONS += [
    f"sum(torch._foreach_{call}([w, w + 1], {arguments}))"
    for call, arguments in [
        ("add", "1"), ("add", "[v, w], alpha=2"), ("sub", "[1, 2]"), ("mul", "torch.tensor(2.0)"),
        ("addcdiv", "[w, v], [v, v], 2"), ("addcdiv", "[w, v], [v, v], [1.0, 2.0]"),
        ("addcdiv", "[w, v], [v, v], torch.tensor([1.0, 2.0])"),
        ("addcmul", "[w, v], [v, v], value=2"), ("lerp", "[w, v.expand(3, 4)], 0.5"),
        ("lerp", "[w, v.expand(3, 4)], [0.5, 0.25]"), ("pow", "2"), ("pow", "[1, 2]"),
        ("maximum", "2"), ("clamp_max", "2"), ("norm", ""), ("norm", "1"), ("max", ""),
        ("neg", ""), ("exp", ""),
    ]
]  # fmt: skip
EXPRESSIONS += [
    "sum(torch._foreach_pow(2, [v, v + 1]))",
    "(lambda a: torch._foreach_add_(a, [w, v], alpha=2) is a and a[0])([w.clone(), v.clone()])",
    "(lambda a: torch._foreach_copy_(a, [w, v]) and a[1])([w + 1, v + 1])",
    "(lambda a: torch._foreach_zero_(a) and a[1])([w + 1, v + 1])",
]
EXPRESSIONS += [
    f"(lambda tree: ({text}))(module('utils._pytree'))"
    for text in [
        "tree.tree_flatten({'a': 1, 'b': (2, [3, None])})[0]",
        "repr(tree.tree_structure({'a': 1, 'b': (2, [3, None])}))",
        "tree.tree_structure([1, (2,)]) == tree.tree_structure([3, (4,)])",
        "tree.tree_structure([1, (2, 3)]).num_leaves",
        "tree.tree_unflatten([5, 6], tree.tree_structure({'a': [1], 'b': 2}))",
        "tree.tree_map(lambda x: x if x is None else x + 1, (1, [2, None], {'c': 3}))",
        "tree.tree_map(lambda x, y: x + y, {'a': 1, 'b': 2}, {'a': 3, 'b': 4})",
        "tree.tree_map(len, [[1, 2], [3]], is_leaf=lambda x: isinstance(x[0], int))",
        "tree.tree_map(abs, slice_of(-1, 2))",
        "tree.tree_map(abs, __import__('collections').OrderedDict(a=-1)).__class__.__name__",
        "tree.tree_leaves([1, {'a': (2,)}]), [*tree.tree_iter((1, [2]))]",
        "tree.tree_map_only(int, lambda x: x + 1, [1, 'a', 2.0])",
        "tree.tree_any(bool, [0, [1]]), tree.tree_all(bool, [0, [1]])",
    ]
]
EXPRESSIONS += [
    f"torch.__version__.__class__({version!r}) {operator} {other!r}"
    for version, operator, other in [
        ("2.13.0", ">=", "2.2"), ("2.13.0", ">=", (2, 2)), ("2.13.0", "<", "2.13.1"),
        ("2.13.0+x", ">", "2.13"), ("2.13.0", "==", "2.13"), ("2.13.0a0", "<", "2.13.0"),
        ("2.13.0", "!=", "odd"), ("2.13.0", ">", "odd"), ("1.10", ">", "1.9"), ("2.0", "==", 2),
    ]
]  # fmt: skip
EXPRESSIONS += [
    "[str(t) for t in (torch.float16, torch.half, torch.bfloat16, torch.int16, torch.int8)]",
    "torch.float16.is_floating_point, torch.int8.is_floating_point, torch.bfloat16.itemsize",
    "[(str(t), t.itemsize, t.is_signed) for t in (torch.uint16, torch.uint32, torch.uint64)]",
    "torch.short is torch.int16, isinstance(torch.half, torch.dtype)",
    "w.dtype in [torch.float16, torch.bfloat16], torch.float16 == torch.float32",
    "torch.finfo(torch.float16).max, torch.iinfo(torch.int8).min",
    "__import__('pickle').loads(__import__('pickle').dumps(torch.int16)) is torch.int16",
    "module('fx').wrap(len), torch._assert(w.ndim == 2, 'a matrix')",
    "torch.is_autocast_enabled(), torch.is_autocast_enabled('cpu')",
    "[str(torch.get_autocast_dtype(device)) for device in ('cpu', 'cuda')]",
    "torch._C._get_tracing_state(), torch._C._log_api_usage_once('x')",
    "type(module('__config__').show()), 'threads' in module('__config__').parallel_info()",
]


def run(lib: Any, text: str) -> Any:
    names = {
        "torch": lib, "nn": lib.nn, "np": np,
        "i": lib.tensor([2, 0]), "v": lib.tensor([1.0, 2, 3, 4]),
        "w": lib.tensor([[1.0, -2, 3, 0.5], [4, 5, -6, 2], [7, 8, 9, -1]]),
        "slice_of": namedtuple("slice_of", "a b"),
        "module": lambda path: importlib.import_module(f"{lib.__name__}.{path}"),
    }  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return eval(text, names)


@pytest.mark.parametrize("text", EXPRESSIONS)
def test_name_is_here_and_gives_what_pytorch_gives(text: str) -> None:
    ours = run(bx, text)
    torch = pytest.importorskip("torch")
    theirs = run(torch, text)
    if isinstance(theirs, torch.Tensor):
        assert str(ours.dtype) == str(theirs.dtype)
        np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)
    else:
        assert ours == theirs


def test_gradient_of_segments_goes_to_their_elements() -> None:
    x = bx.tensor([1.0, 3.0, 2.0, 5.0], requires_grad=True)
    means = bx.segment_reduce(x, "mean", lengths=bx.tensor([3, 1]))
    (means * bx.tensor([3.0, 2.0])).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [1.0, 1.0, 1.0, 2.0]


@pytest.mark.parametrize(
    ("call", "kind", "part"),
    [
        (lambda x: bx.segment_reduce(x, "sum"), RuntimeError, "lengths"),
        (lambda x: bx.segment_reduce(x, "last", lengths=bx.tensor([3])), RuntimeError, "'last'"),
        (lambda x: bx.segment_reduce(x, "sum", lengths=bx.tensor([2])), RuntimeError, "up to 2"),
        (lambda x: bx.range(3, 0), RuntimeError, "3 to 0"),
        (lambda x: x.requires_grad_().apply_(abs), TypeError, "requires grad"),
        (lambda x: x.map_(2, max), TypeError, "must be Tensor"),
        (lambda x: bx._foreach_add([x, x], [1]), RuntimeError, "2 and of 1"),
        (lambda x: bx._foreach_add([], 1), RuntimeError, "empty"),
        (
            lambda x: _pytree.tree_unflatten([1], _pytree.tree_structure([1, 2])),
            ValueError,
            "1 leaves",
        ),
        (lambda x: _pytree.tree_map(max, [1, 2], [3]), ValueError, "structure"),
        (lambda x: _pytree.register_pytree_node(dict, iter, dict), ValueError, "already"),
        (lambda x: bx.__version__ < 2, TypeError, "not supported"),
        (lambda x: x.to(bx.uint16), NotImplementedError, "uint16.*int32"),
        (lambda x: bx.zeros(2, dtype=bx.uint64), NotImplementedError, "uint64.*int64"),
        (lambda x: x.add(x, x), TypeError, "add"),
        (lambda x: x.clamp(0, x), TypeError, r"a tensor of shape \(3,\); pass two"),
        (lambda x: x.clamp(0, x.requires_grad_().sum()), TypeError, "requires grad; pass two"),
        (lambda x: bx._assert(x.sum() < 0, "negative"), AssertionError, "negative"),
        (lambda x: bx.autograd.Variable(x, True, volatile=True), ValueError, "exclude"),
        (lambda x: bx.get_autocast_dtype("tpu"), RuntimeError, "'tpu'"),
        (lambda x: bx.optim.Optimizer([x], {"lr": bx.optim.optimizer.required}), ValueError, "lr="),
    ],
)
@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_misuse_of_these_names_is_told(call: Any, kind: type[Exception], part: str) -> None:
    with pytest.raises(kind, match=part):
        call(bx.tensor([1.0, 2.0, 3.0]))


def test_an_older_order_of_arguments_is_taken_with_one_warning() -> None:
    code = (
        "import warnings; import backprop_ext as bx; x = bx.ones(2)\n"
        "with warnings.catch_warnings(record=True) as seen:\n"
        "    warnings.simplefilter('always')\n"
        "    x.add_(2, x); x.addcmul_(2, x, x)\n"
        "print(len(seen), seen[0].category.__name__, seen[0].message)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("1 UserWarning [add_] (input, alpha, other) is deprecated;")
    assert "(input, other, *, alpha=1)" in run.stdout
    assert "alpha, other" not in bx.Tensor.add.__doc__


def test_version_names_the_interface_and_this_package() -> None:
    interface, _, own = bx.__version__.partition("+bx")
    assert interface == "2.13.0"
    assert own == importlib.metadata.version("backprop_ext")


def test_classes_say_the_modules_that_pytorch_keeps_them_in() -> None:
    assert repr(type((bx.ones(1, requires_grad=True) * 2).grad_fn)) == "<class 'MulBackward0'>"
    kinds = {
        bx.nn.Flatten: "nn.modules.flatten",
        bx.nn.MultiheadAttention: "nn.modules.activation",
        bx.optim.AdamW: "optim.adamw",
        bx.nn.utils.prune.L1Unstructured: "nn.utils.prune",
        bx.distributions.ExpTransform: "distributions.transforms",
        type(bx.ones(2).max(0)): "return_types",
    }
    for kind, module in kinds.items():
        assert kind.__module__ == f"{bx.__name__}.{module}"
    largest = bx.arange(3.0).topk(2)
    assert repr(pickle.loads(pickle.dumps(largest))) == repr(largest)


def test_families_of_layers_have_pytorchs_names() -> None:
    layers = bx.nn.modules
    for base, kinds in {
        layers.pooling._MaxPoolNd: (bx.nn.MaxPool1d, bx.nn.MaxPool2d),
        layers.pooling._AvgPoolNd: (bx.nn.AvgPool1d, bx.nn.AvgPool3d),
        layers.pooling._AdaptiveAvgPoolNd: (bx.nn.AdaptiveAvgPool1d,),
        layers.conv._ConvTransposeNd: (bx.nn.ConvTranspose2d,),
        layers.padding._ConstantPadNd: (bx.nn.ConstantPad1d, bx.nn.ZeroPad2d),
    }.items():
        assert all(issubclass(kind, base) for kind in kinds)
    clones = layers.transformer._get_clones(bx.nn.Linear(1, 1), 2)
    assert len(clones) == 2
    assert clones[0].weight is not clones[1].weight
