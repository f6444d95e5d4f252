"""Schedulers: a hundred epochs against their formulas and PyTorch, and their books."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import backprop_ext as bx

MAKERS: dict[str, Any] = {
    "LambdaLR": lambda s, o: s.LambdaLR(o, lambda t: 0.95**t),
    "MultiplicativeLR": lambda s, o: s.MultiplicativeLR(o, lambda t: 1 - 1 / (t + 3)),
    "StepLR": lambda s, o: s.StepLR(o, 7, gamma=0.5),
    "MultiStepLR": lambda s, o: s.MultiStepLR(o, [3, 8, 8, 50], 0.3),
    "ConstantLR": lambda s, o: s.ConstantLR(o, 0.4, 9),
    "LinearLR": lambda s, o: s.LinearLR(o, 0.25, 0.9, total_iters=40),
    "ExponentialLR": lambda s, o: s.ExponentialLR(o, 0.97),
    "PolynomialLR": lambda s, o: s.PolynomialLR(o, 30, 2.0),
    "CosineAnnealingLR": lambda s, o: s.CosineAnnealingLR(o, 20, eta_min=0.1),
    "WarmRestarts": lambda s, o: s.CosineAnnealingWarmRestarts(o, 5, 2, eta_min=0.01),
    "WarmRestarts(1)": lambda s, o: s.CosineAnnealingWarmRestarts(o, 6),
    "OneCycleLR": lambda s, o: s.OneCycleLR(o, 1.0, total_steps=101),
    "OneCycleLR linear": lambda s, o: s.OneCycleLR(
        o, [1.0, 0.5], epochs=11, steps_per_epoch=10, anneal_strategy="linear", three_phase=True
    ),
    "CyclicLR": lambda s, o: s.CyclicLR(o, 0.1, 1.0, 7, 5),
    "CyclicLR 2": lambda s, o: s.CyclicLR(o, 0.1, 1.0, 6, mode="triangular2"),
    "CyclicLR exp": lambda s, o: s.CyclicLR(o, 0.1, 1.0, 6, mode="exp_range", gamma=0.99),
    "CyclicLR own": lambda s, o: s.CyclicLR(
        o, 0.1, 1.0, 6, scale_fn=lambda x: 1 / (1 + x), scale_mode="iterations", base_momentum=0.5
    ),
    "SequentialLR": lambda s, o: s.SequentialLR(
        o,
        [s.ConstantLR(o, 0.1, 5), s.ExponentialLR(o, 0.9), s.CosineAnnealingLR(o, 10)],
        [5, 40],
    ),
    "ChainedScheduler": lambda s, o: s.ChainedScheduler(
        [s.ConstantLR(o, 0.1, 20), s.ExponentialLR(o, 0.95)]
    ),
    "plateau": lambda s, o: s.ReduceLROnPlateau(o, factor=0.5, patience=3, cooldown=2, min_lr=1e-3),
    "SWALR": lambda s, o: s.SWALR(o, 0.05, anneal_epochs=12),
    "SWALR linear": lambda s, o: s.SWALR(o, 0.05, 30, "linear"),
}


class _Names:
    """The schedulers of a library, those of swa_utils among them."""

    def __init__(self, lib: Any) -> None:
        self._places = (lib.optim.lr_scheduler, lib.optim.swa_utils)

    def __getattr__(self, name: str) -> Any:
        return next(getattr(place, name) for place in self._places if hasattr(place, name))


def start(lib: Any, name: str) -> tuple[Any, Any]:
    groups = [{"params": [lib.ones(1, requires_grad=True)], "lr": lr} for lr in (0.8, 0.2)]
    optimizer = lib.optim.SGD(groups, momentum=0.9)
    return optimizer, MAKERS[name](_Names(lib), optimizer)


def advance(optimizer: Any, scheduler: Any, epochs: range, plateau: bool) -> list[list[float]]:
    found = []
    for epoch in epochs:
        optimizer.step()
        scheduler.step(*([abs(np.sin(epoch))] if plateau else []))
        rates = [group["lr"] for group in optimizer.param_groups]
        assert scheduler.get_last_lr() == rates
        found.append(rates + [group["momentum"] for group in optimizer.param_groups])
    return found


@pytest.mark.parametrize("name", MAKERS)
def test_hundred_epochs_equal_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    both = []
    for lib in (bx, torch):
        optimizer, scheduler = start(lib, name)
        first = [[float(group["lr"]) for group in optimizer.param_groups] * 2]
        both.append(first + advance(optimizer, scheduler, range(100), name == "plateau"))
    np.testing.assert_allclose(both[0], both[1], rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("name", MAKERS)
def test_schedule_goes_on_where_it_was_saved(name: str) -> None:
    optimizer, scheduler = start(bx, name)
    whole = advance(optimizer, scheduler, range(40), name == "plateau")
    optimizer, scheduler = start(bx, name)
    parts = advance(optimizer, scheduler, range(17), name == "plateau")
    states = optimizer.state_dict(), scheduler.state_dict()
    optimizer, scheduler = start(bx, name)
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    parts += advance(optimizer, scheduler, range(17, 40), name == "plateau")
    assert parts == whole


def test_known_values() -> None:
    def of(name: str) -> Any:
        return [row[0] for row in advance(*start(bx, name), range(60), False)]

    t = np.arange(1, 61)
    np.testing.assert_allclose(of("LambdaLR"), 0.8 * 0.95**t, rtol=1e-12)
    np.testing.assert_allclose(of("ExponentialLR"), 0.8 * 0.97**t, rtol=1e-12)
    np.testing.assert_allclose(of("PolynomialLR")[:30], 0.8 * (1 - t[:30] / 30) ** 2, atol=1e-15)
    np.testing.assert_allclose(of("ConstantLR")[:10], [0.32] * 8 + [0.8] * 2)
    restarts = 0.4 * (1 + np.cos(np.pi * (t % 6) / 6))
    np.testing.assert_allclose(of("WarmRestarts(1)"), restarts, rtol=1e-12)
    assert max(of("CyclicLR")) == pytest.approx(1.0)
    sequence = of("SequentialLR")
    np.testing.assert_allclose(sequence[:6], [0.08] * 4 + [0.8, 0.72])


def test_warm_restarts_take_fractions_of_epochs() -> None:
    optimizer, scheduler = start(bx, "WarmRestarts")
    scheduler.step(2.5)
    share = (1 + np.cos(np.pi / 2)) / 2
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.01 + 0.79 * share)
    scheduler.step(5 + 10)
    assert (scheduler.T_cur, scheduler.T_i) == (0, 20)
    with pytest.raises(ValueError, match="epoch=-1"):
        scheduler.step(-1)


def test_a_schedule_of_ones_own_derives_from_either_name() -> None:
    class Halved(bx.optim.lr_scheduler._LRScheduler):
        def get_lr(self) -> list[float]:
            return [base / 2**self.last_epoch for base in self.base_lrs]

    optimizer = bx.optim.SGD([bx.ones(1, requires_grad=True)], lr=0.4)
    schedule = Halved(optimizer)
    optimizer.step()
    schedule.step()
    assert isinstance(schedule, bx.optim.lr_scheduler.LRScheduler)
    assert schedule.get_last_lr() == [0.2]


def test_a_schedule_counts_its_steps_from_one() -> None:
    class Noam(bx.optim.lr_scheduler.LRScheduler):
        def get_lr(self) -> list[float]:
            seen.append((self._step_count, self.last_epoch))
            return [base * self._step_count**-0.5 for base in self.base_lrs]

    seen: list[tuple[int, int]] = []
    optimizer = bx.optim.SGD([bx.ones(1, requires_grad=True)], lr=1.0)
    schedule = Noam(optimizer)
    for _ in range(3):
        optimizer.step()
        schedule.step()
    assert seen == [(1, 0), (2, 1), (3, 2), (4, 3)]
    assert schedule.get_last_lr() == [0.5]


@pytest.mark.parametrize(
    ("name", "settings"),
    [
        ("StepLR", {"step_size": 3}),
        ("MultiStepLR", {"milestones": [2, 5]}),
        ("ExponentialLR", {"gamma": 0.8}),
        ("CosineAnnealingLR", {"T_max": 6}),
        ("LinearLR", {"total_iters": 4}),
        ("LambdaLR", {"lr_lambda": lambda epoch: 0.9**epoch}),
    ],
)
def test_a_step_to_a_given_epoch_is_pytorchs(name: str, settings: dict[str, Any]) -> None:
    torch = pytest.importorskip("torch")
    found = []
    for module in (bx, torch):
        optimizer = module.optim.SGD([module.ones(1, requires_grad=True)], lr=0.5)
        schedule = getattr(module.optim.lr_scheduler, name)(optimizer, **settings)
        rates: list[float] = []
        for epoch in (1, 2, 5, 3, None, 4):
            optimizer.step()
            if epoch is None:
                schedule.step()
            else:
                with pytest.warns(UserWarning, match="deprecated"):
                    schedule.step(epoch)
            rates += [schedule.last_epoch, optimizer.param_groups[0]["lr"]]
        found.append(rates)
    assert found[0] == pytest.approx(found[1])


def test_a_rate_that_is_a_tensor_stays_one() -> None:
    rate = bx.tensor(0.5)
    optimizer = bx.optim.SGD([bx.ones(1, requires_grad=True)], lr=rate)
    scheduler = bx.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    optimizer.step()
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] is rate
    assert rate.item() == 0.25


@pytest.mark.parametrize(
    ("make", "part"),
    [
        (lambda s, o: s.ConstantLR(o, 1.5), "factor=1.5"),
        (lambda s, o: s.LambdaLR(o, [lambda t: t]), "1 functions for 2 groups"),
        (lambda s, o: s.CosineAnnealingWarmRestarts(o, 0), "T_0=0"),
        (lambda s, o: s.OneCycleLR(o, 1.0), "total_steps"),
        (lambda s, o: s.OneCycleLR(o, 1.0, 10, pct_start=2.0), "pct_start"),
        (lambda s, o: s.OneCycleLR(o, 1.0, 10, anneal_strategy="x"), "anneal_strategy"),
        (lambda s, o: s.CyclicLR(o, 0.1, 1.0, mode="x"), "mode"),
        (lambda s, o: s.SequentialLR(o, [s.StepLR(o, 1)], [3]), "milestone"),
        (lambda s, o: s.ChainedScheduler([]), "empty"),
    ],
)
def test_bad_settings_are_refused(make: Any, part: str) -> None:
    optimizer, _ = start(bx, "StepLR")
    with pytest.raises(ValueError, match=part):
        make(bx.optim.lr_scheduler, optimizer)
    _, other = start(bx, "StepLR")
    with pytest.raises(ValueError, match="another optimizer"):
        bx.optim.lr_scheduler.SequentialLR(optimizer, [other], [])
    plain = bx.optim.Adagrad([bx.ones(1, requires_grad=True)])
    with pytest.raises(ValueError, match="no momentum"):
        bx.optim.lr_scheduler.CyclicLR(plain, 0.1, 1.0)


def test_averaged_models() -> None:
    swa = bx.optim.swa_utils
    model = bx.nn.Linear(2, 1)
    average = swa.AveragedModel(model)
    decayed = swa.AveragedModel(model, multi_avg_fn=swa.get_ema_multi_avg_fn(0.9))
    values = []
    for k in range(4):
        with bx.no_grad():
            model.weight.fill_(float(k))
        average.update_parameters(model)
        decayed.update_parameters(model)
        values.append(float(k))
    np.testing.assert_allclose(average.module.weight.tolist(), [[1.5, 1.5]])
    expected = 0.0
    for value in values[1:]:
        expected = 0.9 * expected + 0.1 * value
    np.testing.assert_allclose(decayed.module.weight.tolist(), [[expected] * 2], rtol=1e-6)
    assert average.n_averaged.item() == 4
    assert average(bx.ones(1, 2)).shape == (1, 1)
    assert "n_averaged" in average.state_dict()


def test_a_step_of_ones_own_is_the_first_one_too() -> None:
    class Halving(bx.optim.lr_scheduler.LRScheduler):
        steps = 0

        def get_lr(self) -> list[float]:
            return [base / 2**self.steps for base in self.base_lrs]

        def step(self, epoch: int | None = None) -> None:
            self.last_epoch += 1
            self.steps += 1
            for group, lr in zip(self.optimizer.param_groups, self.get_lr(), strict=True):
                group["lr"] = lr

    optimizer = bx.optim.SGD([bx.ones(1, requires_grad=True)], lr=1.0)
    scheduler = Halving(optimizer)
    assert (scheduler.steps, scheduler.last_epoch, optimizer.param_groups[0]["lr"]) == (1, 0, 0.5)
    scheduler.step()
    assert optimizer.param_groups[0]["lr"] == 0.25


@pytest.mark.parametrize("name", bx.optim.lr_scheduler.__all__)
def test_schedulers_are_of_the_module_they_are_found_in(name: str) -> None:
    schedulers = bx.optim.lr_scheduler
    assert getattr(schedulers, name).__module__ == schedulers.__name__


def test_state_has_pytorchs_names() -> None:
    torch = pytest.importorskip("torch")
    for name in ("StepLR", "CosineAnnealingLR", "ExponentialLR", "LinearLR"):
        states = [start(lib, name)[1].state_dict() for lib in (bx, torch)]
        assert states[0] == states[1], name


@pytest.mark.filterwarnings("ignore:.*came before")
def test_a_sequence_may_begin_with_any_scheduler() -> None:
    S = bx.optim.lr_scheduler

    def rates(make: Any, steps: int = 6) -> list[float]:
        optimizer = bx.optim.SGD([bx.ones(1, requires_grad=True)], lr=0.1)
        scheduler = make(optimizer)
        found = []
        for _ in range(steps):
            found.append(round(optimizer.param_groups[0]["lr"], 6))
            optimizer.step()
            scheduler.step()
        return found

    restarts = rates(
        lambda o: S.SequentialLR(
            o, [S.CosineAnnealingWarmRestarts(o, 3), S.ExponentialLR(o, 0.5)], [4]
        )
    )
    assert restarts == [0.1, 0.075, 0.025, 0.1, 0.1, 0.05]
    # PyTorch's rates, whose inner schedulers take one step more at the start.
    chained = rates(
        lambda o: S.SequentialLR(
            o,
            [S.ChainedScheduler([S.LinearLR(o, 0.5, 1.0, 3), S.StepLR(o, 2)]), S.StepLR(o, 9)],
            [4],
        )
    )
    assert chained == [0.05, 0.066667, 0.008333, 0.01, 0.1, 0.1]


def test_reduce_on_plateau_tells_of_its_cooldown() -> None:
    optimizer = bx.optim.SGD([bx.ones(1, requires_grad=True)], lr=0.1)
    scheduler = bx.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, cooldown=2)
    assert scheduler.is_better(0.5, 1.0)
    assert not scheduler.in_cooldown
    for metric in (1.0, 2.0):
        scheduler.step(metric)
    assert scheduler.in_cooldown
