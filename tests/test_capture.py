"""A captured step gives the bits of the step itself, and what it cannot replay is an error."""

from __future__ import annotations

import gc
import re
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import capture, nn
from backprop_ext.nn import functional as F

Step = Callable[..., Any]


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.LSTM(4, 8, num_layers=2, batch_first=True, dropout=0.2)
        self.head = nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.cells(x.reshape(8, 3, 4))[0][:, -1])


class Images(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Upsample(scale_factor=2, mode="bilinear"),
            nn.AdaptiveAvgPool2d(2),
            nn.Flatten(),
            nn.Dropout(0.3),
            nn.Linear(16, 3),
        )

    def forward(self, x: Any) -> Any:
        return self.net(x.reshape(8, 1, 3, 4))


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(4, 2, 16, batch_first=True)
        self.head = nn.Linear(12, 3)

    def forward(self, x: Any) -> Any:
        return self.head(self.layer(x.reshape(8, 3, 4)).flatten(1))


def _perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(12, 16), nn.LayerNorm(16), nn.GELU(), nn.Dropout(0.1), nn.Linear(16, 3)
    )


MODELS: dict[str, Callable[[], nn.Module]] = {
    "perceptron": _perceptron,
    "recurrent": Recurrent,
    "images": Images,
    "attention": Attention,
}
OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda p: bx.optim.SGD(p, lr=0.05),
    "momentum": lambda p: bx.optim.SGD(p, lr=0.05, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda p: bx.optim.Adam(p, lr=1e-2),
    "AdamW": lambda p: bx.optim.AdamW(p, lr=1e-2),
    "RMSprop": lambda p: bx.optim.RMSprop(p, lr=1e-2),
    "Muon": lambda p: bx.optim.Muon([q for q in p if q.dim() == 2], lr=1e-2),
}


def _train(model: nn.Module, optimizer: Any, captured: bool, clip: bool = False) -> list[Any]:
    """Losses of 12 steps with a falling learning rate, then parameters, buffers and a draw."""
    schedule = bx.optim.lr_scheduler.StepLR(optimizer, 4, 0.5)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        if clip:
            nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss

    run = capture(step) if captured else step
    data = np.random.default_rng(0)
    losses = []
    for _ in range(12):
        x = bx.tensor(data.standard_normal((8, 12)), dtype=bx.float32)
        losses.append(run(x, bx.tensor(data.integers(0, 3, 8))))
        schedule.step()
    state = [*model.parameters(), *model.buffers(), bx.rand(3)]
    return [t.detach().numpy().copy() for t in losses + state]


def _equal(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize("model", MODELS)
def test_replays_are_the_bits_of_eager_training(model: str, optimizer: str) -> None:
    runs = []
    for captured in (False, True):
        bx.manual_seed(1)
        net = MODELS[model]()
        runs.append(_train(net, OPTIMIZERS[optimizer](net.parameters()), captured))
    assert _equal(*runs)
    assert len({float(loss) for loss in runs[0][:12]}) == 12  # it does train


def test_clipping_between_backward_and_update_is_replayed() -> None:
    runs = []
    for captured in (False, True):
        bx.manual_seed(1)
        net = _perceptron()
        runs.append(_train(net, bx.optim.SGD(net.parameters(), lr=1.0), captured, clip=True))
    assert _equal(*runs)


def _line() -> tuple[Any, Any, Step]:
    """A weight, its optimizer and a step of w * x -> y."""
    w = nn.Parameter(bx.tensor([1.0, 2.0]))
    optimizer = bx.optim.SGD([w], lr=0.1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = ((w * x - y) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    return w, optimizer, step


def test_gradients_accumulate_where_nothing_clears_them() -> None:
    results = []
    for wrap in (lambda f: f, capture):
        w = bx.tensor([2.0], requires_grad=True)

        def step(x: Any, w: Any = w) -> None:
            (w * x).sum().backward()

        run = wrap(step)
        seen = []
        for k in range(4):
            run(bx.tensor([float(k)]))
            seen.append(w.grad.item())
        w.grad = None  # another start: recorded anew
        run(bx.tensor([5.0]))
        run(bx.tensor([5.0]))
        results.append([*seen, w.grad.item()])
    assert results[0] == results[1] == [0.0, 1.0, 3.0, 6.0, 10.0]


def test_gradients_filled_with_zero_keep_their_memory() -> None:
    w, optimizer, _ = _line()
    w.grad = bx.zeros(2)
    memory = w.grad.data_ptr()

    @capture
    def step(x: Any) -> Any:
        optimizer.zero_grad(set_to_none=False)
        loss = (w * x).sum()
        loss.backward()
        return loss

    for k in range(3):
        assert step(bx.full((2,), float(k))).item() == pytest.approx(3.0 * k)
        assert w.grad.tolist() == [k, k]
        assert w.grad.data_ptr() == memory


def test_results_are_fresh_and_have_no_graph() -> None:
    run = capture(lambda x: (x + 1, {"twice": [x * 2]}, x, "text"))
    first, second, third = (run(bx.tensor([float(k)])) for k in range(3))
    assert [r[0].item() for r in (first, second, third)] == [1.0, 2.0, 3.0]
    assert [r[1]["twice"][0].item() for r in (first, second, third)] == [0.0, 2.0, 4.0]
    assert [r[2].item() for r in (first, second, third)] == [0.0, 1.0, 2.0]
    assert third[3] == "text"
    assert not first[0].requires_grad


def test_arguments_nest_and_scalars_belong_to_the_signature() -> None:
    @capture
    def f(batch: Any, *, scale: float) -> Any:
        return sum(batch["xs"]) * scale + bx.as_tensor(batch["bias"])

    for scale in (1.0, 2.0, 1.0):
        for k in range(3):
            xs = [bx.full((2,), float(k)), bx.ones(2)]
            got = f({"xs": xs, "bias": np.array([0.5, k], np.float32)}, scale=scale)
            assert got.tolist() == [(k + 1) * scale + 0.5, (k + 1) * scale + k]
    assert len(f.signatures()) == 2


def test_views_and_slices_of_a_larger_tensor_are_arguments() -> None:
    data = bx.arange(12.0).reshape(6, 2)
    run = capture(lambda x: (x * 2).sum(0))
    for k in range(0, 6, 2):
        assert run(data[k : k + 2]).tolist() == (data[k : k + 2] * 2).sum(0).tolist()


def test_modes_flags_and_parameters_that_change_are_recorded_anew() -> None:
    layer = nn.Sequential(nn.Linear(3, 3), nn.Dropout(0.5))
    x = bx.ones(4, 3)
    run = capture(lambda x: layer(x))
    layer.train()
    assert (run(x) == 0).any()
    assert (run(x) == 0).any()
    layer.eval()
    assert run(x).equal(layer(x))
    layer.load_state_dict({k: v * 2 for k, v in layer.state_dict().items()})
    assert run(x).equal(layer(x))  # the same memory
    layer[0].weight = nn.Parameter(bx.zeros(3, 3))
    assert run(x).equal(layer(x))
    layer[0].weight.data = bx.ones(3, 3)
    assert run(x).equal(layer(x))
    layer[0] = nn.Linear(3, 2)
    assert run(x).equal(layer(x))


def test_a_parameter_that_is_frozen_gets_no_gradient() -> None:
    layer = nn.Linear(2, 1)

    @capture
    def step(x: Any) -> Any:
        layer.zero_grad()
        loss = layer(x).sum()
        loss.backward()
        return loss

    step(bx.ones(1, 2))
    step(bx.ones(1, 2))
    layer.bias.requires_grad_(False)
    layer.zero_grad()
    step(bx.ones(1, 2))
    assert layer.bias.grad is None
    assert layer.weight.grad is not None


def test_eager_steps_may_come_between() -> None:
    weights = []
    for wraps in ((0, 0, 0, 0), (1, 0, 1, 1)):
        w, optimizer, step = _line()
        optimizer.param_groups[0]["momentum"] = 0.9
        run = capture(step)
        for k, captured in enumerate(wraps):
            (run if captured else step)(bx.tensor([1.0, k]), bx.ones(2))
        weights.append(w.tolist())
    assert weights[0] == weights[1]


def _read_item(x: Any) -> Any:
    return x * x.sum().item()


def _read_bool(x: Any) -> Any:
    return x if (x > 0).all() else -x


def _read_array(x: Any) -> Any:
    return bx.tensor((x * 2).numpy())


def _print(x: Any) -> Any:
    y = x + 1
    print(y)
    return y


def _count(x: Any) -> Any:
    return x[x > 0]


@pytest.mark.parametrize("f", [_read_item, _read_bool, _read_array, _print, _count])
def test_reading_a_value_while_recording_is_an_error(f: Step) -> None:
    run = capture(f)
    with pytest.raises(RuntimeError, match=r"\[capture\] a value is read .* outside"):
        run(bx.tensor([1.0, 2.0]))
    assert run.signatures() == []
    assert f(bx.tensor([1.0, 2.0])) is not None  # as before without


def test_an_exception_inside_leaves_nothing_behind() -> None:
    w, _, step = _line()

    @capture
    def fails(x: Any, y: Any) -> Any:
        step(x, y)
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        fails(bx.ones(2), bx.ones(2))
    assert fails.signatures() == []
    before = w.tolist()
    wrong = capture(step)
    wrong(bx.ones(2), bx.ones(2))
    after = w.tolist()
    assert after != before
    with pytest.raises(RuntimeError, match="do not broadcast"):
        wrong(bx.ones(3), bx.ones(2))
    assert w.tolist() == after
    wrong(bx.ones(2), bx.ones(2))


def test_a_tensor_kept_elsewhere_is_an_error() -> None:
    kept = []

    @capture
    def f(x: Any) -> Any:
        kept.append(x * 2)
        return x + 1

    with pytest.raises(RuntimeError, match=r"kept outside .* copy_"):
        f(bx.ones(3))


def test_arguments_may_share_memory() -> None:
    def run(wrap: Any) -> list[Any]:
        bx.manual_seed(0)
        layer = bx.nn.Linear(3, 3)
        optimizer = bx.optim.SGD(layer.parameters(), lr=0.1)

        def step(seen: Any, following: Any, again: Any) -> Any:
            optimizer.zero_grad()
            loss = ((layer(seen) - following) ** 2).mean() + again.sum() * 0.1
            loss.backward()
            optimizer.step()
            return loss, seen.T

        step = wrap(step)
        values = []
        for k in range(4):
            series = bx.randn(2, 5, 3) + k
            seen = series[k % 2, :-1]
            values += [*step(seen, series[k % 2, 1:], seen), layer.weight.detach().clone()]
        return [v.tolist() for v in values]

    assert run(capture) == run(lambda step: step)
    array = np.arange(3.0)
    assert capture(lambda a, b: a + b)(array, array).tolist() == [0.0, 2.0, 4.0]


def test_arguments_that_share_memory_may_not_be_written() -> None:
    double = capture(lambda a, b: a.mul_(2) + b)
    x = bx.ones(4)
    with pytest.raises(RuntimeError, match=r"writes its argument 0.*shares.*clone"):
        double(x, x[:])
    assert x.tolist() == [1.0] * 4
    assert double(x, bx.ones(4)).tolist() == [3.0] * 4
    with pytest.raises(RuntimeError, match=r"writes an argument of shape \(4,\).*shares.*clone"):
        double(x, x[:])
    assert x.tolist() == [2.0] * 4
    w = bx.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match=r"need a gradient share their memory.*clone"):
        capture(lambda a, b: (a + b).sum())(w, w)


def test_memory_beside_an_argument_is_an_error() -> None:
    x = bx.ones(4)
    with pytest.raises(RuntimeError, match=r"beside its argument 0.*clone"):
        capture(lambda a: a + x[2:])(x[:2])


def test_captured_functions_do_not_nest_and_generators_are_refused() -> None:
    inner = capture(lambda x: x + 1)
    with pytest.raises(RuntimeError, match="capture the outer one alone"):
        capture(lambda x: inner(x) * 2)(bx.ones(2))

    def numbers() -> Any:
        yield 1

    async def later() -> None: ...

    for f in (numbers, later):
        with pytest.raises(TypeError, match="generator or coroutine"):
            capture(f)
    with pytest.raises(TypeError, match="not callable"):
        capture(3)


def test_many_signatures_warn_once_and_the_oldest_are_dropped() -> None:
    run = capture(lambda x: x + 1, recordings=3)
    for n in range(1, 4):
        run(bx.ones(n))
    with pytest.warns(UserWarning, match=r"recorded 4 times.*pad"):
        run(bx.ones(4))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for n in range(5, 9):
            run(bx.ones(n))
    assert len(run.signatures()) == 3
    assert "(float32[8])" in run.signatures()[-1]


def test_methods_have_recordings_of_their_own() -> None:
    class Model:
        def __init__(self, scale: float) -> None:
            self.scale = scale

        @capture
        def run(self, x: Any) -> Any:
            return x * self.scale

    a, b = Model(2.0), Model(3.0)
    for _ in range(2):
        assert a.run(bx.ones(1)).item() == 2.0
        assert b.run(bx.ones(1)).item() == 3.0


def test_threads_capture_models_of_their_own() -> None:
    weights: dict[int, Any] = {}

    def work(k: int) -> None:
        w, _, step = _line()
        run = capture(step)
        for _ in range(200):
            run(bx.full((2,), float(k)), bx.ones(2))
        weights[k] = w.tolist()

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert weights[0] == [1.0, 2.0]
    assert weights[1] == pytest.approx([1.0, 1.0])


def test_elementwise_chains_are_fused_and_their_memory_is_reused() -> None:
    def f(x: Any) -> Any:
        for _ in range(10):
            x = (x * 1.5).tanh() + 0.5
        return x.sum()

    run = capture(f)
    x = bx.randn(1000)
    for _ in range(2):
        assert run(x).item() == f(x).item()
    (program,) = [r.program for r in run._recordings.values()]
    assert program.launches >= 31
    assert program.instructions <= 4
    assert program.arena_bytes <= 1.1 * program.live_bytes <= 3 * 4 * x.numel()
    assert "tanh" in run.explain()


def test_what_nobody_uses_is_not_computed() -> None:
    run = capture(lambda x: (x.exp().sum(), x + 1)[1])
    x = bx.ones(3)
    run(x)
    assert "exp" not in run.explain()
    assert run(x).tolist() == [2.0, 2.0, 2.0]


def test_a_long_chain_is_recorded_replayed_and_freed() -> None:
    def f(x: Any) -> Any:
        for _ in range(100_000):
            x = x + 1
        return x

    run = capture(f)
    run(bx.zeros(2))
    assert run(bx.ones(2)).tolist() == [100_001.0, 100_001.0]


def test_a_dropped_recording_gives_its_memory_back() -> None:
    gc.collect()
    before = bx._core._memory_stats()["in_use"]
    w, optimizer, step = _line()
    run = capture(step)
    run(bx.ones(2), bx.ones(2))
    run(bx.ones(2), bx.ones(2))
    del run, w, optimizer, step
    gc.collect()
    assert bx._core._memory_stats()["in_use"] == before


def test_recording_takes_no_more_memory_than_the_step() -> None:
    layers = [bx.nn.Linear(64, 64) for _ in range(20)]
    used: list[int] = []

    def step(x: Any) -> Any:
        before = bx._core._memory_stats()["in_use"]
        for layer in layers:
            x = layer(x).tanh().exp().log()
        loss = x.square().mean()
        loss.backward()
        for layer in layers:
            layer.zero_grad()
        used.append(bx._core._memory_stats()["peak"] - before)
        return loss.detach()

    for run in step, capture(step):
        gc.collect()
        bx._core._reset_peak_memory()
        run(bx.ones(256, 64))
    eager, recorded = used
    assert recorded <= 1.01 * eager


def test_constants_are_folded_where_their_memory_is_used_again() -> None:
    def f(x: Any) -> Any:
        for k in range(50):
            x = x + (bx.full((8,), float(k)) * 2).exp().sqrt().log()
        return x

    run = capture(f)
    expected = f(bx.ones(8))
    assert bx.equal(run(bx.ones(8)), expected)
    assert bx.equal(run(bx.ones(8)), expected)
    assert "exp" not in str(run.explain())


def test_a_step_on_nothing_is_replayed() -> None:
    w = bx.ones(3, requires_grad=True)

    @bx.capture
    def step(x):
        w.grad = None
        y = (x * w + 1.5).exp()
        (y * y.t().t()).sum().backward()
        return y

    for _ in range(3):
        assert step(bx.zeros(0, 3)).shape == (0, 3)
        assert w.grad.tolist() == [0.0, 0.0, 0.0]


def test_a_chain_of_a_hundred_thousand_operations_is_recorded_replayed_and_freed() -> None:
    x = bx.tensor([1.0, -2.0, 3.0])

    @bx.capture
    def step(x):
        for _ in range(50_000):
            x = (x + x) / 2.0
        return x

    for _ in range(3):
        assert step(x).tolist() == x.tolist()
    launches, instructions = re.search(r"(\d+) launches in (\d+)", step.signatures()[0]).groups()
    assert int(launches) == 100_000
    assert int(instructions) < 10_000


def test_forward_and_backward_of_a_chain_become_one_walk() -> None:
    x = bx.randn(5000, requires_grad=True)

    def chain():
        x.grad = None
        y = ((x * 1.5 + 0.3).exp() + 1).log().tanh() * x
        loss = y.sum()
        loss.backward()
        return loss

    want, gradient = chain(), x.grad.clone()
    step = bx.capture(chain)
    for _ in range(3):
        assert bx.equal(step(), want)
        assert bx.equal(x.grad, gradient)
    walks = [line for line in step.explain().splitlines() if "tanh" in line]
    assert len(walks) == 1
    assert walks[0].count("+") > 10


def test_what_is_made_of_constants_is_computed_once() -> None:
    x = bx.tensor([1.0, 2.0])

    @bx.capture
    def step(x):
        scale = bx.arange(1.0, 3.0) * 2 + bx.ones(2)  # 3, 5
        half = bx.full((), 3.0) / 6
        return (x * scale * half).exp()

    for _ in range(3):
        np.testing.assert_allclose(step(x).numpy(), np.exp([1.5, 5.0]), rtol=1e-6)
        x.add_(1.0).sub_(1.0)
    text = step.explain()
    assert "div" not in text
    assert "fill" not in text
    assert "3 launches" in text


def test_arguments_by_keyword_are_matched_by_their_names() -> None:
    step = bx.capture(lambda a, b, scale=1.0: (a - b) * scale)
    a, b = bx.tensor([1.0, 2.0]), bx.tensor([3.0, 5.0])
    for _ in range(3):
        assert step(a, b).tolist() == step(b=b, a=a).tolist() == [-2.0, -3.0]
        assert step(a, b=b).tolist() == [-2.0, -3.0]
        assert step(b=a, a=b, scale=2.0).tolist() == [4.0, 6.0]
    assert len(step.signatures()) == 4


def test_a_subclass_may_have_a_call_of_its_own() -> None:
    class Counted(type(bx.capture(abs))):  # type: ignore[misc]
        calls = 0

        def __call__(self, *args: Any) -> Any:
            self.calls += 1
            return super().__call__(*args)

    counted = Counted(lambda x: x * 2)
    assert [counted(bx.tensor(1.0 * k)).item() for k in range(3)] == [0.0, 2.0, 4.0]
    assert counted.calls == 3
