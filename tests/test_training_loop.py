"""The training loop: the numbers of a loop written by hand, and what happens between two steps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.training import (
    Accuracy,
    ClipByNorm,
    ClipByValue,
    Clips,
    EveryEpoch,
    Loop,
    Loss,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    MinLoss,
    Never,
    Patience,
    Schedule,
    SeveralIteration,
    State,
    TriggerAnd,
    TriggerOr,
    Validation,
    evaluate,
)
from backprop_ext.utils.data import DataLoader, TensorDataset

X = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)


def net(torch: Any = bx) -> Any:
    n = torch.nn
    # No bias before the batch norm: its gradient is rounding, of which Adam makes a full step.
    return n.Sequential(n.Linear(3, 8, bias=False), n.BatchNorm1d(8), n.Tanh(), n.Linear(8, 2))


def data(shuffle: bool = False, size: int = 16, torch: Any = bx) -> Any:
    tools = torch.utils.data
    dataset = tools.TensorDataset(torch.tensor(X), torch.tensor(Y))
    return tools.DataLoader(dataset, batch_size=size, shuffle=shuffle)


def weights(module: Any) -> list[Any]:
    return [t.detach().numpy().copy() for t in (*module.parameters(), *module.buffers())]


def same_bits(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def trained(epochs: int = 3, module: Any = None, rate: float = 0.1, **options: Any) -> Loop:
    bx.manual_seed(1)
    module = net() if module is None else module
    optimizer = bx.optim.SGD(module.parameters(), lr=rate, momentum=0.9)
    loop = Loop(module, nn.CrossEntropyLoss(), optimizer, **options)
    loop.run(data(shuffle=True), MaxEpoch(epochs))
    return loop


OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1},
    "momentum": {"lr": 0.1, "momentum": 0.9, "weight_decay": 1e-3},
    "Adam": {"lr": 0.01},
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_losses_and_weights_of_a_loop_written_by_hand_in_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs, ours = net(torch), net()
    for p, q in zip(ours.parameters(), theirs.parameters(), strict=True):
        with bx.no_grad():
            p.copy_(bx.tensor(q.detach().numpy()))

    def optimizer(package: Any, module: Any) -> Any:
        kind = getattr(package.optim, "Adam" if name == "Adam" else "SGD")
        return kind(module.parameters(), **OPTIMIZERS[name])

    torch.manual_seed(5)
    update, criterion = optimizer(torch, theirs), torch.nn.CrossEntropyLoss()
    schedule = torch.optim.lr_scheduler.StepLR(update, 2, 0.5)
    losses = []
    for _ in range(4):
        for x, y in data(True, torch=torch):
            update.zero_grad()
            loss = criterion(theirs(x), y)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(theirs.parameters(), 0.5)
            update.step()
            losses.append(loss.item())
        schedule.step()

    bx.manual_seed(5)
    update = optimizer(bx, ours)
    loop = Loop(
        ours,
        nn.CrossEntropyLoss(),
        update,
        clip=ClipByNorm(0.5),
        schedule=bx.optim.lr_scheduler.StepLR(update, 2, 0.5),
    )
    seen: list[float] = []
    loop.run(data(True), MaxEpoch(4), callbacks=[lambda state: seen.append(state.loss)])
    np.testing.assert_allclose(seen, losses, rtol=2e-5)
    for p, q in zip(weights(ours), weights(theirs), strict=True):
        np.testing.assert_allclose(p, q, rtol=2e-4, atol=2e-6)
    assert update.param_groups[0]["lr"] == OPTIMIZERS[name]["lr"] / 4
    # The last batch has 2 samples: the epoch's loss is the mean over samples, not batches.
    mean = sum(loss * n for loss, n in zip(losses[-4:], (16, 16, 16, 2), strict=True)) / 50
    assert loop.state.epoch_loss == pytest.approx(mean, rel=1e-5)
    assert [row["loss"] for row in loop.state.history][-1] == loop.state.epoch_loss


@pytest.mark.parametrize("clip", [None, ClipByNorm(0.1), Clips(ClipByValue(-0.05, 0.1))])
def test_a_captured_loop_gives_the_bits_of_an_eager_one(clip: Any) -> None:
    loops = [trained(clip=clip, capture=flag) for flag in (None, False)]
    assert [loop.step.eager_reason for loop in loops] == [None, "capture=False"]
    assert same_bits(*[weights(loop.module) for loop in loops])


def test_what_cannot_be_captured_runs_eagerly_with_the_same_bits_and_a_reason() -> None:
    class Reads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner, self.drop = net(), nn.Dropout(0.5)

        def forward(self, x: Any) -> Any:
            x = self.drop(x)  # A draw and a batch norm come before the value that is read.
            return self.inner(x) * (1.0 if float(x.sum()) > 0 else 2.0)

    made = []
    for flag in (None, True, False):
        bx.manual_seed(1)
        made.append(trained(module=Reads(), capture=flag))
    reasons = [str(loop.step.eager_reason) for loop in made]
    assert "Reads is code of yours" in reasons[0]
    assert "a value is read" in reasons[1]
    assert same_bits(weights(made[0].module), weights(made[2].module))
    assert same_bits(weights(made[1].module), weights(made[2].module))


def test_hooks_and_losses_of_ones_own_are_not_frozen_by_a_recording() -> None:
    calls = []
    module = net()
    module[0].register_forward_hook(lambda *_: calls.append(1))
    loop = trained(module=module)
    assert len(calls) == loop.state.iteration == 12
    assert "has hooks" in str(loop.step.eager_reason)
    scale = [1.0]

    def loss(output: Any, target: Any) -> Any:
        scale[0] *= 0.5
        return nn.functional.cross_entropy(output, target) * scale[0]

    module = net()
    loop = Loop(module, loss, bx.optim.SGD(module.parameters(), lr=0.1))
    loop.run(data(), MaxEpoch(1))
    assert scale[0] == 0.5**4
    assert "loss is code of yours" in str(loop.step.eager_reason)


def test_settings_that_change_between_two_runs_are_recorded_anew() -> None:
    found = []
    for flag in (None, False):
        bx.manual_seed(0)
        loss = nn.HuberLoss(delta=2.0)
        module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.1), nn.Linear(8, 3))
        loop = Loop(module, loss, bx.optim.SGD(module.parameters(), lr=0.1), capture=flag)
        x = bx.tensor(X)
        loop.run([(x, x * 3)], MaxEpoch(3))
        module[1].p, loss.delta = 0.7, 0.5
        loop.run([(x, x * 3)], MaxEpoch(6))
        assert (loop.step.eager_reason is None) == (flag is None)
        found.append(weights(module))
    assert same_bits(*found)


def test_tables_are_not_copied_in_every_step_but_put_back_when_written() -> None:
    class Table(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", bx.ones(50, 3))
            self.norm = nn.BatchNorm1d(3)
            self.register_buffer("count", None)

        def forward(self, x: Any) -> Any:
            return self.norm(x + self.table)

    module = Table()
    loop = Loop(module, nn.MSELoss(), bx.optim.SGD(module.parameters(), lr=0.1))
    x = bx.tensor(X)
    loop.run([(x, x)], MaxIteration(2))
    kept = {k.name for k in loop.step._buffers.copy()}
    assert kept == {"running_mean", "running_var", "num_batches_tracked"}


def test_batches_of_many_shapes_are_no_recordings_without_end() -> None:
    module = nn.Linear(3, 2)
    optimizer = bx.optim.SGD(module.parameters(), lr=0.1)
    loop = Loop(module, nn.CrossEntropyLoss(), optimizer)
    batches = [(bx.tensor(X[:n]), bx.tensor(Y[:n])) for n in range(1, 30)]
    loop.run(batches, MaxEpoch(1))
    assert loop.state.iteration == 29
    assert "shapes" in str(loop.step.eager_reason)


def test_input_that_is_the_target_too_is_trained_on() -> None:
    x = bx.tensor(X)
    module = nn.Linear(3, 3)
    loop = Loop(module, nn.MSELoss(), bx.optim.SGD(module.parameters(), lr=0.1))
    loop.run([(x, x)], MaxEpoch(20))
    losses = [row["loss"] for row in loop.state.history]
    assert losses == sorted(losses, reverse=True)


def test_penalty_and_several_inputs_and_targets_enter_the_loss() -> None:
    class Sum(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(bx.tensor([2.0]))

        def forward(self, a: Any, b: Any) -> Any:
            return self.scale * (a + b)

    module = Sum()
    loop = Loop(
        module,
        lambda output, target, weight: (weight * (output - target) ** 2).mean(),
        bx.optim.SGD(module.parameters(), lr=0.0),
        penalty=lambda: 10.0 * (module.scale**2).sum(),
        targets=2,
    )
    a, b, target, weight = (bx.full((4, 1), value) for value in (1.0, 2.0, 5.0, 3.0))
    loop.run(DataLoader(TensorDataset(a, b, target, weight), 4), MaxEpoch(1))
    assert loop.state.loss == pytest.approx(3.0 * (2 * 3 - 5) ** 2 + 40.0)


def test_lbfgs_takes_its_several_looks_at_a_batch() -> None:
    bx.manual_seed(0)
    x = bx.randn(20, 3, dtype=bx.float64)
    y = x @ bx.tensor([[1.0], [-2.0], [0.5]], dtype=bx.float64)
    module = nn.Linear(3, 1).double()
    optimizer = bx.optim.LBFGS(module.parameters(), line_search_fn="strong_wolfe")
    loop = Loop(module, nn.MSELoss(), optimizer)
    loop.run([(x, y)], MaxEpoch(4))
    np.testing.assert_allclose(module.weight.detach().numpy(), [[1.0, -2.0, 0.5]], atol=1e-6)


# Triggers


def state(**fields: Any) -> State:
    return State(**fields)


@pytest.mark.parametrize(
    ("trigger", "yes", "no"),
    [
        (EveryEpoch(), state(epoch_finished=True), state(epoch=1)),
        (MaxEpoch(2), state(epoch=2), state(epoch=1, iteration=9)),
        (MaxIteration(5), state(iteration=5), state(iteration=4)),
        (SeveralIteration(3), state(iteration=6), state(iteration=0)),
        (MinLoss(0.5), state(loss=0.4), state(loss=0.5)),
        (MaxScore(0.9), state(score=0.95), state(score=0.9)),
        (TriggerAnd(MaxEpoch(1), MinLoss(1.0)), state(epoch=1, loss=0.0), state(epoch=1, loss=2.0)),
        (TriggerOr(MaxEpoch(1), MinLoss(1.0)), state(epoch=1, loss=2.0), state(loss=2.0)),
    ],
)
def test_a_trigger_says_yes_and_no(trigger: Any, yes: State, no: State) -> None:
    assert trigger(yes)
    assert not trigger(no)
    assert not MinLoss(1e9)(state())  # No loss, no score yet.
    assert not MaxScore(-1e9)(state())
    assert not Never()(yes)


@pytest.mark.parametrize("make", [MaxEpoch, MaxIteration, SeveralIteration, Patience])
def test_a_trigger_refuses_what_is_no_count(make: Callable[[Any], Any]) -> None:
    for wrong in (-1, 1.5, "3", True):
        with pytest.raises(ValueError, match=f"{make.__name__}.*an int of"):
            make(wrong)
    with pytest.raises(TypeError, match="is no trigger"):
        TriggerOr(3)  # type: ignore[arg-type]


def test_the_loop_stops_where_the_trigger_says() -> None:
    for end, epoch, iteration in (
        (MaxEpoch(2), 2, 8),
        (MaxIteration(6), 1, 6),
        (TriggerOr(MaxEpoch(9), MaxIteration(3)), 0, 3),
        (TriggerAnd(MaxEpoch(1), MaxIteration(7)), 1, 7),
        (MaxEpoch(0), 0, 0),
    ):
        module = net()
        before = weights(module)
        loop = Loop(module, nn.CrossEntropyLoss(), bx.optim.SGD(module.parameters(), lr=0.1))
        loop.run(data(), end)
        assert (loop.state.epoch, loop.state.iteration) == (epoch, iteration)
        assert same_bits(before, weights(module)) == (iteration == 0)


def test_min_loss_and_max_score_end_a_run() -> None:
    module = net()
    loop = Loop(module, nn.CrossEntropyLoss(), bx.optim.Adam(module.parameters(), lr=0.05))
    loop.run(data(), TriggerOr(MinLoss(0.3), MaxEpoch(500)))
    assert loop.state.loss < 0.3
    validation = Validation(data(), [Accuracy()], SeveralIteration(2))
    loop.run(data(), TriggerOr(MaxScore(0.97), MaxEpoch(500)), validation=validation)
    assert loop.state.score is not None
    assert loop.state.score > 0.97
    assert loop.state.epoch < 500


def test_patience_ends_a_run_that_no_longer_gains_and_knows_the_best_epoch() -> None:
    losses = [5.0, 4.0, 3.95, 3.9, 3.0, 3.2, 3.1, 3.05, 1.0]
    patience, asked = Patience(3, tol=0.2), 0
    for epoch, loss in enumerate(losses, 1):
        asked = epoch
        if patience(State(epoch=epoch, epoch_loss=loss, epoch_finished=True)):
            break
        assert not patience(State(epoch=epoch, epoch_loss=loss))  # In the middle: no count.
    assert (asked, patience.best, patience.best_epoch) == (8, 3.0, 5)
    rising = Patience(2, on_score=True, higher_is_better=True)
    answers = [
        rising(State(epoch=k, score=s, epoch_finished=True))
        for k, s in enumerate([0.1, 0.3, 0.2, 0.3], 1)
    ]
    assert answers == [False, False, False, True]
    with pytest.raises(ValueError, match="nothing has been validated"):
        Patience(1, on_score=True)(State(epoch=1, epoch_finished=True))


# Validation and what is called between two iterations


def test_validation_scores_are_those_of_a_pass_by_hand() -> None:
    loop = trained(0)
    model, criterion = loop.module, nn.CrossEntropyLoss()
    validation = Validation(data(size=20), [Loss(criterion), Accuracy()], EveryEpoch())
    loop.run(data(), MaxEpoch(2), validation=validation)
    assert model.training
    model.eval()
    with bx.no_grad():
        output = model(bx.tensor(X))
        expected = criterion(output, bx.tensor(Y)).item()
    right = float((output.argmax(1).numpy() == Y).mean())
    assert loop.state.scores == {"loss": pytest.approx(expected, rel=1e-5), "accuracy": right}
    assert loop.state.score == loop.state.scores["loss"]
    assert loop.state.history[-1]["val_accuracy"] == right
    again = evaluate(model, data(size=7), [Accuracy()])
    assert again == {"accuracy": right}


def test_validation_changes_neither_draws_nor_modes_nor_the_training() -> None:
    made = []
    for validation in (None, Validation(data(True), [Accuracy()], SeveralIteration(1))):
        bx.manual_seed(2)
        module = nn.Sequential(nn.Linear(3, 8), nn.Dropout(0.5), nn.BatchNorm1d(8), nn.Linear(8, 2))
        module[2].eval()
        loop = Loop(module, nn.CrossEntropyLoss(), bx.optim.SGD(module.parameters(), lr=0.1))
        loop.run(data(True), MaxEpoch(2), validation=validation)
        assert [m.training for m in module] == [True, True, False, True]
        made.append([*weights(module), bx.rand(3).numpy()])
    assert same_bits(*made)


def test_the_best_score_is_remembered_with_its_iteration() -> None:
    seen = State()
    for iteration, score in enumerate([0.2, 0.8, 0.5], 1):
        seen.iteration = iteration
        seen.validated({"accuracy": score}, higher_is_better=True)
    assert (seen.score, seen.best, seen.best_iteration) == (0.5, 0.8, 2)
    seen.validated({"loss": -3.0}, higher_is_better=False)
    assert seen.best == -3.0


def test_schedules_step_by_epoch_by_iteration_and_on_a_stalled_score() -> None:
    def rates(make: Any, **options: Any) -> list[float]:
        module = net()
        optimizer = bx.optim.SGD(module.parameters(), lr=1.0)
        loop = Loop(module, nn.CrossEntropyLoss(), optimizer, schedule=make(optimizer))
        seen: list[float] = []
        note = [lambda _: seen.append(optimizer.param_groups[0]["lr"])]
        loop.run(data(size=25), MaxEpoch(2), callbacks=note, **options)
        return seen

    lr = bx.optim.lr_scheduler
    assert rates(lambda o: lr.StepLR(o, 1, 0.1)) == [1.0, 0.1, 0.1, pytest.approx(0.01)]
    by_step = rates(lambda o: Schedule(lr.StepLR(o, 1, 0.5), "iteration"))
    assert by_step == [0.5, 0.25, 0.125, 0.0625]
    validation = Validation(data(), [_Constant()])
    stalled = lambda o: Schedule(lr.ReduceLROnPlateau(o, patience=0), monitor="score")  # noqa: E731
    assert rates(stalled, validation=validation) == [1.0, 1.0, 1.0, 0.1]
    with pytest.raises(ValueError, match="nothing has been validated"):
        rates(stalled)
    with pytest.raises(TypeError, match="schedule is a int"):
        rates(lambda o: 3)
    with pytest.raises(ValueError, match=r"every='step'"):
        rates(lambda o: Schedule(lr.StepLR(o, 1), "step"))


class _Constant(Accuracy):
    def measure(self, output: Any, target: Any) -> tuple[float, int]:
        return 1.0, 1


def test_a_second_run_goes_on_and_changes_of_clipping_count() -> None:
    once = trained(4)
    twice = trained(2)
    # The same draws, as if there had been one run.
    bx.manual_seed(1)
    twice = trained(2)
    twice.run(data(True), MaxEpoch(4))
    assert same_bits(weights(once.module), weights(twice.module))
    assert len(twice.state.history) == 4
    twice.step.set_clip(ClipByValue(-1e-30, 1e-30))
    twice.optimizer.param_groups[0]["momentum"] = 0.0
    before = [p.detach().numpy().copy() for p in twice.module.parameters()]
    twice.run(data(True), MaxEpoch(5))
    after = [p.detach().numpy() for p in twice.module.parameters()]
    assert same_bits(before, after)


# Clipping


def test_clipping_by_value_and_norm_are_their_formulas() -> None:
    p = nn.Parameter(bx.zeros(3))
    q = nn.Parameter(bx.zeros(1))
    p.grad, q.grad = bx.tensor([3.0, -4.0, 0.5]), bx.tensor([12.0])
    unused = nn.Parameter(bx.zeros(1))
    ClipByValue(-1.0, 2.0)([p, q, unused])
    assert [p.grad.tolist(), q.grad.tolist()] == [[2.0, -1.0, 0.5], [2.0]]
    p.grad, q.grad = bx.tensor([3.0, -4.0, 0.0]), bx.tensor([12.0])
    ClipByNorm(1.3)([p, q, unused])
    np.testing.assert_allclose(p.grad.numpy(), [0.3, -0.4, 0.0], rtol=1e-5)
    np.testing.assert_allclose(q.grad.numpy(), [1.2], rtol=1e-5)
    Clips(ClipByValue(-0.2, 0.2), ClipByNorm(100.0))([p, q])
    np.testing.assert_allclose(p.grad.numpy(), [0.2, -0.2, 0.0], rtol=1e-6)
    for make in (lambda: ClipByValue(1.0, 1.0), lambda: ClipByNorm(0.0), lambda: ClipByNorm(-1.0)):
        with pytest.raises(ValueError, match=r"\[clip\]"):
            make()


# What goes wrong


@pytest.mark.parametrize("capture", [None, False])
def test_a_loss_that_is_not_finite_stops_before_the_update(capture: bool | None) -> None:
    module = nn.Sequential(nn.Linear(1, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))
    optimizer = bx.optim.Adam(module.parameters(), lr=0.1)
    loop = Loop(module, nn.MSELoss(), optimizer, capture=capture)
    x = bx.tensor(np.arange(6.0, dtype=np.float32)[:, None])
    bad = x.clone()
    bad[4, 0] = float("nan")
    loop.run([(x, x)], MaxIteration(2))
    kept: list[Any] = []
    batches = [(x, x), (x + 1, x), (bad, x)]
    keep = lambda _: kept.append(weights(module))  # noqa: E731
    with pytest.raises(FloatingPointError) as error:
        loop.run(batches, MaxEpoch(9), callbacks=[keep])
    text = str(error.value)
    assert "the loss is nan in epoch 3, iteration 5, learning rate 0.1" in text
    assert "lower the learning rate" in text
    assert "as it was before that iteration" in text
    assert loop.state.iteration == 4
    assert same_bits(weights(module), kept[-1])  # Batch norm's buffers too.
    assert all(np.isfinite(t).all() for t in weights(module))


def test_a_gradient_that_is_not_finite_stops_too() -> None:
    w = nn.Parameter(bx.tensor([0.0, 4.0]))

    class Root(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.w = w

        def forward(self, x: Any) -> Any:
            return self.w.sqrt() * x  # d sqrt(0) is infinite, and sqrt(0) is not.

    loop = Loop(Root(), nn.MSELoss(), bx.optim.SGD([w], lr=0.1))
    with pytest.raises(FloatingPointError, match="the gradient is not finite in epoch 1"):
        loop.run([(bx.ones(1, 2), bx.ones(1, 2))], MaxEpoch(1))
    assert w.tolist() == [0.0, 4.0]
    loop.step.set_clip(ClipByValue(-1.0, 1.0))  # Infinite ones are clipped.
    loop.run([(bx.ones(1, 2), bx.ones(1, 2))], MaxEpoch(1))
    assert w.tolist() == pytest.approx([0.1, 3.975])
    assert np.isfinite(w.detach().numpy()).all()


def test_lbfgs_does_not_start_from_a_loss_that_is_not_finite() -> None:
    module = nn.Linear(1, 1)
    before = weights(module)
    loop = Loop(module, nn.MSELoss(), bx.optim.LBFGS(module.parameters()))
    with pytest.raises(FloatingPointError, match="loss is nan"):
        loop.run([(bx.tensor([[float("nan")]]), bx.ones(1, 1))], MaxEpoch(1))
    assert same_bits(before, weights(module))


def test_an_error_of_a_step_changes_nothing_and_names_itself() -> None:
    bx.manual_seed(0)
    module = nn.Sequential(nn.Dropout(0.5), nn.Linear(3, 2), nn.BatchNorm1d(2))
    before, draw = weights(module), bx.get_rng_state()
    loop = Loop(module, nn.CrossEntropyLoss(), bx.optim.SGD(module.parameters(), lr=0.1))
    with pytest.raises(IndexError, match="index 7 is out of range"):
        loop.run([(bx.tensor(X), bx.full((50,), 7))], MaxEpoch(1))
    assert same_bits(before, weights(module))
    assert bx.get_rng_state().equal(draw)


def test_clear_errors_for_what_is_no_optimizer_loss_or_data() -> None:
    module = net()
    optimizer = bx.optim.SGD(module.parameters(), lr=0.1)
    with pytest.raises(TypeError, match="optimizer is a str"):
        Loop(module, nn.CrossEntropyLoss(), "sgd")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no batch after 0"):
        Loop(module, nn.CrossEntropyLoss(), optimizer).run([], MaxEpoch(1))
    with pytest.raises(ValueError, match=r"shape \(16, 2\), one number is needed; take its mean"):
        Loop(module, lambda o, t: o * 2, optimizer).run(data(), MaxEpoch(1))
    before = weights(module)
    with pytest.raises(TypeError, match="end is a int"):
        Loop(module, nn.CrossEntropyLoss(), optimizer).run(data(), 5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="a callback is a str"):
        Loop(module, nn.CrossEntropyLoss(), optimizer).run(data(), MaxEpoch(1), callbacks=["a"])
    assert same_bits(before, weights(module))
    with pytest.raises(ValueError, match=r"pass checkpoint=Checkpoint\(path\)"):
        Loop(module, nn.CrossEntropyLoss(), optimizer).run(data(), MaxEpoch(1), resume=True)
    for batch, told in (({"x": 1}, "a batch is dict"), ((bx.ones(2, 3),), "a batch is 1")):
        with pytest.raises(TypeError, match=told):
            Loop(module, nn.CrossEntropyLoss(), optimizer).run([batch], MaxEpoch(1))
    with pytest.raises(ValueError, match="the data has no batches"):
        evaluate(module, [], [Accuracy()])
    with pytest.raises(ValueError, match="no metrics"):
        Validation(data(), [])
