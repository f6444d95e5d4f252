"""Sparse tensors against dense ones, against recorded prints, and against PyTorch where it is."""

from __future__ import annotations

import copy
import io
import json
import pickle
import warnings
import zipfile
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.nn import functional as F

INDICES = [[0, 2, 0, 3, 2], [1, 0, 1, 2, 0]]
VALUES = [1.0, -2.0, 3.0, 0.5, 4.0]


def some(dtype: Any = bx.float64, requires_grad: bool = False) -> bx.Tensor:
    """A matrix (4, 3) with two values at each of two places."""
    return bx.sparse_coo_tensor(INDICES, VALUES, (4, 3), dtype=dtype, requires_grad=requires_grad)


def dense() -> np.ndarray:
    """The same by a loop."""
    out = np.zeros((4, 3))
    for row, column, value in zip(*INDICES, VALUES, strict=True):
        out[row, column] += value
    return out


def rows() -> bx.Tensor:
    """A table (5, 2) with values for rows, one of them twice."""
    values = bx.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], dtype=bx.float64)
    return bx.sparse_coo_tensor([[3, 0, 3]], values, (5, 2))


def shown(t: bx.Tensor) -> np.ndarray:
    return t.detach().to_dense().numpy()


def test_parts() -> None:
    s = some()
    assert (s.shape, s.layout, s.dtype, s.is_sparse) == ((4, 3), bx.sparse_coo, bx.float64, True)
    assert (s._nnz(), s.sparse_dim(), s.dense_dim(), s.numel(), len(s)) == (5, 2, 0, 12, 4)
    assert not s.is_coalesced()
    with pytest.raises(RuntimeError, match="coalesce"):
        s.indices()
    c = s.coalesce()
    assert c.is_coalesced()
    assert c.coalesce() is c
    assert c.indices().tolist() == [[0, 2, 3], [1, 0, 2]]
    assert c.values().tolist() == [4.0, 2.0, 0.5]
    np.testing.assert_array_equal(shown(s), dense())
    np.testing.assert_array_equal(shown(c), dense())
    assert rows().dense_dim() == 1
    assert rows().coalesce().indices().tolist() == [[0, 3]]


def test_round_trips() -> None:
    x = bx.tensor(dense())
    for s in (x.to_sparse(), x.to_sparse(1), x.to_sparse_csr(), x.to_sparse(layout=bx.sparse_csr)):
        np.testing.assert_array_equal(shown(s), dense())
    assert x.to_sparse(1).values().shape == (3, 3)
    csr = some().to_sparse_csr()
    assert csr.crow_indices().tolist() == [0, 1, 1, 2, 3]
    assert csr.col_indices().tolist() == [1, 0, 2]
    again = bx.sparse_csr_tensor(csr.crow_indices(), csr.col_indices(), csr.values(), (4, 3))
    np.testing.assert_array_equal(shown(again), dense())
    assert (csr.layout, csr.is_sparse, csr.is_sparse_csr) == (bx.sparse_csr, False, True)


def test_prints() -> None:
    assert repr(some(bx.float32)) == (
        "tensor(indices=tensor([[0, 2, 0, 3, 2],\n"
        "                       [1, 0, 1, 2, 0]]),\n"
        "       values=tensor([ 1.0000, -2.0000,  3.0000,  0.5000,  4.0000]),\n"
        "       size=(4, 3), nnz=5, layout=torch.sparse_coo)"
    )
    assert repr(some(requires_grad=True) * 2).endswith(
        "size=(4, 3), nnz=5, dtype=torch.float64, layout=torch.sparse_coo,\n"
        "       grad_fn=<MulBackward0>)"
    )
    assert repr(bx.tensor([[1.0, 0.0]]).to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1]),\n"
        "       col_indices=tensor([0]),\n"
        "       values=tensor([1.]), size=(1, 2), nnz=1, layout=torch.sparse_csr)"
    )
    assert repr(bx.zeros_like(some(bx.float32))).startswith(
        "tensor(indices=tensor([], size=(2, 0)),\n       values=tensor([], size=(0,)),\n"
    )


# An operation on the sparse operands, and the same by NumPy on dense ones.
A, D = dense(), np.arange(12.0).reshape(4, 3) - 4
SAME = {
    "mm": (lambda s: s @ bx.tensor(D.T), A @ D.T),
    "mm_left": (lambda s: bx.tensor(D.T) @ s, D.T @ A),
    "mm_sparse": (lambda s: s @ s.t(), A @ A.T),
    "mv": (lambda s: bx.mv(s, bx.tensor(D[0])), A @ D[0]),
    "linear": (lambda s: F.linear(bx.tensor(D), s), D @ A.T),
    "addmm": (lambda s: bx.addmm(bx.tensor(D), s, bx.tensor(D[:3])), D + A @ D[:3]),
    "bmm": (
        lambda s: bx.bmm(bx.stack([s, s * 2]), bx.tensor(np.stack([D.T, D.T]))),
        np.stack([A @ D.T, 2 * A @ D.T]),
    ),
    "csr": (lambda s: s.to_sparse_csr() @ bx.tensor(D.T), A @ D.T),
    "smm": (lambda s: bx.smm(s, bx.tensor(D.T)), A @ D.T),
    "hspmm": (lambda s: bx.hspmm(s, bx.tensor(D.T)), A @ D.T),
    "mean": (
        lambda s: bx.sparse.mm(s, bx.tensor(D.T), "mean"),
        A @ D.T / np.maximum((A != 0).sum(1, keepdims=True), 1),
    ),
    "sampled": (
        lambda s: bx.sparse.sampled_addmm(s.coalesce(), bx.tensor(D), bx.tensor(D[:3]), beta=2),
        2 * A + D @ D[:3] * (A != 0),
    ),
    "t": (lambda s: s.t(), A.T),
    "mT": (lambda s: s.mT, A.T),
    "permute": (lambda s: s.permute(1, 0), A.T),
    "unsqueeze": (lambda s: s.unsqueeze(1), A[:, None]),
    "unsqueeze_dense": (lambda s: s.unsqueeze(-1), A[..., None]),
    "cat": (lambda s: bx.cat([s, s * 2]), np.concatenate([A, 2 * A])),
    "cat1": (lambda s: bx.cat([s, s], 1), np.concatenate([A, A], 1)),
    "stack": (lambda s: bx.stack([s, s]), np.stack([A, A])),
    "select": (lambda s: s[2], A[2]),
    "element": (lambda s: s[0, 1], A[0, 1]),
    "column": (lambda s: s[:, -1], A[:, -1]),
    "index_select": (lambda s: s.index_select(0, bx.tensor([3, 0, 0])), A[[3, 0, 0]]),
    "getitem": (lambda s: s[bx.tensor([2, 1])], A[[2, 1]]),
    "slice": (lambda s: s[1:, :2], A[1:, :2]),
    "vstack": (lambda s: bx.vstack([s, s]), np.vstack([A, A])),
    "hstack": (lambda s: bx.hstack([s, s]), np.hstack([A, A])),
    "movedim": (lambda s: s.movedim(0, 1), A.T),
    "floor_divide": (lambda s: s // 3, np.where(A, A // 3, 0)),
    "dist": (lambda s: bx.dist(s, s * 3), np.linalg.norm(2 * A)),
    "csr_add": (lambda s: s.to_sparse_csr() + bx.tensor(D), A + D),
    "unbind": (lambda s: bx.stack([*s.unbind(1)]), A.T),
    "sum": (lambda s: s.sum(), A.sum()),
    "sum0": (lambda s: bx.sparse.sum(s, 0), A.sum(0)),
    "sum_both": (lambda s: s.sum((0, 1)), A.sum()),
    "norm": (lambda s: s.norm(), np.linalg.norm(A)),
    "add": (lambda s: s + s.t().t(), A + A),
    "add_dense": (lambda s: bx.tensor(D) + s, D + A),
    "sub_dense": (lambda s: bx.tensor(D) - s, D - A),
    "alpha": (lambda s: s.add(s, alpha=3), 4 * A),
    "mul": (lambda s: s * s, A * A),
    "mul_dense": (lambda s: s * bx.tensor(D), A * D),
    "mul_row": (lambda s: s * bx.tensor(D[0]), A * D[0]),
    "mul_other": (lambda s: s * bx.tensor(D).to_sparse(), A * D),
    "number": (lambda s: 2.5 * s / 4, A * 2.5 / 4),
    "neg": (lambda s: -s, -A),
    "sin": (lambda s: s.sin(), np.sin(A)),
    "abs": (lambda s: bx.abs(s), abs(A)),
    "relu": (lambda s: F.relu(s - s * 2), np.maximum(-A, 0)),
    "pow": (lambda s: s**3, A**3),
    "double": (lambda s: s.float().double(), A),
    "mask": (lambda s: bx.tensor(D).sparse_mask(s.coalesce()), D * (A != 0)),
}


@pytest.mark.parametrize("name", SAME)
def test_operations_are_those_of_dense_tensors(name: str) -> None:
    run, expected = SAME[name]
    for s in (some(), some().coalesce()):
        result = run(s)
        assert result.shape == np.shape(expected)
        np.testing.assert_allclose(shown(result), expected, rtol=1e-12)


@pytest.mark.parametrize(
    "name", [name for name in SAME if name not in ("double", "mask", "abs", "floor_divide")]
)
def test_gradients_are_those_of_dense_tensors(name: str) -> None:
    """Of the values, by finite differences; twice where the operation is curved."""

    def f(values: bx.Tensor) -> bx.Tensor:
        s = bx.sparse_coo_tensor(INDICES, values, (4, 3))
        return SAME[name][0](s).to_dense()

    values = bx.tensor(VALUES, dtype=bx.float64, requires_grad=True)
    assert bx.autograd.gradcheck(f, values)
    assert bx.autograd.gradgradcheck(f, values)


def test_softmax_is_over_the_values_that_are_there() -> None:
    expected = np.where(A != 0, np.exp(A), 0)
    for dim in (0, 1):
        total = expected.sum(dim, keepdims=True)
        wanted = np.divide(expected, total, out=np.zeros_like(A), where=total > 0)
        np.testing.assert_allclose(shown(bx.sparse.softmax(some(), dim)), wanted)
        logs = bx.sparse.log_softmax(some(), dim)
        np.testing.assert_allclose(np.exp(logs.values().numpy()), wanted[A != 0])
    large = bx.sparse_coo_tensor([[0, 0], [0, 1]], [1e4, 1e4 + 1], (1, 2), dtype=bx.float64)
    np.testing.assert_allclose(bx.sparse.softmax(large, 1).values(), [0.26894142, 0.73105858])
    curved = rows().requires_grad_()
    bx.sparse.softmax(curved, 1).to_dense().pow(2).sum().backward()
    assert curved.grad.shape == (5, 2)


def test_gradients_of_both_operands() -> None:
    s = some().coalesce().requires_grad_()
    x = bx.tensor(D.T, requires_grad=True)
    g = np.arange(16.0).reshape(4, 4)
    bx.sparse.mm(s, x).backward(bx.tensor(g))
    assert s.grad.layout is bx.sparse_coo
    assert s.grad.indices().tolist() == s.indices().tolist()
    np.testing.assert_allclose(shown(s.grad), (g @ D) * (A != 0))
    np.testing.assert_allclose(x.grad, A.T @ g)
    bx.sparse.mm(s, x).backward(bx.tensor(g))  # added to
    assert s.grad._nnz() == 3
    np.testing.assert_allclose(shown(s.grad), 2 * (g @ D) * (A != 0))
    (found,) = bx.autograd.grad((s * s).sum(), s)
    np.testing.assert_allclose(shown(found), 2 * A)


def test_a_gradient_of_a_sparse_result_may_be_of_either_layout() -> None:
    s = some().coalesce().requires_grad_()
    (2 * s).backward(bx.tensor(D))
    np.testing.assert_allclose(shown(s.grad), 2 * D * (A != 0))
    (s * s).backward(bx.tensor(D).to_sparse())
    np.testing.assert_allclose(shown(s.grad), 2 * (D + A * D) * (A != 0))
    x = bx.tensor(D, requires_grad=True)
    (x * 3).backward(some())
    np.testing.assert_allclose(x.grad, 3 * A)
    with pytest.raises(RuntimeError, match="shape"):
        (2 * s).backward(bx.ones(3, dtype=bx.float64))


def test_a_function_of_ones_own_takes_and_keeps_sparse_tensors() -> None:
    class Product(bx.autograd.Function):
        @staticmethod
        def forward(ctx: Any, a: bx.Tensor, b: bx.Tensor) -> bx.Tensor:
            ctx.save_for_backward(a, b)
            return a @ b

        @staticmethod
        def backward(ctx: Any, g: bx.Tensor) -> Any:
            a, b = ctx.saved_tensors
            assert a.is_sparse
            return (g @ b.t()).sparse_mask(a), a.t() @ g

    g = bx.tensor(np.arange(16.0).reshape(4, 4))
    for scale in (1, 2):
        leaf = some().coalesce().requires_grad_()
        x = bx.tensor(D.T, requires_grad=True)
        Product.apply(leaf if scale == 1 else leaf * scale, x).backward(g)
        np.testing.assert_allclose(shown(leaf.grad), scale * (g.numpy() @ D) * (A != 0))
        np.testing.assert_allclose(x.grad, scale * A.T @ g.numpy())


def test_hooks_may_change_the_layout_of_a_gradient() -> None:
    x = bx.tensor(D, requires_grad=True)
    y = x * 2
    y.register_hook(lambda g: g.to_sparse())
    y.pow(2).sum().backward()
    np.testing.assert_allclose(x.grad, 8 * D)
    s = some().coalesce().requires_grad_()
    t = s * 2
    t.retain_grad()
    (t * t).sum().backward()
    np.testing.assert_allclose(shown(t.grad), 4 * A)
    np.testing.assert_allclose(shown(bx.autograd.grad((t * t).sum(), t)[0]), 4 * A)


def test_a_gradient_goes_through_a_dense_tensor() -> None:
    x = bx.tensor(D, requires_grad=True)
    (x.to_sparse() @ bx.tensor(D.T)).sum().backward()
    np.testing.assert_allclose(x.grad, np.where(D != 0, D.sum(0), 0))


# -- in place, copies, files ----------------------------------------------------------------------


def test_in_place() -> None:
    s = some()
    s *= 2
    s += s.clone()
    np.testing.assert_allclose(shown(s), 4 * A)
    s.sin_().neg_()
    np.testing.assert_allclose(shown(s), -np.sin(4 * A))
    assert s.zero_() is s
    assert s._nnz() == 0
    x = bx.tensor(D)
    x.add_(some(), alpha=2).sub_(some())
    np.testing.assert_allclose(x, D + A)
    constant, ones = some(), bx.ones(3, 1, dtype=bx.float64)
    np.testing.assert_allclose(constant @ ones, A.sum(1, keepdims=True))
    constant._values().mul_(2)
    np.testing.assert_allclose(constant @ ones, 2 * A.sum(1, keepdims=True))
    constant.mul_(3)
    np.testing.assert_allclose(constant @ ones, 6 * A.sum(1, keepdims=True))
    with pytest.raises(RuntimeError, match="in place"):
        some(requires_grad=True).mul_(2)
    with pytest.raises(TypeError, match="items"):
        s[0] = 1


def test_copies_and_files(tmp_path: Any) -> None:
    s = some().coalesce().requires_grad_()
    (s * s).sum().backward()
    copied = copy.deepcopy(s)
    assert copied.requires_grad
    assert copied.is_coalesced()
    np.testing.assert_allclose(shown(copied.grad), shown(s.grad))
    model = nn.Linear(2, 2)
    model.register_buffer("adjacency", some())
    assert model.float().adjacency.dtype is bx.float32
    state = {"s": s, "csr": some().to_sparse_csr(), "model": model.state_dict()}
    bx.save(state, tmp_path / "state.pt")
    for loaded in (bx.load(tmp_path / "state.pt"), pickle.loads(pickle.dumps(state))):
        assert loaded["s"].requires_grad
        assert loaded["s"].is_coalesced()
        assert loaded["csr"].layout is bx.sparse_csr
        for t in (loaded["s"], loaded["csr"], loaded["model"]["adjacency"]):
            np.testing.assert_array_equal(shown(t), A)


def test_a_damaged_file_is_refused() -> None:
    stream = io.BytesIO()
    bx.save(some().coalesce(), stream)
    with zipfile.ZipFile(stream) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    tree = json.loads(parts["tree.json"])
    good = json.dumps(tree)
    changes: list[Any] = [
        lambda node: node.__setitem__(2, {"Size": [2, 2]}),
        lambda node: node.__setitem__(0, node[1]),
        lambda node: node.__setitem__(2, {"Size": [4, 3, 1]}),
        lambda node: node.pop(),
        lambda node: node.__setitem__(1, 7),
    ]
    for change in changes:
        tree = json.loads(good)
        change(tree["root"]["sparse"])
        damaged = io.BytesIO()
        with zipfile.ZipFile(damaged, "w") as archive:
            for name, content in {**parts, "tree.json": json.dumps(tree).encode()}.items():
                archive.writestr(name, content)
        damaged.seek(0)
        with pytest.raises(Exception, match="damaged"):
            bx.load(damaged)


# -- errors ---------------------------------------------------------------------------------------

WRONG: list[tuple[type[Exception], Any]] = [
    (RuntimeError, lambda: bx.sparse_coo_tensor([[0, 1]], [1.0])),
    (RuntimeError, lambda: bx.sparse_coo_tensor([[0], [5]], [1.0], (2, 3))),
    (RuntimeError, lambda: bx.sparse_coo_tensor([[0], [-1]], [1.0], (2, 3))),
    (RuntimeError, lambda: bx.sparse_coo_tensor([[0], [1]], [1.0], (2, 3, 4))),
    (RuntimeError, lambda: bx.sparse_coo_tensor([0, 1], [1.0, 2.0])),
    (RuntimeError, lambda: bx.sparse_coo_tensor([[True]], [1.0])),
    (RuntimeError, lambda: bx.sparse_coo_tensor([[1, 0]], [1.0, 2.0], is_coalesced=True)),
    (RuntimeError, lambda: bx.sparse_csr_tensor([0, 2, 1], [0], [1.0], (2, 3))),
    (RuntimeError, lambda: bx.sparse_csr_tensor([0, 1], [0], [1.0], (2, 3))),
    (RuntimeError, lambda: bx.sparse_csr_tensor([0, 1, 1], [3], [1.0], (2, 3))),
    (RuntimeError, lambda: some() @ some()),
    (RuntimeError, lambda: some() @ bx.ones(3, 2)),
    (RuntimeError, lambda: bx.sparse.mm(some(), bx.ones(3, dtype=bx.float64))),
    (RuntimeError, lambda: some() + bx.ones(4, 3)),
    (RuntimeError, lambda: some() + 1),
    (RuntimeError, lambda: some() + some().t()),
    (RuntimeError, lambda: some() / some()),
    (RuntimeError, lambda: bx.cat([some(), bx.ones(4, 3)])),
    (RuntimeError, lambda: some() ** -1),
    (IndexError, lambda: some()[7]),
    (IndexError, lambda: some().index_select(1, bx.tensor([3]))),
    (IndexError, lambda: some().sum(2)),
    (NotImplementedError, lambda: some().exp()),
    (NotImplementedError, lambda: some().mean()),
    (NotImplementedError, lambda: bx.cos(some())),
    (NotImplementedError, lambda: some() == some()),
    (NotImplementedError, lambda: some().view(12)),
    (NotImplementedError, lambda: bx.linalg.norm(some(), 2)),
    (TypeError, lambda: bx.cat(some())),
    (TypeError, lambda: some() * [1.0]),
    (TypeError, lambda: some().sum(1.5)),
    (RuntimeError, lambda: bx.mv(some(), some())),
    (NotImplementedError, lambda: F.dropout(some())),
    (NotImplementedError, lambda: bx.where(bx.ones(4, 3) > 0, some(), 0.0)),
    (RuntimeError, lambda: nn.Linear(4, 2)(some().to_sparse_csr().double())),
    (TypeError, lambda: some().numpy()),
    (TypeError, lambda: np.asarray(some())),
    (RuntimeError, lambda: some().tolist()),
    (RuntimeError, lambda: some().data_ptr()),
    (RuntimeError, lambda: bx.ones(2).coalesce()),
    (RuntimeError, lambda: bx.ones(2).indices()),
    (RuntimeError, lambda: bx.ones(2).to_sparse(2)),
    (RuntimeError, lambda: bx.sparse.softmax(bx.ones(2), 0)),
    (RuntimeError, lambda: bx.sparse.spdiags(bx.ones(2, 3), bx.tensor([0]), (3, 3))),
    (RuntimeError, lambda: bx.sparse.mm(bx.ones(2, 2), bx.ones(2, 2), "mean")),
    (RuntimeError, lambda: bx.sparse.sampled_addmm(some(), bx.ones(2, 2), bx.ones(2, 3))),
    (AttributeError, lambda: bx.sparse.to_sparse_semi_structured),
]


@pytest.mark.parametrize("number", range(len(WRONG)))
def test_mistakes_have_pytorchs_class(number: int) -> None:
    kind, call = WRONG[number]
    with pytest.raises(kind):
        call()


def test_a_missing_operation_is_named() -> None:
    with pytest.raises(NotImplementedError, match=r"\[exp\].*shape \(4, 3\).*to_dense"):
        some().exp()


def test_gradient_shapes_are_checked() -> None:
    x = bx.ones(4, 3, requires_grad=True)
    x.grad = some(bx.float32)
    assert x.grad.is_sparse
    with pytest.raises(RuntimeError, match="shape"):
        x.grad = bx.ones(2, 2).to_sparse()


# -- beside PyTorch -------------------------------------------------------------------------------

SETUP = """
i = torch.tensor([[0, 1, 1, 0], [2, 0, 2, 2]]); v = torch.tensor([3.0, 4, 5, -1])
s = torch.sparse_coo_tensor(i, v, (2, 3)); c = s.coalesce()
q = c.clone().requires_grad_(); w = torch.arange(6.0).reshape(3, 2).requires_grad_()
h = torch.sparse_coo_tensor([[0, 2, 0]], torch.tensor([[1.0, 2], [3, 4], [5, 6]]), (4, 2))
d = torch.arange(6.0).reshape(2, 3); F = torch.nn.functional
"""
LINES = """
str(s) | str(c) | str(h) | str(q) | str(q * 2) | str(s.double()) | str(c.to_sparse_csr())
str(torch.zeros_like(s)) | str(s.int()) | str(d.to_sparse(1))
s.sum(0) | h.sum(0) | h.sum(1) | torch.sparse.softmax(h, 0) | torch.sparse.log_softmax(s, 1)
s * d | d + s | s + d | s - c | c - c | s + h | s[0] | s[0, 2] | s[:, 0] | s[5] | list(s)
s.numpy() | s.cos() | s.exp() | s == s | torch.cat([s, s], 1) | torch.cat([s, d]) | s.norm(1)
h.index_select(0, torch.tensor([0, 3, 2])) | h.index_select(1, torch.tensor([1])) | s.unsqueeze(2)
torch.addmm(torch.ones(2, 3), s, torch.ones(3, 3), beta=2, alpha=0.5) | torch.ones(2, 2) @ s
torch.bmm(torch.stack([s, s]), torch.ones(2, 3, 2)) | s.pow(0) | d.add_(s) | s.type() | s.item()
d.sparse_mask(c) | s.any() | s.nbytes | s.repeat(2, 1) | s.split(1) | s.to_sparse_csr() @ w
torch.sparse.FloatTensor(i, v, torch.Size([2, 3])) | torch.sparse.FloatTensor(2, 3) | s @ s.t()
torch.sparse_coo_tensor(i, v) | torch.sparse_coo_tensor((2, 3)) | torch.sparse_coo_tensor(i, 2.0)
torch.sparse_coo_tensor(i, v[:2], (2, 3)) | torch.sparse_coo_tensor(i, v, (2, 3, 4)) | d.indices()
torch.sparse.spdiags(d.reshape(2, 3), torch.tensor([0, 1]), (3, 4)) | s.indices() | s.values()
torch.mm(s, torch.ones(2, 2)) | torch.mm(s, torch.ones(3, 2).double()) | d.sparse_dim() | s.data
torch.autograd.grad((q @ w).sum(), [q, w])[1] | torch.autograd.grad(torch.sparse.sum(q), q)
torch.autograd.grad((q * q).to_dense().sum(), q) | torch.autograd.grad((q.to_dense() ** 2).sum(), q)
torch.autograd.grad(torch.sparse.mm(q, w).pow(2).sum(), [q, w]) | s.add(1) | s * torch.tensor(2.0)
torch.autograd.grad(torch.sparse.softmax(q, 1).to_dense().pow(2).sum(), q) | s.int() * 2.5
"""


@pytest.mark.parametrize(
    "line", [p.strip() for p in LINES.replace("\n", "|").split("|") if p.strip()]
)
def test_as_in_pytorch(line: str) -> None:
    torch = pytest.importorskip("torch")

    def run(library: Any) -> Any:
        scope: dict[str, Any] = {"torch": library}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(SETUP, scope)
            try:
                return plain(library, eval(line, scope))
            except Exception as error:
                return error

    def plain(library: Any, value: Any) -> Any:
        if isinstance(value, (tuple, list)):
            return [plain(library, item) for item in value]
        if not isinstance(value, library.Tensor):
            return value
        numbers = value.detach().to_dense().double().numpy().round(4).tolist()
        name = str(value.dtype).split(".")[-1]
        return str(value.layout), tuple(value.shape), name, numbers, value.requires_grad

    ours, theirs = run(bx), run(torch)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), (ours, theirs)
    else:
        assert ours == theirs


def test_a_size_alone_makes_an_empty_matrix() -> None:
    for made in (bx.sparse_coo_tensor(size=(2, 3)), bx.sparse_coo_tensor((2, 3))):
        assert made.shape == (2, 3)
        assert made._nnz() == 0
    with pytest.raises(TypeError):
        bx.sparse_coo_tensor()


DENSE = bx.tensor([[0, 1.0, 0], [2, 0, 3], [0, 0, 4], [5, 0, 0]])


def test_a_matrix_by_columns():
    m = DENSE.to_sparse_csc()
    assert m.layout is bx.sparse_csc
    assert m.ccol_indices().tolist() == [0, 2, 3, 5]
    assert m.row_indices().tolist() == [1, 3, 0, 1, 2]
    assert m.values().tolist() == [2, 5, 1, 3, 4]
    assert bx.equal(m.to_dense(), DENSE)
    assert repr(m).startswith("tensor(ccol_indices=tensor([0, 2, 3, 5]),")
    made = bx.sparse_csc_tensor(m.ccol_indices(), m.row_indices(), m.values(), (4, 3))
    assert bx.equal(made.to_dense(), DENSE)
    with pytest.raises(RuntimeError, match="crow_indices"):
        m.crow_indices()
    with pytest.raises(RuntimeError, match="rise"):
        bx.sparse_csc_tensor([0, 2, 1], [0, 1], [1.0, 2.0])


@pytest.mark.parametrize("way", ["to_sparse_csr", "to_sparse_csc"])
def test_a_compressed_matrix_turned(way):
    m = getattr(DENSE, way)()
    other = bx.sparse_csc if way == "to_sparse_csr" else bx.sparse_csr
    assert m.t().layout is other
    assert m.t().t().layout is m.layout
    assert bx.equal(m.t().to_dense(), DENSE.t())
    assert bx.equal(m @ bx.ones(3, 2), DENSE @ bx.ones(3, 2))
    assert bx.equal(m.t() @ bx.ones(4, 2), DENSE.t() @ bx.ones(4, 2))
    assert bx.equal((m * 2).abs().to_dense(), DENSE * 2)
    assert (m * 2).abs().layout is m.layout
    assert m.to_sparse_csc().to_sparse_csr().layout is bx.sparse_csr
    assert bx.equal(m.to_sparse_csc().to_sparse_csr().to_dense(), DENSE)


def test_elements_of_a_compressed_matrix_may_be_tensors():
    m = bx.sparse_csr_tensor([0, 1, 2], [0, 1], bx.ones(2, 3), size=(2, 2, 3))
    assert m.dense_dim() == 1
    assert m.to_dense().shape == (2, 2, 3)
    pair = bx.stack([DENSE, DENSE], -1)
    assert bx.equal(pair.to_sparse_csc(dense_dim=1).to_dense(), pair)
    assert bx.equal(pair.to_sparse(2).to_sparse_csr().to_dense(), pair)


def test_a_matrix_by_columns_is_saved(tmp_path):
    bx.save(DENSE.to_sparse_csc(), tmp_path / "m.pt")
    loaded = bx.load(tmp_path / "m.pt")
    assert loaded.layout is bx.sparse_csc
    assert bx.equal(loaded.to_dense(), DENSE)
