"""Matrix products and convolutions of every size class, layout and type, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import backprop_ext as torch

SIZES = (1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 24, 31, 33, 64, 100, 129, 260)
# Every size once in each place, beside partners that put it into different classes.
SHAPES = [
    *[(size, 16, 16) for size in SIZES],
    *[(16, size, 16) for size in SIZES],
    *[(16, 16, size) for size in SIZES],
    *[(1, size, 40) for size in SIZES],
    *[(size, 1, 40) for size in SIZES],
    *[(3, size, 70) for size in SIZES],
    # Panels of four registers whose last one is of three.
    *[(rows, 32 * k + 24, 5) for rows in (1, 2, 3) for k in (1, 2)],
    *[(size, 3, 70) for size in SIZES],
    *[(size, size, size) for size in SIZES],
    *[(size, 40, 1) for size in SIZES],
    (150, 2100, 20),
    (20, 40, 1300),
    (128, 512, 784),
    (260, 260, 700),
    # Rows that lie a multiple of a page apart are packed; their blocks are higher than a register.
    (64, 128, 512),
    (75, 130, 1024),
]
TYPES = (torch.float32, torch.float64, torch.int64)


def _operand(rows: int, cols: int, layout: str, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """A matrix of small whole numbers and halves, dense along its rows or its columns."""
    draw = np.random.default_rng(seed)
    values = draw.integers(-4, 5, (rows, cols))
    if dtype.is_floating_point:
        values = values / 2
    t = torch.tensor(values, dtype=dtype)
    return t if layout == "N" else t.t().contiguous().t()


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("form", ["NN", "NT", "TN", "TT"])
def test_products_of_all_size_classes_are_exact(form: str, dtype: torch.dtype) -> None:
    # Sums of these values are exact in float32: every order of summation gives the same.
    for m, n, k in SHAPES:
        a, b = _operand(m, k, form[0], dtype, 0), _operand(k, n, form[1], dtype, 1)
        want = np.matmul(a.numpy().astype(np.float64), b.numpy().astype(np.float64))
        np.testing.assert_array_equal((a @ b).numpy(), want, err_msg=f"{m} x {n} x {k}")


@pytest.mark.parametrize("dtype", [*TYPES, torch.int32, torch.uint8])
def test_products_of_any_sizes_and_layouts_are_exact(dtype: torch.dtype) -> None:
    draw = np.random.default_rng(0)
    sizes = [*SIZES, 12, 20, 48, 63, 65, 75, 128, 200]

    def operand(rows: int, cols: int) -> torch.Tensor:
        # A part of a larger matrix, whose rows are often a multiple of a page apart.
        step = int(draw.choice([1, 16, 512]))
        turned = bool(draw.integers(2))
        long, short = (rows, cols) if turned else (cols, rows)
        values = draw.integers(0, 5, (short, -(-long // step) * step))
        whole = torch.tensor(values, dtype=dtype)[:, :long]
        return whole.t() if turned else whole

    for _ in range(300):
        m, n, k = (int(size) for size in draw.choice(sizes, 3))
        k = int(draw.choice([k, k, 512, 1024]))
        a, b = operand(m, k), operand(k, n)
        want = np.matmul(a.numpy().astype(np.float64), b.numpy().astype(np.float64))
        want = want.astype(np.int64).astype(a.numpy().dtype)
        message = f"{m} x {n} x {k}, {a.stride()} and {b.stride()}"
        np.testing.assert_array_equal((a @ b).numpy(), want, err_msg=message)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_bias_is_added_in_every_size_class(dtype: torch.dtype) -> None:
    for m, n, k in SHAPES:
        x, w = _operand(m, k, "N", dtype, 0), _operand(n, k, "N", dtype, 1)
        bias = _operand(1, n, "N", dtype, 2)[0]
        want = np.matmul(x.numpy(), w.numpy().T) + bias.numpy()
        got = torch.nn.functional.linear(x, w, bias)
        np.testing.assert_array_equal(got.numpy(), want, err_msg=f"{m} x {n} x {k}")


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("form", ["NN", "NT", "TN", "TT"])
def test_what_lies_around_a_slice_does_not_reach_the_product(form: str, dtype: torch.dtype) -> None:
    # Whole registers are read where there are rows below; NaN would show in any lane that counts.
    def inside(rows: int, cols: int, layout: str, seed: int) -> torch.Tensor:
        values = _operand(rows, cols, layout, dtype, seed)
        shape = (rows + 2, cols + 5) if layout == "N" else (cols + 5, rows + 2)
        around = torch.full(shape, torch.nan, dtype=dtype)
        part = around[1:-1, 2:-3] if layout == "N" else around[2:-3, 1:-1].t()
        part.copy_(values)
        return part

    for m, n, k in SHAPES:
        a, b = inside(m, k, form[0], 0), inside(k, n, form[1], 1)
        want = np.matmul(a.numpy(), b.numpy())
        np.testing.assert_array_equal((a @ b).numpy(), want, err_msg=f"{m} x {n} x {k}")
        if n > 1:
            out = torch.full((m, n + 3), torch.nan, dtype=dtype)
            torch.mm(a, b, out=out[:, 1:-2])
            np.testing.assert_array_equal(out[:, 1:-2].numpy(), want)
            assert out[:, 0].isnan().all()
            assert out[:, -2:].isnan().all()


def test_rounding_errors_stay_those_of_a_sum_in_float32() -> None:
    draw = np.random.default_rng(0)
    for m, n, k in [(37, 53, 700), (3, 90, 2000), (200, 200, 200), (64, 10, 128)]:
        a, b = draw.standard_normal((m, k), np.float32), draw.standard_normal((k, n), np.float32)
        exact = a.astype(np.float64) @ b.astype(np.float64)
        bound = np.abs(a).astype(np.float64) @ np.abs(b).astype(np.float64)
        for right in (torch.tensor(b), torch.tensor(b.T.copy()).t()):
            error = np.abs((torch.tensor(a) @ right).numpy() - exact)
            assert (error <= 4 * np.sqrt(k) * np.finfo(np.float32).eps * bound).all()


@pytest.mark.parametrize("layout", ["N", "T"])
def test_batches_and_single_rows_with_odd_strides(layout: str) -> None:
    draw = np.random.default_rng(0)
    batch = draw.standard_normal((5, 6, 7)), draw.standard_normal((5, 7, 9))
    a, b = (torch.tensor(values) for values in batch)
    if layout == "T":
        a, b = (t.transpose(1, 2).contiguous().transpose(1, 2) for t in (a, b))
    np.testing.assert_allclose((a @ b).numpy(), batch[0] @ batch[1], rtol=1e-13)
    wide = torch.tensor(draw.standard_normal((4, 30)))
    row, column = wide[:1, ::3], wide[1:2, ::3].t()
    np.testing.assert_allclose((row @ column).numpy(), row.numpy() @ column.numpy(), rtol=1e-13)
    np.testing.assert_allclose((column @ row).numpy(), column.numpy() @ row.numpy(), rtol=1e-13)


def test_the_bits_do_not_depend_on_the_number_of_threads() -> None:
    draw = np.random.default_rng(0)
    threads = torch.get_num_threads()
    shapes = [(300, 400, 500), (12, 3000, 200), (2500, 16, 300), (2, 4000, 600), (513, 511, 129)]
    shapes += [(1, 5000, 2000), (5000, 1, 2000)]
    layers = [
        [torch.tensor(draw.standard_normal(shape, np.float32)) for shape in shapes]
        for shapes in [((6, 8, 30, 30), (16, 8, 3, 3)), ((50, 96, 4, 4), (80, 96, 3, 3))]
    ]
    try:
        for m, n, k in shapes:
            a = torch.tensor(draw.standard_normal((m, k), np.float32))
            b = torch.tensor(draw.standard_normal((n, k), np.float32)).t()
            for left, right in ((a, b), (a.t().contiguous().t(), b.contiguous())):
                results = []
                for count in (1, 2, 3):
                    torch.set_num_threads(count)
                    results.append((left @ right).numpy().tobytes())
                assert len(set(results)) == 1, (m, n, k)
        for image, weight in layers:
            results = []
            for count in (1, 2, 3):
                torch.set_num_threads(count)
                x, w = (t.clone().requires_grad_() for t in (image, weight))
                y = torch.nn.functional.conv2d(x, w, padding=1)
                y.backward(torch.sin(y.detach()))
                results.append(b"".join(t.detach().numpy().tobytes() for t in (y, x.grad, w.grad)))
            assert len(set(results)) == 1
    finally:
        torch.set_num_threads(threads)


def _convolution(x: np.ndarray, w: np.ndarray, stride, padding, dilation, groups) -> np.ndarray:
    """The definition, tap by tap."""
    n, _, *size = x.shape
    x = np.pad(x, [(0, 0), (0, 0), *[(p, p) for p in padding]])
    window = w.shape[2:]
    out = [
        (s + 2 * p - d * (k - 1) - 1) // st + 1
        for s, p, d, k, st in zip(size, padding, dilation, window, stride, strict=True)
    ]
    y = np.zeros((n, w.shape[0], *out))
    per_in, per_out = w.shape[1], w.shape[0] // groups
    for tap in itertools.product(*[range(k) for k in window]):
        part = x[
            (
                slice(None),
                slice(None),
                *[
                    slice(t * d, t * d + (o - 1) * s + 1, s)
                    for t, d, o, s in zip(tap, dilation, out, stride, strict=True)
                ],
            )
        ]
        for g in range(groups):
            chosen = part[:, g * per_in : (g + 1) * per_in]
            rows = slice(g * per_out, (g + 1) * per_out)
            y[:, rows] += np.einsum("nc...,oc->no...", chosen, w[(rows, slice(None), *tap)])
    return y


CONVOLUTIONS = [
    # channels in, out, size, window, stride, padding, dilation, groups
    (1, 6, (28, 28), (5, 5), (1, 1), (2, 2), (1, 1), 1),
    (6, 16, (14, 14), (5, 5), (1, 1), (0, 0), (1, 1), 1),
    (3, 9, (11, 7), (3, 2), (1, 1), (2, 0), (2, 3), 1),
    (8, 20, (9, 40), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    (5, 33, (6, 6), (1, 1), (1, 1), (1, 2), (1, 1), 1),
    (4, 7, (13, 13), (3, 3), (2, 3), (1, 0), (1, 2), 1),
    (16, 8, (20, 20), (1, 1), (1, 1), (0, 0), (1, 1), 1),
    (3, 3, (12, 12), (3, 3), (1, 1), (4, 4), (1, 1), 3),
    (4, 12, (50,), (7,), (1,), (3,), (1,), 1),
    (4, 6, (5, 6, 7), (2, 3, 2), (1, 1, 1), (1, 0, 1), (1, 2, 1), 2),
    # small images of many channels, several in one product
    (40, 48, (8, 8), (3, 3), (1, 1), (1, 1), (1, 1), 1),
    (64, 32, (7, 5), (3, 3), (2, 2), (1, 1), (1, 1), 1),
    (96, 100, (2, 2), (3, 3), (1, 1), (1, 1), (1, 1), 2),
    (64, 64, (9,), (5,), (1,), (4,), (2,), 1),
    (40, 40, (3, 4, 2), (2, 3, 2), (1, 1, 1), (1, 1, 1), (1, 1, 1), 1),
]


@pytest.mark.parametrize("case", CONVOLUTIONS)
def test_convolutions_and_their_gradients_against_the_definition(case) -> None:
    channels, made, size, window, stride, padding, dilation, groups = case
    draw = np.random.default_rng(0)
    x = draw.standard_normal((9, channels, *size))
    w = draw.standard_normal((made, channels // groups, *window))
    bias = draw.standard_normal(made)
    conv = [None, torch.conv1d, torch.conv2d, torch.conv3d][len(size)]
    a, b, c = (torch.tensor(v, requires_grad=True) for v in (x, w, bias))
    y = conv(a, b, c, stride, padding, dilation, groups)
    plain = _convolution(x, w, stride, padding, dilation, groups)
    np.testing.assert_allclose(
        y.detach().numpy(), plain + bias.reshape(1, -1, *[1] * len(size)), rtol=1e-10, atol=1e-10
    )
    # <conv(u, w), g> is linear in u and in w: its gradients are known by their inner products.
    g = draw.standard_normal(plain.shape)
    y.backward(torch.tensor(g))
    u, v = draw.standard_normal(x.shape), draw.standard_normal(w.shape)
    along_x = (_convolution(u, w, stride, padding, dilation, groups) * g).sum()
    along_w = (_convolution(x, v, stride, padding, dilation, groups) * g).sum()
    np.testing.assert_allclose((a.grad.numpy() * u).sum(), along_x, rtol=1e-9)
    np.testing.assert_allclose((b.grad.numpy() * v).sum(), along_w, rtol=1e-9)
    np.testing.assert_allclose(c.grad.numpy(), g.sum((0, *range(2, g.ndim))), rtol=1e-9)
