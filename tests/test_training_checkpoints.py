"""A run that was stopped goes on to the bits of one that never was; and what summaries keep."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.training import (
    Accuracy,
    Checkpoint,
    ClipByNorm,
    EveryEpoch,
    Loop,
    Loss,
    MaxEpoch,
    MaxIteration,
    Patience,
    Schedule,
    SeveralIteration,
    TrainSummary,
    TriggerOr,
    Validation,
    ValidationSummary,
)
from backprop_ext.utils.data import DataLoader, RandomSampler, TensorDataset

X = np.random.default_rng(0).standard_normal((50, 3)).astype(np.float32)
Y = (X[:, 0] + X[:, 1] > 0).astype(np.int64)
DATA = TensorDataset(bx.tensor(X), bx.tensor(Y))
ITERATIONS = 7  # of an epoch


def net() -> nn.Module:
    layers = [nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.3), nn.Linear(8, 2)]
    return nn.Sequential(*layers)


def bits(module: nn.Module) -> list[Any]:
    state = [*module.parameters(), *module.buffers(), bx.rand(4)]
    return [t.detach().numpy().copy() for t in state]


def same_bits(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _two_groups(parameters: Any) -> Any:
    own = list(parameters)
    groups = [{"params": own[:2], "lr": 0.1}, {"params": own[2:], "momentum": 0.9}]
    return bx.optim.SGD(groups, lr=0.01)


OPTIMIZERS: dict[str, Any] = {
    "momentum": lambda p: bx.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "Adam": lambda p: bx.optim.Adam(p, lr=0.01, amsgrad=True),
    "RMSprop": lambda p: bx.optim.RMSprop(p, lr=0.01, momentum=0.5, centered=True),
    "Adagrad": lambda p: bx.optim.Adagrad(p, lr=0.05),
}
OTHERS: dict[str, Any] = {
    "ASGD": lambda p: bx.optim.ASGD(p, lr=0.1, t0=5),
    "Adadelta": lambda p: bx.optim.Adadelta(p),
    "Adafactor": lambda p: bx.optim.Adafactor(p, lr=0.01),
    "AdamW": lambda p: bx.optim.AdamW(p, lr=0.01),
    "Adamax": lambda p: bx.optim.Adamax(p, lr=0.01),
    "LBFGS": lambda p: bx.optim.LBFGS(p, lr=0.1, max_iter=2),
    "NAdam": lambda p: bx.optim.NAdam(p, lr=0.01),
    "RAdam": lambda p: bx.optim.RAdam(p, lr=0.01),
    "Rprop": lambda p: bx.optim.Rprop(p, lr=0.01),
    "groups": _two_groups,
}
SCHEDULES: dict[str, Any] = {
    "none": lambda o: None,
    "milestones": lambda o: bx.optim.lr_scheduler.MultiStepLR(o, [1, 3], 0.5),
    "per iteration": lambda o: Schedule(
        bx.optim.lr_scheduler.CosineAnnealingLR(o, 30), "iteration"
    ),
    "plateau": lambda o: bx.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0),
    "sequential": lambda o: bx.optim.lr_scheduler.SequentialLR(
        o,
        [bx.optim.lr_scheduler.ConstantLR(o), bx.optim.lr_scheduler.MultiStepLR(o, [2], 0.1)],
        [2],
    ),
}


def run(
    end: Any,
    path: Path | None = None,
    resume: bool = False,
    optimizer: str = "momentum",
    schedule: str = "none",
    seed: int = 3,
    data: Any = None,
    every: int = 3,
    **options: Any,
) -> tuple[list[Any], Loop]:
    bx.manual_seed(seed)
    module = net()
    made = (OPTIMIZERS | OTHERS)[optimizer](module.parameters())
    loop = Loop(
        module,
        nn.CrossEntropyLoss(),
        made,
        clip=ClipByNorm(1.0),
        schedule=SCHEDULES[schedule](made),
    )
    checkpoint = None if path is None else Checkpoint(path, SeveralIteration(every))
    loop.run(
        DataLoader(DATA, 8, shuffle=True) if data is None else data,
        end,
        validation=Validation(DataLoader(DATA, 32), [Loss(nn.CrossEntropyLoss()), Accuracy()]),
        checkpoint=checkpoint,
        resume=resume,
        **options,
    )
    return bits(module), loop


@pytest.mark.parametrize("stop", [4, 6, 7, 11, 14, 20])
def test_a_stop_anywhere_in_an_epoch_does_not_show(stop: int, tmp_path: Path) -> None:
    whole, loop = run(MaxEpoch(4))
    run(MaxIteration(stop), tmp_path)
    # Another seed, other weights: all of it comes from the checkpoint.
    resumed, again = run(MaxEpoch(4), tmp_path, resume=True, seed=99)
    assert same_bits(whole, resumed)
    assert again.state == loop.state
    assert len(loop.state.history) == 4


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_and_schedule_goes_on(
    optimizer: str, schedule: str, tmp_path: Path
) -> None:
    chosen: dict[str, Any] = {"optimizer": optimizer, "schedule": schedule}
    whole, loop = run(MaxEpoch(5), **chosen)
    run(MaxIteration(18), tmp_path, **chosen)
    resumed, again = run(MaxEpoch(5), tmp_path, resume=True, seed=99, **chosen)
    assert same_bits(whole, resumed)
    rates = [o.optimizer.param_groups[0]["lr"] for o in (loop, again)]
    assert rates[0] == rates[1]


@pytest.mark.parametrize("optimizer", OTHERS)
def test_the_other_optimizers_go_on_too(optimizer: str, tmp_path: Path) -> None:
    whole, _ = run(MaxEpoch(3), optimizer=optimizer)
    run(MaxIteration(13), tmp_path, optimizer=optimizer)
    resumed, _ = run(MaxEpoch(3), tmp_path, resume=True, seed=99, optimizer=optimizer)
    assert same_bits(whole, resumed)


def _own_generator() -> DataLoader[Any]:
    return DataLoader(DATA, 8, shuffle=True, generator=bx.Generator().manual_seed(4))


def _replacement() -> DataLoader[Any]:
    return DataLoader(DATA, 8, sampler=RandomSampler(DATA, replacement=True, num_samples=60))


def _drawn_on_the_way() -> DataLoader[Any]:
    """32 numbers at a time: the second draw of an epoch is made when its fifth batch is fetched."""
    generator = bx.Generator().manual_seed(4)
    sampler = RandomSampler(DATA, replacement=True, num_samples=60, generator=generator)
    return DataLoader(DATA, 8, sampler=sampler)


def _sample_by_sample() -> DataLoader[Any]:
    samples = [(x, y) for x, y in zip(DATA.tensors[0], DATA.tensors[1], strict=True)]
    return DataLoader(samples, 8, shuffle=True)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "make", [_own_generator, _replacement, _drawn_on_the_way, _sample_by_sample]
)
def test_other_orders_of_the_data_go_on_too(make: Any, tmp_path: Path) -> None:
    whole, _ = run(MaxEpoch(3), data=make())
    run(MaxIteration(13), tmp_path, data=make())
    resumed, _ = run(MaxEpoch(3), tmp_path, resume=True, seed=99, data=make())
    assert same_bits(whole, resumed)


def test_the_memory_of_an_end_goes_on(tmp_path: Path) -> None:
    def end(limit: int) -> Any:
        return TriggerOr(MaxIteration(limit), Patience(3, tol=0.02))

    whole, loop = run(end(1000), optimizer="Adam")
    assert 20 < loop.state.iteration < 1000
    run(end(loop.state.iteration - 8), tmp_path, optimizer="Adam")
    resumed, again = run(end(1000), tmp_path, resume=True, optimizer="Adam", seed=99)
    assert again.state == loop.state
    assert same_bits(whole, resumed)


def test_another_end_begins_without_a_memory(tmp_path: Path) -> None:
    ends = [MaxIteration(7), TriggerOr(MaxIteration(10), Patience(50)), TriggerOr(MaxIteration(14))]
    for end in ends:
        _, loop = run(end, tmp_path, resume=True)
    assert loop.state.iteration == 14
    whole, _ = run(MaxEpoch(2))
    resumed, _ = run(MaxEpoch(2), tmp_path, resume=True)
    assert same_bits(whole, resumed)


def test_resume_without_a_checkpoint_starts_and_after_the_end_does_nothing(tmp_path: Path) -> None:
    whole, _ = run(MaxEpoch(3))
    first, _ = run(MaxEpoch(3), tmp_path, resume=True, every=ITERATIONS)
    assert same_bits(whole, first)
    again, loop = run(MaxEpoch(3), tmp_path, resume=True, seed=99, every=ITERATIONS)
    assert same_bits(whole, again)
    assert loop.state.iteration == 3 * ITERATIONS


SCRIPT = """
import sys
from pathlib import Path
import numpy as np
sys.path.insert(0, {tests!r})
import test_training_checkpoints as t
from backprop_ext.training import MaxEpoch

folder, until = Path(sys.argv[1]), int(sys.argv[2])

def tell(state):
    print(state.iteration, flush=True)
    if state.iteration == until:
        sys.stdin.read()  # Here it is killed.

found, _ = t.run(MaxEpoch(10), folder, resume=True, optimizer="Adam", callbacks=[tell], every=2)
np.savez(folder / "end.npz", *found)
"""


def test_a_process_killed_in_the_middle_goes_on_to_the_same_bits(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT.format(tests=str(Path(__file__).parent)))
    folder, first = tmp_path / "run", 1
    for until in (15, 40, 0):  # Killed twice, without a chance to clean up.
        command = [sys.executable, "-W", "error", str(script), str(folder), str(until)]
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        with subprocess.Popen(command, text=True, **pipes) as process:
            assert process.stdout is not None
            lines = []
            for line in process.stdout:
                lines.append(int(line))
                if lines[-1] == until:
                    process.send_signal(signal.SIGKILL)
                    break
        assert process.returncode == (-signal.SIGKILL if until else 0)
        assert lines[0] == first
        # The newest checkpoint is of an even number, and before the kill.
        first = (until - 1) // 2 * 2 + 1
    with np.load(folder / "end.npz") as found:
        resumed = [found[name] for name in found.files]
    whole, _ = run(MaxEpoch(10), optimizer="Adam")
    assert same_bits(whole, resumed)


def test_the_newest_two_files_are_kept_or_all(tmp_path: Path) -> None:
    run(MaxEpoch(2), tmp_path / "two")
    assert sorted(os.listdir(tmp_path / "two")) == ["checkpoint-12.pt", "checkpoint-9.pt"]
    every = Checkpoint(tmp_path / "all", EveryEpoch(), over_write=False)
    module = net()
    loop = Loop(module, nn.CrossEntropyLoss(), bx.optim.SGD(module.parameters()))
    loop.run(DataLoader(DATA, 25), MaxEpoch(3), checkpoint=every)
    assert [path.name for path in every.files()] == [f"checkpoint-{n}.pt" for n in (2, 4, 6)]


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "other"])
def test_a_damaged_checkpoint_is_an_error_and_the_one_before_is_kept(
    damage: str, tmp_path: Path
) -> None:
    whole, _ = run(MaxEpoch(3))
    run(MaxIteration(13), tmp_path)
    newest, before = tmp_path / "checkpoint-12.pt", tmp_path / "checkpoint-9.pt"
    content = newest.read_bytes()
    half = len(content) // 2
    flipped = content[:half] + bytes([content[half] ^ 255]) + content[half + 1 :]
    damaged = {"cut": content[:half], "flip": flipped, "empty": b"", "other": b""}[damage]
    newest.write_bytes(damaged)
    if damage == "other":
        bx.save({"weights": bx.ones(3)}, newest)
    bx.manual_seed(5)
    module = net()
    start = bits(module)[:-1]
    loop = Loop(module, nn.CrossEntropyLoss(), OPTIMIZERS["momentum"](module.parameters()))
    with pytest.raises(RuntimeError) as error:
        loop.run(
            DataLoader(DATA, 8, shuffle=True),
            MaxEpoch(3),
            checkpoint=Checkpoint(tmp_path),
            resume=True,
        )
    text = str(error.value)
    assert str(newest) in text
    assert f"{before}, is kept: delete" in text
    assert before.exists()
    assert same_bits(start, bits(module)[:-1])
    assert loop.state.iteration == 0
    newest.unlink()
    resumed, _ = run(MaxEpoch(3), tmp_path, resume=True, seed=99)
    assert same_bits(whole, resumed)


def test_half_a_file_of_a_killed_write_is_not_taken_for_a_checkpoint(tmp_path: Path) -> None:
    run(MaxIteration(7), tmp_path)
    (tmp_path / "checkpoint-99.pt.123-abcd.tmp").write_bytes(b"half")
    assert Checkpoint(tmp_path).files()[-1].name == "checkpoint-6.pt"


def test_another_model_optimizer_schedule_or_data_is_refused_and_nothing_changes(
    tmp_path: Path,
) -> None:
    run(MaxIteration(7), tmp_path)

    def resumed(module: Any, optimizer: Any, data: Any, schedule: Any = None) -> Loop:
        bx.manual_seed(8)
        loop = Loop(module, nn.CrossEntropyLoss(), optimizer, schedule=schedule)
        before, draw = bits(module)[:-1], bx.get_rng_state()
        try:
            loop.run(data, MaxEpoch(3), checkpoint=Checkpoint(tmp_path), resume=True)
        finally:
            assert same_bits(before, bits(module)[:-1])
            bx.set_rng_state(draw)
            assert loop.state.iteration == 0
        return loop

    data = DataLoader(DATA, 8, shuffle=True)
    module = net()
    with pytest.raises(ValueError, match=r"optimizer is Adam .*checkpoint has SGD"):
        resumed(module, bx.optim.Adam(module.parameters()), data)
    sgd = OPTIMIZERS["momentum"](module.parameters())
    with pytest.raises(ValueError, match="the scheduler is StepLR, the checkpoint has none"):
        resumed(module, sgd, data, bx.optim.lr_scheduler.StepLR(sgd, 1))
    with pytest.raises(ValueError, match=r"the data has 13 batches, 50 samples, .* 7 batches"):
        resumed(module, sgd, DataLoader(DATA, 4, shuffle=True))
    wider = nn.Sequential(
        nn.Linear(3, 9), nn.BatchNorm1d(9), nn.ReLU(), nn.Dropout(0.3), nn.Linear(9, 2)
    )
    with pytest.raises(RuntimeError, match=r"size mismatch for 0\.weight"):
        resumed(wider, OPTIMIZERS["momentum"](wider.parameters()), data)
    with pytest.raises(TypeError, match="trigger is a int"):
        Checkpoint(tmp_path, 3)  # type: ignore[arg-type]


def test_buffers_outside_the_state_dict_are_kept_too(tmp_path: Path) -> None:
    class Counting(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.linear = nn.Linear(3, 2)
            self.register_buffer("seen", bx.zeros(1), persistent=False)

        def forward(self, x: Any) -> Any:
            if self.training:
                self.seen += 1
            return self.linear(x) * (1 + 0.1 * self.seen)

    found = []
    for ends in ([9], [4, 9]):
        for end in ends:
            bx.manual_seed(2)
            module = Counting()
            optimizer = bx.optim.SGD(module.parameters(), lr=0.1)
            Loop(module, nn.CrossEntropyLoss(), optimizer).run(
                DataLoader(DATA, 8, shuffle=True),
                MaxIteration(end),
                checkpoint=Checkpoint(tmp_path / str(len(ends)), SeveralIteration(4)),
                resume=True,
            )
        found.append(bits(module))
    assert same_bits(*found)
    assert found[0][2] == 9.0


# Summaries


def test_summaries_keep_the_scalars_of_every_iteration_and_validation(tmp_path: Path) -> None:
    train = TrainSummary(tmp_path, "app").set_summary_trigger("Throughput", SeveralIteration(5))
    scores = ValidationSummary(tmp_path, "app")
    losses: list[float] = []
    started = time.time()
    _, loop = run(
        MaxEpoch(2),
        schedule="per iteration",
        train_summary=train,
        validation_summary=scores,
        callbacks=[lambda state: losses.append(state.loss)],
    )
    table = TrainSummary(tmp_path, "app").read_scalar("Loss")  # From the file.
    assert table[:, 0].tolist() == [*range(1, 15)]
    assert table[:, 1].tolist() == losses
    assert ((started <= table[:, 2]) & (table[:, 2] <= time.time())).all()
    rates = train.read_scalar("LearningRate")[:, 1]
    expected = 0.1 * (1 + np.cos(np.pi * np.arange(14) / 30)) / 2
    np.testing.assert_allclose(rates, expected)
    throughput = train.read_scalar("Throughput")
    assert throughput[:, 0].tolist() == [5.0, 10.0]
    assert (throughput[:, 1] > 0).all()
    accuracy = scores.read_scalar("accuracy")
    assert accuracy[:, 0].tolist() == [7.0, 14.0]
    assert accuracy[-1, 1] == loop.state.scores["accuracy"]


def test_norms_of_parameters_and_gradients_are_noted_on_request(tmp_path: Path) -> None:
    bx.manual_seed(0)
    module = nn.Linear(3, 2)
    summary = TrainSummary(tmp_path, "app").set_summary_trigger("Parameters", SeveralIteration(2))
    seen: list[list[float]] = []

    def norms(_: Any) -> None:
        w = module.weight
        seen.append(
            [float((t.detach().numpy().astype(np.float64) ** 2).sum() ** 0.5) for t in (w, w.grad)]
        )

    loop = Loop(module, nn.CrossEntropyLoss(), bx.optim.SGD(module.parameters(), lr=0.1))
    loop.run(DataLoader(DATA, 10), MaxEpoch(1), train_summary=summary, callbacks=[norms])
    for kind, column in (("Parameters", 0), ("Gradients", 1)):
        table = summary.read_scalar(f"{kind}/weight")
        assert table[:, 0].tolist() == [2.0, 4.0]
        np.testing.assert_allclose(table[:, 1], [seen[1][column], seen[3][column]], rtol=1e-6)


def test_a_resumed_run_has_each_iteration_once_in_its_summary(tmp_path: Path) -> None:
    def summaries(name: str) -> dict[str, Any]:
        return {
            "train_summary": TrainSummary(tmp_path, name),
            "validation_summary": ValidationSummary(tmp_path, name),
        }

    run(MaxEpoch(3), **summaries("whole"))
    # Stopped before there was a checkpoint: what is there is from no run that goes on.
    run(MaxIteration(2), tmp_path / "run", **summaries("parts"))
    run(MaxIteration(13), tmp_path / "run", resume=True, **summaries("parts"))
    path = TrainSummary(tmp_path, "parts").path
    with open(path, "a", encoding="utf-8") as stream:
        stream.write('{"tag": "Loss", "st')  # Killed in the middle of a line.
    run(MaxEpoch(3), tmp_path / "run", resume=True, seed=99, **summaries("parts"))
    for kind, tag in ((TrainSummary, "Loss"), (ValidationSummary, "loss")):
        tables = [kind(tmp_path, name).read_scalar(tag)[:, :2] for name in ("whole", "parts")]
        assert np.array_equal(*tables)


def test_a_summary_names_the_nearest_tag(tmp_path: Path) -> None:
    summary = TrainSummary(tmp_path, "app")
    with pytest.raises(ValueError, match=r"tag 'Loss' is unknown; known: none"):
        summary.read_scalar("Loss")
    summary.add_scalar("Loss", 1.5, 1)
    assert summary.read_scalar("Loss")[0, :2].tolist() == [1.0, 1.5]
    with pytest.raises(ValueError, match="did you mean 'Loss'"):
        summary.read_scalar("loss")
    with pytest.raises(ValueError, match="did you mean 'LearningRate'"):
        summary.set_summary_trigger("learning_rate", EveryEpoch())
