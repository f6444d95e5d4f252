"""Linear algebra where PyTorch is installed: empty and singular matrices, gauges, first values."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

torch = pytest.importorskip("torch")

DRAW = np.random.default_rng(5)
COMPLEX = np.random.default_rng(6).standard_normal((2, 3, 3, 2)).view(complex)[..., 0]
MATRICES: dict[str, Any] = {
    "0x0": np.zeros((0, 0)),
    "2 of 0x0": np.zeros((2, 0, 0)),
    "none of 3x3": np.zeros((0, 3, 3)),
    "3x0": np.zeros((3, 0)),
    "0x3": np.zeros((0, 3)),
    "1x1": DRAW.standard_normal((1, 1)),
    "vector": DRAW.standard_normal(3),
    "tall": DRAW.standard_normal((4, 2)),
    "wide": DRAW.standard_normal((2, 3)),
    "zero": np.zeros((2, 2)),
    "ones": np.ones((3, 3)),
    "one of 2 singular": np.stack([np.eye(2), np.zeros((2, 2))]),
    "negative": -np.eye(2),
    "float32": DRAW.standard_normal((3, 3)).astype("float32"),
    "2 of 1 of 3x3": DRAW.standard_normal((2, 1, 3, 3)),
    "integers": np.eye(2, dtype=np.int64),
    "complex": COMPLEX,
    "complex, tall": COMPLEX[..., :2],
    "complex, wide": COMPLEX[0, :2],
    "complex, positive": COMPLEX @ COMPLEX.conj().swapaxes(1, 2),
    "complex, rank 1": np.full((3, 3), 1j),
    "complex, one of 2 singular": np.stack([1j * np.eye(2), np.zeros((2, 2))]),
    "complex, 0x0": np.zeros((0, 0), complex),
    "complex, 0x3": np.zeros((0, 3), complex),
    "complex64": COMPLEX[0].astype("complex64"),
}


def ones(lib: Any, x: Any, *shape: int) -> Any:
    return lib.ones(shape, dtype=x.dtype)


inf = float("inf")
CALLS: dict[str, Any] = {
    "det": lambda lib, x: lib.det(x),
    "slogdet": lambda lib, x: lib.linalg.slogdet(x),
    "inv": lambda lib, x: lib.linalg.inv(x),
    "inv_ex": lambda lib, x: lib.linalg.inv_ex(x)[1],
    "pinv": lambda lib, x: lib.linalg.pinv(x),
    "pinv, hermitian": lambda lib, x: lib.linalg.pinv(x, hermitian=True),
    "cholesky": lambda lib, x: lib.linalg.cholesky(x),
    "cholesky_inverse": lambda lib, x: lib.cholesky_inverse(x),
    "cholesky_solve": lambda lib, x: lib.cholesky_solve(ones(lib, x, *x.shape[:-1], 2), x),
    "qr": lambda lib, x: [t.abs().round(decimals=6) for t in lib.linalg.qr(x, "complete")][-1],
    "lu": lambda lib, x: lib.linalg.lu(x),
    "lu_factor": lambda lib, x: lib.linalg.lu_factor(x),
    "lu, old": lambda lib, x: lib.lu(x, get_infos=True),
    "lu_unpack": lambda lib, x: lib.lu_unpack(*lib.linalg.lu_factor_ex(x)[:2]),
    "svdvals": lambda lib, x: lib.linalg.svdvals(x),
    "svd, shapes": lambda lib, x: [0 * t for t in lib.linalg.svd(x)],
    "eigvalsh": lambda lib, x: lib.linalg.eigvalsh(x),
    "eigvals": lambda lib, x: lib.linalg.eigvals(x).abs().sort()[0],
    "matrix_rank": lambda lib, x: lib.linalg.matrix_rank(x),
    "matrix_rank, hermitian": lambda lib, x: lib.linalg.matrix_rank(x, hermitian=True),
    "matrix_exp": lambda lib, x: lib.matrix_exp(x),
    "solve": lambda lib, x: lib.linalg.solve(x, ones(lib, x, *x.shape[:-1], 2)),
    "solve, left=False": lambda lib, x: lib.linalg.solve(
        x, ones(lib, x, 2, x.shape[-1]), left=False
    ),
    "solve, other size": lambda lib, x: lib.linalg.solve(x, ones(lib, x, 7, 7)),
    "lstsq": lambda lib, x: lib.linalg.lstsq(x, ones(lib, x, *x.shape[:-1], 2)),
    "lstsq, gelsd": lambda lib, x: lib.linalg.lstsq(
        x, ones(lib, x, *x.shape[:-1], 2), driver="gelsd"
    ),
    "solve_triangular": lambda lib, x: lib.linalg.solve_triangular(
        x, ones(lib, x, *x.shape[:-1], 2), upper=True
    ),
    "multi_dot": lambda lib, x: lib.linalg.multi_dot([x, x]),
    "chain_matmul": lambda lib, x: lib.chain_matmul(x),
    "tensorinv": lambda lib, x: lib.linalg.tensorinv(x, ind=1),
    "vander": lambda lib, x: lib.linalg.vander(x),
    "kron": lambda lib, x: lib.kron(x, x),
    "inner": lambda lib, x: lib.inner(x, x),
    "tensordot": lambda lib, x: lib.tensordot(x, x, 1),
    "tensordot, pairs": lambda lib, x: lib.tensordot(x, x, ([0], [0])),
    "addmm": lambda lib, x: lib.addmm(ones(lib, x, 3), x, x),
    "addbmm": lambda lib, x: lib.addbmm(ones(lib, x, 1), x, x),
    "einsum, lists": lambda lib, x: lib.einsum(x, [0, 1], [1, 0]),
    "einsum, ellipsis in lists": lambda lib, x: lib.einsum(x, [..., 0], x, [..., 0]),
    **{
        f"einsum {text}": lambda lib, x, text=text: lib.einsum(
            text, *[x] * (text.split("->")[0].count(",") + 1)
        )
        for text in (
            "ii", "ii->i", "ij->ji", "ij->", "...->...", "...i->...", "...ij->...ji", "i", "ij,jk",
            "ij,ij->", "...ij,...jk->...ik", "ij,jk->ii", "ijk->k", "i->j", "", "ij->ijj", "ij,",
        )
    },
    **{
        f"matrix_power {n}": lambda lib, x, n=n: lib.linalg.matrix_power(x, n)
        for n in (-2, 0, 1, 5)
    },
    **{
        f"{name} {p}": lambda lib, x, name=name, p=p: getattr(lib.linalg, name)(x, p)
        for name in ("norm", "vector_norm", "matrix_norm", "cond")
        for p in (0, 1, 2, 3, -1, -2, inf, -inf, "fro", "nuc", "no")
    },
    **{
        f"torch.norm {order}": lambda lib, x, order=order: lib.norm(x, order)
        for order in (0, 1, 3, -1, inf, -inf, "fro", "nuc")
    },
    "vector_norm of rows": lambda lib, x: lib.linalg.vector_norm(x, inf, dim=-1),
}  # fmt: skip
EMPTY = ("0x0", "2 of 0x0", "none of 3x3", "complex, 0x0")
SINGULAR = ("one of 2 singular", "complex, one of 2 singular")
# PyTorch's Cholesky takes an empty matrix of any shape, its cond looks at the order first, and the
# factors of cholesky_inverse have a real diagonal.
ELSEWHERE = {
    *(("cholesky", name) for name in ("3x0", "0x3", "complex, 0x3")),
    *(("cholesky_inverse", name) for name in ("complex", "complex64", "complex, rank 1")),
    *((f"cond {k}", name) for k in (0, 3) for name in (*EMPTY, "3x0", "0x3", "complex, 0x3")),
    *(("cond nuc", name) for name in ("zero", *SINGULAR)),  # 0 times infinity there
    *(("cond no", name) for name in EMPTY),
    ("cond 2", "complex, rank 1"),  # infinity there, 1e48 here
}


def outcome(call: Any, lib: Any, matrix: Any) -> Any:
    """Arrays, or the class of the error."""
    try:
        result = call(lib, lib.tensor(matrix))
    except Exception as error:
        return type(error)
    parts = result if isinstance(result, (tuple, list)) else [result]
    return [t.resolve_conj().numpy() for t in parts]


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CALLS)
def test_every_matrix_gives_what_it_gives_in_torch(name: str) -> None:
    for kind, matrix in MATRICES.items():
        if (name, kind) in ELSEWHERE:
            continue
        theirs, ours = (outcome(CALLS[name], lib, matrix) for lib in (torch, bx))
        if isinstance(theirs, type) or isinstance(ours, type):
            assert isinstance(theirs, type), (kind, ours)
            assert isinstance(ours, type), (kind, theirs)
            builtin = next(c for c in theirs.__mro__ if c.__module__ == "builtins")
            assert issubclass(ours, builtin), (kind, ours, theirs)
            assert issubclass(ours, bx.linalg.LinAlgError) or "LinAlg" not in theirs.__name__, kind
            continue
        for a, e in zip(ours, theirs, strict=True):
            assert (a.shape, a.dtype) == (e.shape, e.dtype), kind
            tolerance = 1e-5 if e.dtype in (np.float32, np.complex64) else 1e-9
            np.testing.assert_allclose(a, e, rtol=tolerance, atol=tolerance, err_msg=kind)


GAUGED: dict[str, Any] = {
    "eigh": lambda lib, x: lib.linalg.eigh(x),
    "eig": lambda lib, x: lib.linalg.eig(x),
    "eigh, upper": lambda lib, x: lib.linalg.eigh(x, UPLO="U"),
    "svd": lambda lib, x: lib.linalg.svd(x, full_matrices=False),
    "svd, old": lambda lib, x: lib.svd(x),
    "cholesky_solve": lambda lib, x: [lib.cholesky_solve(x, x.tril())],
    "cholesky_inverse": lambda lib, x: [lib.cholesky_inverse(x.tril(-1) + 2 * lib.eye(4).double())],
    "cond": lambda lib, x: [lib.linalg.cond(x)],
    "lstsq": lambda lib, x: lib.linalg.lstsq(x[..., :2], x, driver="gels")[:2],
}


@pytest.mark.parametrize("unit", [1, 1 + 1j])
@pytest.mark.parametrize("name", GAUGED)
def test_values_and_gradients_up_to_angles_equal_torchs(name: str, unit: complex) -> None:
    matrix = DRAW.standard_normal((2, 4, 4)) + 2 * np.eye(4) * unit
    matrix = matrix + DRAW.standard_normal((2, 4, 4)) * np.imag(unit) * 1j
    found = []
    for lib in (torch, bx):
        x = lib.tensor(matrix).requires_grad_()
        parts = [t.abs() for t in GAUGED[name](lib, x)]
        weights = [lib.linspace(1, 2, t.numel()).double().reshape(t.shape) for t in parts]
        (g,) = lib.autograd.grad(sum((t * w).sum() for t, w in zip(parts, weights, strict=True)), x)
        found.append([t.detach().numpy() for t in (*parts, g)])
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("shape", [(3, 3), (2, 5), (5, 2), (4, 3, 2), (0, 3)])
def test_orthogonal_start_is_torchs(shape: tuple[int, ...]) -> None:
    found = []
    for lib in (torch, bx):
        lib.manual_seed(3)
        found.append(lib.nn.init.orthogonal_(lib.empty(shape), gain=2).numpy())
    np.testing.assert_allclose(found[1], found[0], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("trivial", [True, False])
@pytest.mark.parametrize("kind", [None, "matrix_exp", "cayley", "householder"])
@pytest.mark.parametrize("sizes", [(4, 4), (3, 5), (5, 3)])
def test_orthogonal_weight_is_torchs(sizes: Any, kind: Any, trivial: bool) -> None:
    found: list[Any] = []
    for lib in (torch, bx):
        lib.manual_seed(1)
        layer = lib.nn.utils.parametrizations.orthogonal(
            lib.nn.Linear(*sizes).double(), orthogonal_map=kind, use_trivialization=trivial
        )
        original = layer.parametrizations.weight.original
        steps = lib.linspace(-0.2, 0.2, original.numel(), dtype=lib.float64)
        with lib.no_grad():
            original += steps.reshape(original.shape).tril(-1)
        weight = layer.weight
        (g,) = lib.autograd.grad((weight * (weight + steps.reshape(weight.shape))).sum(), original)
        found.append([t.detach().numpy() for t in (original, weight, g)])
        if not trivial and kind in ("matrix_exp", "cayley"):
            continue
        short = min(weight.shape)
        square = weight @ weight.mT if weight.shape[0] == short else weight.mT @ weight
        np.testing.assert_allclose(square.detach().numpy(), np.eye(short), atol=1e-12)
    for ours, theirs in zip(found[1], found[0], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-7, atol=1e-7)


def test_orthogonal_weight_can_be_set_and_refuses_nonsense() -> None:
    layer = bx.nn.utils.parametrizations.orthogonal(bx.nn.Linear(3, 3))
    assert "(0): _Orthogonal()" in repr(layer)
    turned = bx.eye(3).flip(0)
    layer.weight = turned
    np.testing.assert_allclose(layer.weight.detach().numpy(), turned.numpy(), atol=1e-6)
    with pytest.raises(ValueError, match="cayley"):
        bx.nn.utils.parametrizations.orthogonal(bx.nn.Linear(3, 3), orthogonal_map="no")
    with pytest.raises(ValueError, match="dimensions"):
        bx.nn.utils.parametrizations.orthogonal(bx.nn.Linear(3, 3), "bias")
    with pytest.raises(ValueError, match="no parameter"):
        bx.nn.utils.parametrizations.orthogonal(bx.nn.Linear(3, 3), "x")
    with pytest.raises(ValueError, match="dimensions"):
        bx.nn.init.orthogonal_(bx.zeros(3))
