"""Complex tensors against NumPy, Python's numbers, finite differences, and PyTorch's printing."""

from __future__ import annotations

import copy
import io
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext.autograd import gradcheck, gradgradcheck

if TYPE_CHECKING:
    from collections.abc import Callable

    Array = np.ndarray[Any, Any]

TYPES = pytest.mark.parametrize("dtype", ["complex64", "complex128"])


def draw(*shape: int, seed: int = 0, dtype: Any = "complex128") -> Array:
    """Numbers with parts of either sign, away from 0."""
    rng = np.random.default_rng(seed)
    parts = rng.uniform(0.2, 1.2, (2, *shape)) * rng.choice([-1, 1], (2, *shape))
    return np.asarray(parts[0] + 1j * parts[1], dtype)


def leaf(*shape: int, seed: int = 0) -> bx.Tensor:
    return bx.tensor(draw(*shape, seed=seed), requires_grad=True)


def close(actual: bx.Tensor, expected: Any, rtol: float | None = None) -> None:
    array = actual.detach().numpy()
    assert array.shape == np.shape(expected)
    tolerance = rtol or (2e-5 if array.dtype in (np.complex64, np.float32) else 1e-12)
    np.testing.assert_allclose(array, expected, tolerance, tolerance)


# Numbers in and out


def test_python_numbers_make_the_default_complex_type() -> None:
    assert bx.tensor([1 + 2j, 3]).dtype == bx.complex64 == bx.cfloat
    assert bx.tensor(1j, dtype=bx.complex128).dtype == bx.cdouble
    assert bx.tensor([1.0, 2]).to(complex).dtype == bx.complex128
    assert bx.tensor([[1 + 2j]]).tolist() == [[1 + 2j]]
    assert bx.tensor(1 - 2j).item() == 1 - 2j
    assert complex(bx.tensor(1 - 2j)) == 1 - 2j
    assert bx.full((2,), 1j).dtype == bx.complex64
    assert bx.full((2,), 2, dtype=bx.complex64).tolist() == [2, 2]
    assert bx.zeros(2, dtype=bx.cfloat).tolist() == [0, 0]
    assert bx.ones(2, dtype=bx.cdouble).tolist() == [1, 1]
    bx.set_default_dtype(bx.float64)
    try:
        assert bx.tensor([1j]).dtype == bx.complex128
        assert (bx.tensor([1.0]) * 1j).dtype == bx.complex128
    finally:
        bx.set_default_dtype(bx.float32)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        (bx.ones(2), 1j, bx.complex64),
        (bx.ones(2, dtype=bx.float64), 1j, bx.complex128),
        (bx.ones(2, dtype=bx.int64), 1j, bx.complex64),
        (bx.ones(2, dtype=bx.complex64), 2.0, bx.complex64),
        (bx.ones(2, dtype=bx.complex64), np.float64(2), bx.complex64),
        (bx.ones(2, dtype=bx.complex64), bx.ones(2, dtype=bx.float64), bx.complex128),
        (bx.ones(2, dtype=bx.complex64), bx.ones((), dtype=bx.float64), bx.complex64),
        (bx.ones(2, dtype=bx.int64), bx.ones((), dtype=bx.complex64), bx.complex64),
        (bx.ones(2), bx.ones((), dtype=bx.complex128), bx.complex64),
        (bx.ones(2), np.complex64(1j), bx.complex64),
    ],
)
def test_promotion(a: Any, b: Any, expected: Any) -> None:
    assert (a * b).dtype == (b * a if isinstance(b, bx.Tensor) else a * b).dtype == expected
    assert bx.result_type(a, b) == expected


def test_types_say_what_they_are() -> None:
    for dtype, real, size in ((bx.complex64, bx.float32, 8), (bx.complex128, bx.float64, 16)):
        t = bx.zeros(3, dtype=dtype)
        assert t.is_complex()
        assert bx.is_complex(t)
        assert dtype.is_complex
        assert not t.is_floating_point()
        assert not dtype.is_floating_point
        assert (t.element_size(), dtype.itemsize, t.real.dtype) == (size, size, real)
        assert dtype.to_real() == real
        assert real.to_complex() == dtype
        assert bx.finfo(dtype) == bx.finfo(real)
    assert bx.can_cast(bx.float64, bx.complex64)
    assert not bx.can_cast(bx.complex64, bx.float64)
    assert bx.promote_types(bx.complex64, bx.float64) == bx.complex128
    assert bx.zeros(1, dtype=bx.complex64).type() == "torch.ComplexFloatTensor"


@TYPES
def test_arrays_share_memory_both_ways(dtype: str) -> None:
    array = draw(2, 3, dtype=dtype)
    t = bx.from_numpy(array)
    assert str(t.dtype) == f"torch.{dtype}"
    t[0, 1] = 5j
    assert array[0, 1] == 5j
    for out in (t.numpy(), np.asarray(t), np.array(memoryview(t)), np.from_dlpack(t)):  # type: ignore[arg-type]
        assert out.dtype == dtype
        np.testing.assert_array_equal(out, array)
    assert bx.from_dlpack(array).data_ptr() == t.data_ptr()
    assert bx.tensor(array[:, ::2].T).tolist() == array[:, ::2].T.tolist()


# Views


def test_parts_are_views_that_can_be_written() -> None:
    z = bx.tensor(draw(3, 2))
    z.real[0] = 7
    z.imag *= 2
    assert z[0].real.tolist() == [7, 7]
    close(z.imag, 2 * draw(3, 2).imag)
    z.real = z.imag
    close(z.real, z.imag.numpy())
    pairs = bx.view_as_real(z.T)
    assert (pairs.shape, pairs.stride()) == ((2, 3, 2), (2, 4, 1))
    assert bx.view_as_complex(pairs).data_ptr() == z.data_ptr()
    assert z.view(6).real.shape == (6,)
    x = bx.ones(2)
    assert x.real is x
    assert bx.real(x) is x


def test_views_and_writes_reach_the_graph() -> None:
    def parts(z: bx.Tensor) -> bx.Tensor:
        w = z * 1
        w.real.mul_(w.imag.clone())
        w[0].imag.copy_(w[1].real)
        bx.view_as_real(w)[2, 1] = 3
        return w

    def whole(x: bx.Tensor) -> bx.Tensor:
        y = x * 1
        z = bx.view_as_complex(y)
        z.mul_(1 + 2j)
        z[0] = z[1]
        return y

    assert gradcheck(lambda z: parts(z) * parts(z), [leaf(3)])
    assert gradcheck(whole, [bx.tensor(draw(3, 2).real, requires_grad=True)])


@pytest.mark.parametrize(
    ("call", "match"),
    [
        (lambda: bx.view_as_real(bx.ones(2)), "float32; expected a complex"),
        (lambda: bx.view_as_complex(bx.ones(2, dtype=bx.int64)), "int64; expected float32"),
        (lambda: bx.view_as_complex(bx.ones(3)), r"\(3,\); the last dimension"),
        (lambda: bx.view_as_complex(bx.ones(2, 2).T), r"strides \(1, 2\)"),
        (lambda: bx.view_as_complex(bx.ones(6)[1:5].view(2, 2)), "offset 1"),
        (lambda: bx.ones(2).imag, "no imaginary part"),
        (lambda: bx.complex(bx.ones(2), bx.ones(2, dtype=bx.float64)), "float32 and float64"),
        (lambda: bx.polar(bx.ones(2, dtype=bx.int64), bx.ones(2)), "int64 and float32"),
        (lambda: bx.sign(bx.tensor([1j])), "sgn"),
        (lambda: bx.tensor([1j]).sum().backward(), "requires? grad"),
        (lambda: (leaf(2) * 2).sum().backward(), "real scalar outputs but got torch.complex128"),
        (lambda: bx.zeros(2).fill_(1j), "complex number, 0 \\+ 1j"),
        (lambda: bx.zeros(2).add_(bx.tensor([1j, 1])), "complex64 can't be cast"),
        (lambda: bx.zeros(2).add(1, alpha=1j), "alpha is complex"),
        (lambda: float(bx.tensor(1j)), "complex number"),
    ],
)
def test_errors_of_values_and_types(call: Callable[[], Any], match: str) -> None:
    with pytest.raises(RuntimeError, match=match):
        call()


@pytest.mark.parametrize(
    "call",
    [
        lambda z: z < z, lambda z: z >= 1, lambda z: z.max(), lambda z: z.sort(), bx.relu,
        lambda z: z // 2, lambda z: z % 2, bx.floor, bx.round, lambda z: z.clamp(0, 1), bx.erf,
        lambda z: bx.maximum(z, z), lambda z: z.median(), bx.atan2, lambda z: z & z,
        lambda z: z.argmax(), lambda z: z.topk(1), lambda z: z.cummax(0),
        lambda z: bx.nn.functional.gelu(z), lambda z: z.softmax(0), lambda z: z.amax(),
    ],
)  # fmt: skip
def test_what_has_no_complex_form_says_so(call: Callable[[bx.Tensor], Any]) -> None:
    with pytest.raises((RuntimeError, NotImplementedError, TypeError, IndexError)):
        call(bx.tensor([1j, 2]))


def test_only_a_cast_drops_the_imaginary_part_and_warns() -> None:
    z = bx.tensor([1 + 2j, 3])
    for cast in (lambda: z.float(), lambda: z.to(bx.int64), lambda: bx.zeros(2).copy_(z)):
        with pytest.warns(UserWarning, match="discards the imaginary part"):
            assert cast().tolist() == [1, 3]
    assert bx.tensor([0j, 1j]).bool().tolist() == [False, True]


# Arithmetic


UNARY = [
    "neg", "exp", "log", "sqrt", "square", "reciprocal", "sin", "cos", "tan", "sinh", "cosh",
    "tanh", "asin", "acos", "atan", "asinh", "acosh", "atanh", "log2", "log10", "exp2", "expm1",
    "log1p", "abs", "angle", "conj", "real", "imag",
]  # fmt: skip
NUMPYS = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "asinh": "arcsinh",
          "acosh": "arccosh", "atanh": "arctanh", "neg": "negative"}  # fmt: skip
OTHERS: dict[str, Callable[[Array], Array]] = {
    "rsqrt": lambda z: 1 / np.sqrt(z),
    "sigmoid": lambda z: 1 / (1 + np.exp(-z)),
    "sgn": lambda z: z / np.abs(z),
}


@TYPES
@pytest.mark.parametrize("name", [*UNARY, *OTHERS])
def test_functions_are_numpys(name: str, dtype: str) -> None:
    z = draw(4, 5, dtype=dtype)
    expected = OTHERS[name] if name in OTHERS else getattr(np, NUMPYS.get(name, name))
    t = bx.from_numpy(z)
    result = getattr(bx, name)(t)
    close(result, expected(z.astype(np.complex128)), 1e-5 if dtype == "complex64" else 1e-13)
    close(getattr(bx, name)(t.T), expected(z.astype(np.complex128)).T)
    kind = bx.Tensor.is_complex(result)
    assert result.dtype == (t.dtype if kind else t.dtype.to_real())


@pytest.mark.parametrize("name", [*UNARY, *OTHERS])
def test_derivatives_of_functions_are_finite_differences(name: str) -> None:
    function = getattr(bx, name)
    assert gradcheck(function, [leaf(2, 3)])
    assert gradgradcheck(function, [leaf(2, 3)])


BINARY: dict[str, Callable[[Any, Any], Any]] = {
    "+": lambda a, b: a + b,
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": lambda a, b: a / b,
    "**": lambda a, b: a**b,
}


@pytest.mark.parametrize("op", BINARY)
@pytest.mark.parametrize("left", ["complex", "real", "number"])
@pytest.mark.parametrize("right", ["complex", "real", "number", "whole"])
def test_operators_are_numpys_in_value_and_slope(op: str, left: str, right: str) -> None:
    if left != "complex" and right != "complex":
        pytest.skip("nothing complex")
    kinds: dict[str, tuple[Any, Any]] = {
        "complex": (draw(2, 3, seed=1), draw(3, seed=2)),
        "real": (np.abs(draw(2, 3)).astype(float), np.abs(draw(2, 1, seed=3)).astype(float)),
        "number": (0.5 - 2j, 1.5 + 1j),
        "whole": (2, 3),
    }
    a, b = kinds[left][0], kinds[right][1]
    function = BINARY[op]
    expected = function(a, b)
    inputs = [bx.tensor(x, requires_grad=True) for x in (a, b) if isinstance(x, np.ndarray)]

    def call(*leaves: bx.Tensor) -> bx.Tensor:
        rest = iter(leaves)
        return function(*(next(rest) if isinstance(x, np.ndarray) else x for x in (a, b)))

    close(call(*inputs), expected)
    assert gradcheck(call, inputs)
    if op != "**":
        assert gradgradcheck(call, inputs)


@pytest.mark.parametrize("exponent", [0, 1, 2, 3, -1, -2, 0.5, -0.5, 2.5, 1 + 1j])
def test_powers_by_numbers(exponent: complex) -> None:
    z = leaf(3)
    close(z**exponent, draw(3) ** exponent)
    assert gradcheck(lambda z: z**exponent, [z])


def test_a_quotient_neither_overflows_nor_loses_its_sign() -> None:
    z = bx.tensor([1e200 + 1e200j, 3 - 4j], dtype=bx.complex128)
    close(z / z, [1, 1])
    close(1 / z, 1 / np.array([1e200 + 1e200j, 3 - 4j]))


@TYPES
def test_in_place_operators(dtype: str) -> None:
    a, b = draw(2, 3, dtype=dtype), draw(3, seed=1, dtype=dtype)
    for name in ("__iadd__", "__isub__", "__imul__", "__itruediv__", "__ipow__"):
        t = bx.tensor(a)
        assert getattr(t, name)(bx.tensor(b)) is t
        close(t, getattr(a, name.replace("__i", "__"))(b))

    def function(z: bx.Tensor, w: bx.Tensor) -> bx.Tensor:
        y = z * 1
        y.mul_(w).add_(z, alpha=2j)
        y[..., 0] /= w[:, 0]
        return y

    assert gradcheck(function, [leaf(3, 1), leaf(3, 1, seed=1)])


def test_comparisons_and_tests() -> None:
    z = bx.tensor([1 + 1j, 1, complex("nan"), complex(0, float("inf"))])
    assert (z == bx.tensor([1 + 1j, 1j, 0, 0])).tolist() == [True, False, False, False]
    assert (z != 1).tolist() == [True, False, True, True]
    assert z.isnan().tolist() == [False, False, True, False]
    assert z.isinf().tolist() == [False, False, False, True]
    assert z.isfinite().tolist() == [True, True, False, False]
    assert z.isreal().tolist() == [False, True, True, False]
    assert bx.isclose(z[:2], z[:2] * (1 + 1e-7)).all()
    assert bx.allclose(z, z, equal_nan=True)
    assert not bx.allclose(z, z)
    assert bx.logical_not(bx.tensor([0j, 1j])).tolist() == [True, False]
    assert bx.tensor([1j, 0]).any()
    assert not bx.tensor([1j, 0]).all()
    assert bool(bx.tensor(1j))
    assert bx.equal(z[:2], z[:2].clone())
    assert bx.nonzero(bx.tensor([0, 1j])).tolist() == [[1]]


# Sums, products, movement


REDUCED: dict[str, Callable[[Any], Any]] = {
    "sum": lambda z: z.sum(),
    "sum of dimensions": lambda z: z.sum((0, 2)),
    "mean": lambda z: z.mean(1),
    "prod": lambda z: z.prod(),
    "prod of one": lambda z: z.prod(1),
    "cumsum": lambda z: z.cumsum(1),
    "cumprod": lambda z: z.cumprod(1),
    "std": lambda z: z.std(),
    "var": lambda z: z.var(1),
    "trace": lambda z: z[0].trace(),
}


@pytest.mark.parametrize("name", REDUCED)
def test_reductions_are_numpys(name: str) -> None:
    z, function = draw(2, 3, 4), REDUCED[name]
    if name in ("std", "var"):
        expected = z.std(ddof=1) if name == "std" else z.var(1, ddof=1)
    else:
        expected = function(z)
    close(function(bx.tensor(z)), expected)
    close(function(bx.tensor(z.transpose(2, 1, 0).copy()).permute(2, 1, 0)), expected)
    assert gradcheck(function, [leaf(2, 3, 4)])
    assert gradgradcheck(function, [leaf(2, 3, 4)])


def test_norms_are_those_of_magnitudes() -> None:
    z = draw(3, 4)
    for p in (1, 2, 3.5, np.inf, -np.inf, 0):
        close(bx.linalg.vector_norm(bx.tensor(z), p), np.linalg.norm(z.ravel(), p))
    close(bx.linalg.norm(bx.tensor(z)), np.linalg.norm(z))
    close(bx.tensor(z).norm(dim=1), np.linalg.norm(z, axis=1))
    assert gradcheck(lambda z: bx.linalg.norm(z) + z.norm(1), [leaf(3, 4)])
    zero = bx.zeros(2, dtype=bx.complex128, requires_grad=True)
    zero.abs().sum().backward()
    assert zero.grad is not None
    assert zero.grad.tolist() == [0, 0]


PRODUCTS: dict[str, tuple[tuple[int, ...], ...]] = {
    "mm": ((3, 4), (4, 2)),
    "bmm": ((2, 3, 4), (2, 4, 5)),
    "mv": ((3, 4), (4,)),
    "dot": ((4,), (4,)),
    "vdot": ((4,), (4,)),
    "matmul": ((2, 1, 3, 4), (5, 4, 2)),
    "outer": ((3,), (2,)),
    "inner": ((3, 4), (2, 4)),
    "kron": ((2, 2), (1, 3)),
}


@TYPES
@pytest.mark.parametrize("name", PRODUCTS)
def test_products_are_numpys(name: str, dtype: str) -> None:
    arrays = [draw(*s, seed=i, dtype=dtype) for i, s in enumerate(PRODUCTS[name])]
    plain: Any = np.matmul if name in ("mm", "bmm", "mv") else getattr(np, name)
    function = getattr(bx, name)
    close(function(*map(bx.tensor, arrays)), plain(*arrays))
    inputs = [leaf(*s, seed=i) for i, s in enumerate(PRODUCTS[name])]
    assert gradcheck(function, inputs)
    assert gradgradcheck(function, inputs, fast_mode=True)


@pytest.mark.parametrize("k", [0, 1, 33])
def test_larger_and_strided_products(k: int) -> None:
    a, b = draw(17, k), draw(k, 29, seed=1)
    close(bx.tensor(a) @ bx.tensor(b), a @ b)
    close(bx.tensor(b).T @ bx.tensor(a).T, b.T @ a.T)
    close(bx.tensor(a).mH, a.T.conj())
    close(bx.tensor(a).H, a.T.conj())


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("bixy,ioxy->boxy", ((2, 3, 4, 2), (3, 5, 4, 2))),
        ("ij,jk->ik", ((2, 3), (3, 4))),
        ("bi,bi->b", ((2, 3), (2, 3))),
        ("ii->i", ((3, 3),)),
    ],
)
def test_einsum(equation: str, shapes: Any) -> None:
    arrays = [draw(*s, seed=i) for i, s in enumerate(shapes)]
    close(bx.einsum(equation, *map(bx.tensor, arrays)), np.einsum(equation, *arrays))
    inputs = [leaf(*s, seed=i) for i, s in enumerate(shapes)]
    assert gradcheck(lambda *x: bx.einsum(equation, *x), inputs, fast_mode=True)


LOG_SUMS: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "logsumexp": (lambda z: bx.logsumexp(z, 1), lambda z: np.log(np.exp(z).sum(1))),
    "logcumsumexp": (lambda z: bx.logcumsumexp(z, 1), lambda z: np.log(np.exp(z).cumsum(1))),
    "logaddexp": (lambda z: bx.logaddexp(z, z * 2), lambda z: np.log(np.exp(z) + np.exp(z * 2))),
    "sinc": (bx.sinc, lambda z: np.sin(np.pi * z) / (np.pi * z)),
}


@pytest.mark.parametrize("name", LOG_SUMS)
def test_logarithms_of_sums_and_sinc(name: str) -> None:
    function, reference = LOG_SUMS[name]
    z = draw(3, 5)
    close(bx.exp(function(bx.tensor(z))), np.exp(reference(z)))
    assert gradcheck(function, [leaf(3, 5)], fast_mode=True)


def test_logarithms_of_sums_do_not_overflow() -> None:
    z = bx.tensor([300 + 3j, 300 + 3j, -1000 + 1j], dtype=bx.complex128)
    close(bx.logsumexp(z, 0), np.asarray(300 + np.log(2) + 3j))
    close(bx.logcumsumexp(z, 0), np.asarray([300 + 3j, *[300 + np.log(2) + 3j] * 2]))
    assert bx.logaddexp(z[2], z[2] - 1e300).item() == z[2].item()


def test_evenly_spaced_complex_numbers() -> None:
    close(bx.linspace(0, 2 + 4j, 3, dtype=bx.complex128), np.asarray([0, 1 + 2j, 2 + 4j]))
    close(bx.logspace(0, 1j, 3, dtype=bx.complex128), 10.0 ** np.asarray([0, 0.5j, 1j]))
    assert bx.linspace(0, 1j, 2).dtype == bx.complex64


MOVED: dict[str, Callable[[Any], Any]] = {
    "cat": lambda z: bx.cat([z, z.real, z * 2], 1),
    "stack": lambda z: bx.stack([z, z * 1j]),
    "index": lambda z: z[bx.tensor([2, 0, 2])],
    "mask": lambda z: z[bx.tensor([True, False, True])],
    "slice": lambda z: z[1:, ::2],
    "flip": lambda z: z.flip(0),
    "roll": lambda z: z.roll(1, 1),
    "pad": lambda z: bx.nn.functional.pad(z, (1, 2)),
    "reflect": lambda z: bx.nn.functional.pad(z, (1, 2), "reflect"),
    "circular": lambda z: bx.nn.functional.pad(z, (1, 2), "circular"),
    "gather": lambda z: z.gather(1, bx.tensor([[0, 1], [3, 3], [2, 0]])),
    "scatter": lambda z: z.scatter(1, bx.tensor([[0], [3], [2]]), z * 2),
    "scatter_add": lambda z: z.scatter_add(1, bx.tensor([[0, 0], [3, 1], [2, 2]]), z * 2),
    "index_add": lambda z: z.index_add(0, bx.tensor([0, 0]), z[:2]),
    "index_select": lambda z: z.index_select(1, bx.tensor([1, 1])),
    "take": lambda z: z.take(bx.tensor([1, 5, 1])),
    "where": lambda z: bx.where(bx.tensor([True, False, True, False]), z, z * 1j),
    "masked_fill": lambda z: z.masked_fill(bx.tensor([True, False, True, False]), 1j),
    "tril": lambda z: z.tril(),
    "triu": lambda z: z.triu(),
    "diag": lambda z: z[:, :3].diag(),
    "diag_embed": lambda z: z.diag_embed(),
    "repeat": lambda z: z.repeat(2, 1),
    "expand": lambda z: z[:, :1].expand(3, 5),
    "permute": lambda z: z.T.contiguous(),
    "unfold": lambda z: z.unfold(1, 2, 1),
    "as_strided": lambda z: (z * 1).as_strided((2, 3), (1, 2), 1),
    "flatten": lambda z: z.reshape(-1),
    "split": lambda z: z.split(2, 1)[1],
    "rotary": lambda z: bx.view_as_real(z * bx.polar(bx.ones(4).double(), bx.arange(4.0).double()))
    .flatten(1),
    "lerp": lambda z: z.lerp(z * 1j, 0.25),
    "addcmul": lambda z: z.addcmul(z, z, value=0.5),
    "addcdiv": lambda z: z.addcdiv(z, z * 2, value=0.5),
    "to": lambda z: z.real.to(bx.complex128) * z,
    "diff": lambda z: z.diff(dim=1),
}  # fmt: skip


@pytest.mark.parametrize("name", MOVED)
def test_movement_is_that_of_both_parts(name: str) -> None:
    """On parts alone what moves gives the parts of the result; all have derivatives."""
    function = MOVED[name]
    z = leaf(3, 4)
    whole = function(z)
    linear = name not in ("where", "masked_fill", "rotary", "addcmul", "addcdiv", "cat", "stack",
                          "lerp", "to")  # fmt: skip
    if linear:
        close(whole.real, function(z.detach().real.clone()).numpy())
        close(whole.imag, function(z.detach().imag.clone()).numpy())
        single = function(z.detach().to(bx.complex64))
        assert single.dtype == bx.complex64
        close(single, whole.detach().numpy(), 1e-6)
    assert gradcheck(function, [z])
    assert gradgradcheck(function, [z], fast_mode=True)


def test_assignment() -> None:
    z, array = bx.zeros(3, 4, dtype=bx.complex64), np.zeros((3, 4), np.complex64)
    for t in (z, array):
        t[0] = 1 + 2j
        t[1:, ::2] = 3
        t[t == 3] = 1j
        t[[0, 2], [1, 1]] = -1
    np.testing.assert_array_equal(z.numpy(), array)


# Randomness, parameters, optimizers


def test_draws_are_those_of_pairs_with_half_of_the_variance() -> None:
    bx.manual_seed(3)
    z = bx.randn(50, 40, dtype=bx.complex64)
    bx.manual_seed(3)
    pairs = bx.view_as_real(bx.zeros(50, 40, dtype=bx.complex64)).normal_(0, 0.5**0.5)
    assert bx.view_as_real(z).equal(pairs)
    assert abs(z.abs().square().mean().item() - 1) < 0.1
    bx.manual_seed(3)
    z = bx.rand(5, dtype=bx.complex128)
    bx.manual_seed(3)
    assert bx.view_as_real(z).equal(bx.rand(5, 2, dtype=bx.float64))
    assert bx.randn_like(z).dtype == bx.rand_like(z).dtype == z.dtype


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01},
    "Adam": {"lr": 0.1, "amsgrad": True},
    "AdamW": {"lr": 0.1},
    "RMSprop": {"lr": 0.1, "centered": True},
    "Adagrad": {"lr": 0.1, "initial_accumulator_value": 0.1},
    "Adamax": {"lr": 0.1},
    "Rprop": {"lr": 0.1},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_step_of_complex_parameters_is_one_of_their_parts(name: str) -> None:
    target = bx.tensor(draw(3, 2, seed=5))
    whole = bx.nn.Parameter(bx.tensor(draw(3, 2)))
    parts = bx.nn.Parameter(bx.view_as_real(whole.detach()).clone())
    optimizers = [getattr(bx.optim, name)([p], **OPTIMIZERS[name]) for p in (whole, parts)]

    def steps(optimizer: Any, value: Callable[[], bx.Tensor]) -> None:
        for _ in range(4):
            optimizer.zero_grad()
            (value() - target).abs().square().sum().backward()
            optimizer.step()

    steps(optimizers[0], lambda: whole)
    steps(optimizers[1], lambda: bx.view_as_complex(parts))
    assert whole.grad is not None
    assert whole.grad.dtype == bx.complex128
    close(bx.view_as_real(whole.detach()), parts.detach().numpy(), 1e-14)
    for state in optimizers[0].state[whole].values():
        if isinstance(state, bx.Tensor) and state.numel() > 1:
            assert state.dtype == bx.complex128


def test_gradient_clipping_and_modules() -> None:
    class Spectral(bx.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = bx.nn.Parameter(0.5 * bx.rand(2, 3, dtype=bx.cfloat))

    module = Spectral()
    assert module.double().weight.dtype == bx.cfloat
    assert module.to(bx.complex128).weight.dtype == bx.complex128
    module.weight.abs().sum().backward()
    norm = bx.nn.utils.clip_grad_norm_(module.parameters(), 0.5)
    close(norm, 6**0.5)
    assert module.weight.grad is not None
    close(module.weight.grad.norm(), 0.5, 1e-5)
    other = Spectral()
    other.load_state_dict(copy.deepcopy(module).state_dict())
    close(other.weight, module.weight.detach().numpy(), 1e-6)


def test_a_captured_step_gives_the_same_bits() -> None:
    def make() -> tuple[Callable[[bx.Tensor], bx.Tensor], bx.Tensor]:
        bx.manual_seed(0)
        w = bx.nn.Parameter(bx.randn(4, 5, dtype=bx.cfloat))
        optimizer = bx.optim.Adam([w], lr=0.01)

        def step(x: bx.Tensor) -> bx.Tensor:
            optimizer.zero_grad()
            z = bx.fft.rfft(x) * w
            y = bx.fft.irfft(bx.einsum("ij,jk->ik", z, bx.exp(z.mT / 10)) + z.conj()[:, :1])
            loss = (y - x[:, :6]).square().mean() + z.abs().sum() * 0.01
            loss.backward()
            optimizer.step()
            return loss.detach()

        return step, w

    eager, w1 = make()
    recorded, w2 = make()
    captured = bx.capture(recorded)
    for i in range(5):
        x = bx.tensor(np.random.default_rng(i).standard_normal((4, 8)), dtype=bx.float32)
        assert eager(x).item() == captured(x).item()
    assert w1.detach().numpy().tobytes() == w2.detach().numpy().tobytes()


# Files and text


@TYPES
def test_files_keep_them(dtype: str) -> None:
    t = bx.tensor(draw(2, 3, dtype=dtype))
    stream = io.BytesIO()
    bx.save({"z": t, "numbers": [1j], "array": draw(2, dtype=dtype)}, stream)
    stream.seek(0)
    loaded = bx.load(stream)
    assert loaded["z"].equal(t)
    assert loaded["z"].dtype == t.dtype
    assert loaded["numbers"] == [1j]
    assert pickle.loads(pickle.dumps(t)).equal(t)
    assert copy.deepcopy(t).equal(t)
    if dtype == "complex64":
        found = bx.safetensors.load(bx.safetensors.save({"z": t}))
        assert found["z"].equal(t)


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([1 + 2j, 3 - 4j], "tensor([1.+2.j, 3.-4.j])"),
        ([0.5 + 1j, -1], "tensor([ 0.5000+1.j, -1.0000+0.j])"),
        (1.5 - 1j, "tensor(1.5000-1.j)"),
        ([1e-6 + 1j, 1000j], "tensor([1.0000e-06+1.j, 0.0000e+00+1000.j])"),
        ([complex("nan+infj"), 1], "tensor([nan+infj, 1.+0.j])"),
        ([], "tensor([], dtype=torch.complex64)"),
    ],
)
def test_they_are_printed_as_pytorch_does(values: Any, text: str) -> None:
    assert repr(bx.tensor(values, dtype=bx.complex64)) == text


def test_types_and_nodes_are_printed() -> None:
    z = bx.tensor([1j], dtype=bx.complex128, requires_grad=True)
    assert repr(z) == "tensor([0.+1.j], dtype=torch.complex128, requires_grad=True)"
    y = bx.tensor([1j], requires_grad=True)
    for node, t in {"Mul": y * 2, "Abs": y.abs(), "Exp": y.exp(), "Conj": y.conj()}.items():
        assert repr(t).endswith(f"grad_fn=<{node}Backward0>)")
    assert y.real.grad_fn.name() == "SelectBackward0"
    assert y.grad_fn is None
    assert bx.angle(y).grad_fn.name() == "AngleBackward0"
