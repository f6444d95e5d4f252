"""Whatever happens inside a captured step, or between its calls, the bits are those of the step."""

from __future__ import annotations

import copy
from collections import namedtuple
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import capture, nn
from backprop_ext.distributions import Normal
from backprop_ext.nn import functional as F
from backprop_ext.utils.checkpoint import checkpoint

Step = Callable[..., Any]
Wrap = Callable[[Step], Step]
Scenario = Callable[[Wrap], Iterator[Any]]


def _net() -> nn.Module:
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Dropout(0.2), nn.Linear(8, 2))


def _batches(count: int = 9) -> Iterator[tuple[Any, Any]]:
    data = np.random.default_rng(3)
    for _ in range(count):
        x, y = data.standard_normal((8, 4)), data.standard_normal((8, 2))
        yield bx.tensor(x, dtype=bx.float32), bx.tensor(y, dtype=bx.float32)


def _step(model: Any, optimizer: Any, clears: bool = True) -> Step:
    def step(x: Any, y: Any) -> Any:
        if clears:
            optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss

    return step


def _state(model: Any, optimizer: Any = None) -> Iterator[Any]:
    """Copies of parameters, gradients, buffers and the optimizer's state."""
    for p in model.parameters():
        yield p.detach().clone()
        yield bx.zeros(0) if p.grad is None else p.grad.clone()
    for b in model.buffers():
        yield b.clone()
    for entry in optimizer.state_dict()["state"].values() if optimizer else ():
        for value in entry.values():
            if isinstance(value, bx.Tensor):
                yield value.clone()


def _run(scenario: Scenario, wrap: Wrap) -> list[np.ndarray]:
    bx.manual_seed(0)
    return [t.detach().numpy().copy() for t in scenario(wrap)]


def _same_bits(scenario: Scenario) -> None:
    want, got = _run(scenario, lambda f: f), _run(scenario, capture)
    assert len(want) == len(got)
    for a, b in zip(want, got, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


# Between the calls


def _sgd(parameters: Any) -> Any:
    return bx.optim.SGD(parameters, lr=0.05, momentum=0.9)


def _set(setting: str, *values: Any) -> Callable[[Any, Any, int], None]:
    """The setting of the first group, before the third and the sixth call."""

    def change(model: Any, optimizer: Any, k: int) -> None:
        optimizer.param_groups[0][setting] = values[k > 3]

    return change


def _load_halves(model: Any, optimizer: Any, k: int, **how: Any) -> None:
    model.load_state_dict({name: v * 0.5 for name, v in model.state_dict().items()}, **how)


def _load_doubled_state(model: Any, optimizer: Any, k: int) -> None:
    saved = copy.deepcopy(optimizer.state_dict())
    for entry in saved["state"].values():
        for name, value in entry.items():
            if name != "step":
                value.mul_(2)
    saved["param_groups"][0]["lr"] *= 0.5
    optimizer.load_state_dict(saved)


def _fill_one_in_place(model: Any, optimizer: Any, k: int) -> None:
    with bx.no_grad():
        model[0].bias.fill_(0.1 * k)


def _set_data(model: Any, optimizer: Any, k: int) -> None:
    model[0].weight.data = bx.full((8, 4), 0.1 * k)


def _new_gradients(model: Any, optimizer: Any, k: int) -> None:
    for p in model.parameters():
        p.grad = bx.ones_like(p)


def _no_gradients(model: Any, optimizer: Any, k: int) -> None:
    for p in model.parameters():
        p.grad = None


def _two_eager_steps(model: Any, optimizer: Any, k: int) -> None:
    for x, y in _batches(2):
        _step(model, optimizer)(x, y)


def _lr_in_place(model: Any, optimizer: Any, k: int) -> None:
    optimizer.param_groups[0]["lr"].mul_(0.3)


def _betas_in_place(model: Any, optimizer: Any, k: int) -> None:
    optimizer.param_groups[0]["betas"][0] = 0.1 * k


def _another_average(model: Any, optimizer: Any, k: int) -> None:
    state = optimizer.state[model[0].weight]
    state["exp_avg"] = state["exp_avg"] * 2


def _hook(model: Any, optimizer: Any, k: int) -> None:
    model[1].register_forward_hook(lambda m, args, y: y * 0.5)


def _hook_for_a_while(model: Any, optimizer: Any, k: int) -> None:
    if k == 3:
        model.handle = model[0].register_full_backward_hook(lambda m, before, after: None)
        model.other = model[1].register_forward_pre_hook(lambda m, args: (args[0] * 2,))
    else:
        model.handle.remove()
        model.other.remove()


CHANGES: dict[str, tuple[Callable[[Any, Any, int], None], Callable[[Any], Any]]] = {
    "load_state_dict of the model": (_load_halves, _sgd),
    "load_state_dict with assign": (lambda *a: _load_halves(*a, assign=True), _sgd),
    "load_state_dict of SGD": (_load_doubled_state, _sgd),
    "load_state_dict of Adam": (_load_doubled_state, bx.optim.Adam),
    "a parameter written in place": (_fill_one_in_place, _sgd),
    "data of a parameter": (_set_data, _sgd),
    "momentum on and off": (_set("momentum", 0.9, 0.0), lambda p: bx.optim.SGD(p, lr=0.05)),
    "nesterov": (_set("nesterov", True, False), _sgd),
    "weight decay": (_set("weight_decay", 0.1, 0.3), _sgd),
    "amsgrad": (_set("amsgrad", False, True), lambda p: bx.optim.Adam(p, amsgrad=True)),
    "betas": (_set("betas", (0.5, 0.6), (0.9, 0.99)), bx.optim.Adam),
    "lr": (_set("lr", 0.01, 0.02), bx.optim.AdamW),
    "lr becomes a tensor": (_set("lr", bx.tensor(0.01), 0.02), _sgd),
    "lr is a tensor": (_lr_in_place, lambda p: bx.optim.Adam(p, lr=bx.tensor(0.05))),
    "betas in place": (_betas_in_place, lambda p: bx.optim.Adam(p, betas=[0.9, 0.99])),
    "an entry of the state": (_another_average, bx.optim.Adam),
    "gradients set to None": (_no_gradients, _sgd),
    "gradients replaced": (_new_gradients, _sgd),
    "state cleared": (lambda m, o, k: o.state.clear(), bx.optim.Adam),
    "layer frozen and thawed": (lambda m, o, k: m[0].requires_grad_(k > 3), _sgd),
    "seed": (lambda m, o, k: bx.manual_seed(k), _sgd),
    "eager steps": (_two_eager_steps, bx.optim.Adam),
    "dropout's p": (lambda m, o, k: setattr(m[2], "p", 0.1 * k), _sgd),
    "train and eval": (lambda m, o, k: m.train(k > 3), _sgd),
    "a layer replaced": (lambda m, o, k: m.__setitem__(1, nn.ReLU()), _sgd),
    "a hook": (_hook, _sgd),
    "hooks for a while": (_hook_for_a_while, _sgd),
}


@pytest.mark.parametrize("clears", [True, False], ids=["cleared", "accumulated"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_between_calls_is_seen(change: str, clears: bool) -> None:
    apply, make = CHANGES[change]

    def scenario(wrap: Wrap) -> Iterator[Any]:
        model = _net()
        optimizer = make(model.parameters())
        run = wrap(_step(model, optimizer, clears))
        for k, (x, y) in enumerate(_batches()):
            if k in (3, 6):
                apply(model, optimizer, k)
            yield run(x, y)
            yield from _state(model, optimizer)

    _same_bits(scenario)


def _parameters_of_other_shapes(wrap: Wrap) -> Iterator[Any]:
    model = _net().eval()
    run = wrap(lambda x: model(x))
    for k, (x, _) in enumerate(_batches()):
        if k == 2:
            model[0].weight = nn.Parameter(bx.ones(8, 4))
        if k == 4:
            model[3] = nn.Linear(8, 3)
        if k == 6:
            model.double()
        yield run(x.double() if k >= 6 else x)


def _a_parameter_deleted_and_back(wrap: Wrap) -> Iterator[Any]:
    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(bx.full((4,), 2.0))
            self.power = 1.0

        def forward(self, x: Any) -> Any:
            return x.abs() ** self.power * (self.scale if hasattr(self, "scale") else 1)

    model = Scaled()
    run = wrap(lambda x: model(x))
    for k, (x, _) in enumerate(_batches()):
        if k == 3:
            del model.scale
        if k == 5:
            model.scale = nn.Parameter(bx.full((4,), 5.0))
        if k == 7:
            model.power = 2.0
        yield run(x)


def _a_layer_of_a_list_replaced(wrap: Wrap) -> Iterator[Any]:
    class Stack(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(4, 4), nn.Linear(4, 4)])

        def forward(self, x: Any) -> Any:
            for layer in self.layers:
                x = layer(x)
            return x

    model = Stack()
    run = wrap(lambda x: model(x))
    for k, (x, _) in enumerate(_batches()):
        if k == 3:
            model.layers[1] = nn.Linear(4, 2)
        if k == 6:
            model.layers.append(nn.Tanh())
        yield run(x)


def _a_group_added(wrap: Wrap) -> Iterator[Any]:
    model, scale = _net(), nn.Parameter(bx.ones(2))
    optimizer = _sgd(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x) * scale, y)
        loss.backward()
        optimizer.step()
        return loss

    run = wrap(step)
    for k, (x, y) in enumerate(_batches()):
        if k == 4:
            optimizer.add_param_group({"params": [scale], "lr": 0.5})
        yield run(x, y)
        yield scale.detach().clone()
        yield from _state(model, optimizer)


def _data_of_a_parameter_without_a_module(wrap: Wrap) -> Iterator[Any]:
    w = nn.Parameter(bx.ones(4))
    optimizer = _sgd([w])

    def step(x: Any) -> Any:
        optimizer.zero_grad()
        loss = ((x * w) ** 2).sum()
        loss.backward()
        optimizer.step()
        return loss

    run = wrap(step)
    for k, (x, _) in enumerate(_batches()):
        if k == 4:
            w.data = bx.full((4,), 2.0)
        yield run(x)
        yield w.detach().clone()


# Inside the step


def _with_model(body: Callable[[Any, Any, Any, Any], Any], make: Any = _sgd) -> Scenario:
    """Calls of body(model, optimizer, x, y), each followed by all of the state."""

    def scenario(wrap: Wrap) -> Iterator[Any]:
        model = _net()
        optimizer = make(model.parameters())
        run = wrap(lambda x, y: body(model, optimizer, x, y))
        for x, y in _batches():
            yield from run(x, y)
            yield from _state(model, optimizer)

    return scenario


def _clipped(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y)
    loss.backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    nn.utils.clip_grad_value_(model.parameters(), 0.02)
    optimizer.step()
    return loss, norm


def _checkpointed(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    loss = F.mse_loss(checkpoint(model, x, use_reentrant=False), y)
    loss.backward()
    optimizer.step()
    return (loss,)


def _checkpointed_within(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    hidden = model[0](x)
    loss = F.mse_loss(model[3](checkpoint(model[1:3], hidden, use_reentrant=True)), y)
    loss.backward()
    optimizer.step()
    return (loss,)


def _forked(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    with bx.random.fork_rng():
        inside = bx.rand(3)
        bx.manual_seed(7)
        seeded = bx.rand(3)
    return inside, seeded, bx.rand(3)


def _penalised(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    x = x.detach().requires_grad_()
    (slope,) = bx.autograd.grad(model(x).sum(), x, create_graph=True)
    loss = ((slope.norm(dim=1) - 1) ** 2).mean()
    loss.backward()
    optimizer.step()
    return (loss,)


def _by_hand(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    loss = F.mse_loss(model(x), y)
    gradients = bx.autograd.grad(loss, list(model.parameters()))
    with bx.no_grad():
        for p, g in zip(model.parameters(), gradients, strict=True):
            p.sub_(0.1 * g)
    return loss, *gradients


def _in_parts(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    total = 0
    for a, b in zip(x.split(2), y.split(2), strict=True):
        loss = F.mse_loss(model(a), b) / 4
        loss.backward()
        total = total + loss.detach()
    optimizer.step()
    return (total,)


def _retained(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    hidden = model[0](x)
    hidden.retain_grad()
    loss = F.mse_loss(model[3](model[1](hidden)), y)
    loss.backward(retain_graph=True)
    loss.backward()
    return loss, hidden.grad, hidden


def _without_gradients_inside(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    with bx.no_grad():
        target = model(x)
    optimizer.zero_grad()
    loss = F.mse_loss(model(x), y - target)
    loss.backward()
    optimizer.step()
    return loss, target


def _distributions(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    policy = Normal(model(x), bx.ones(2))
    sample = policy.rsample()
    ratio = (policy.log_prob(y) - policy.log_prob(sample).detach()).exp()
    loss = (ratio.clamp(0.8, 1.2) * sample).mean() - 0.01 * policy.entropy().mean()
    loss.backward()
    optimizer.step()
    return loss, sample


class _Cube(bx.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return 3 * g * x * x


def _own_function(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    optimizer.zero_grad()
    loss = _Cube.apply(model(x) - y).abs().mean()
    loss.backward()
    optimizer.step()
    return (loss,)


def _closure(model: Any, optimizer: Any, x: Any, y: Any) -> Any:
    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        return loss

    return (optimizer.step(closure),)


def _scaled(wrap: Wrap) -> Iterator[Any]:
    model, scale = _net(), bx.tensor(4.0)
    optimizer = _sgd(model.parameters())

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        (loss * scale).backward()
        finite = bx.stack([p.grad.isfinite().all() for p in model.parameters()]).all()
        for p in model.parameters():
            p.grad.div_(scale).mul_(finite.float())
        scale.copy_(bx.where(finite, scale * 2, scale * 0.5))
        optimizer.step()
        return loss, finite

    run = wrap(step)
    for x, y in _batches():
        yield from run(x, y)
        yield scale.clone()
        yield from _state(model, optimizer)


def _schedulers_inside(wrap: Wrap) -> Iterator[Any]:
    model = _net()
    optimizer = _sgd(model.parameters())
    schedules = bx.optim.lr_scheduler
    parts = [schedules.ConstantLR(optimizer, 0.1, 2), schedules.ExponentialLR(optimizer, 0.5)]
    both = schedules.SequentialLR(optimizer, parts, milestones=[2])
    other = schedules.LambdaLR(_sgd(_net().parameters()), lambda t: 0.9**t)
    inner = _step(model, optimizer)

    def step(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        other.optimizer.step()
        both.step()
        other.step()
        return loss

    run = wrap(step)
    for x, y in _batches():
        yield run(x, y)
        yield bx.tensor([both.get_last_lr()[0], other.get_last_lr()[0]], dtype=bx.float64)
        yield from _state(model, optimizer)


def _averages_inside(wrap: Wrap) -> Iterator[Any]:
    model = _net()
    twin = copy.deepcopy(model)
    optimizer = _sgd(model.parameters())
    average = bx.optim.swa_utils.AveragedModel(model)
    inner = _step(model, optimizer)

    def step(x: Any, y: Any) -> Any:
        loss = inner(x, y)
        average.update_parameters(model)
        with bx.no_grad():
            for mean, p in zip(twin.parameters(), model.parameters(), strict=True):
                mean.lerp_(p, 0.1)
        return loss

    run = wrap(step)
    for x, y in _batches():
        yield run(x, y)
        yield from _state(average)
        yield from _state(twin)


def _two_optimizers(wrap: Wrap) -> Iterator[Any]:
    make, judge = _net(), nn.Sequential(nn.Linear(2, 4), nn.LeakyReLU(0.2), nn.Linear(4, 1))
    of_make, of_judge = bx.optim.Adam(make.parameters()), _sgd(judge.parameters())

    def step(noise: Any, real: Any) -> Any:
        fake = make(noise)
        of_judge.zero_grad()
        first = F.softplus(judge(fake.detach())).mean() + F.softplus(-judge(real)).mean()
        first.backward()
        of_judge.step()
        of_make.zero_grad()
        second = F.softplus(-judge(fake)).mean()
        second.backward()
        of_make.step()
        return first, second

    run = wrap(step)
    for x, y in _batches():
        yield from run(x, y)
        yield from _state(make, of_make)
        yield from _state(judge, of_judge)


def _hooks_inside(wrap: Wrap) -> Iterator[Any]:
    model = _net()
    model[0].weight.register_hook(lambda g: g * 2)
    model[1].register_forward_hook(lambda m, args, y: y * 0.5)
    model[3].register_full_backward_hook(lambda m, before, after: (before[0] * 3,))
    model[3].weight.register_post_accumulate_grad_hook(lambda p: p.grad.mul_(0.5))
    optimizer = _sgd(model.parameters())
    run = wrap(_step(model, optimizer))
    for x, y in _batches():
        yield run(x, y)
        yield from _state(model, optimizer)


def _norms_and_modes(wrap: Wrap) -> Iterator[Any]:
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.3), nn.Linear(8, 2))
    optimizer = bx.optim.Adam(model.parameters())
    run, look = wrap(_step(model, optimizer)), wrap(lambda x: model(x))
    for k, (x, y) in enumerate(_batches()):
        yield run(x, y)
        yield from _state(model, optimizer)
        model.eval()
        yield look(x)
        with bx.no_grad():
            yield look(x)
        model.train()
        if k == 4:
            model[1].momentum = 0.5


Pair = namedtuple("Pair", "left right")


def _nested_results_are_kept(wrap: Wrap) -> Iterator[Any]:
    def step(pair: Pair, *, more: dict[str, Any]) -> Pair:
        return Pair(pair.left * 2, {"a": [pair.right + more["k"], (more["k"],)], "n": None})

    run = wrap(step)
    kept = [run(Pair(x, y), more={"k": y.clone()}) for x, y in _batches()]
    for result in kept:
        assert isinstance(result, Pair)
        assert result.right["n"] is None
        yield result.left
        yield result.right["a"][0]
        yield result.right["a"][1][0]


def _results_that_share_memory(wrap: Wrap) -> Iterator[Any]:
    def step(x: Any) -> Any:
        y = x * 2
        return y, y[1:], y.view(-1), x[2:]

    run = wrap(step)
    for x, _ in _batches():
        results = run(x)
        results[0].add_(1)  # seen through the views, as eagerly
        yield from results


def _kinds_of_tensors(wrap: Wrap) -> Iterator[Any]:
    run = wrap(lambda x, y: (x.sum() + y.sum(), x * 2, (y**2).exp()))
    for k in range(4):
        yield from run(bx.zeros(0, 3), bx.tensor(float(k)))
        yield from run(bx.zeros(2, 0), bx.tensor(float(k), dtype=bx.float64))
        yield from run(bx.arange(6).reshape(2, 3).t(), bx.ones(2, 2)[:, ::2] * k)
        yield from run(bx.tensor([True, False]), bx.tensor(2.0).expand(3, 2))


def _draws(wrap: Wrap) -> Iterator[Any]:
    own = bx.Generator()
    own.manual_seed(3)

    def step(x: Any) -> Any:
        more = bx.randint(0, 10, (3,)), bx.empty(3).uniform_(), bx.normal(0.0, 1.0, (3,))
        return x + bx.randn(3), bx.rand(2), bx.randn(3, generator=own), *more

    run = wrap(step)
    for k in range(6):
        if k == 3:
            bx.manual_seed(5)
            own.manual_seed(5)
        yield from run(bx.ones(3))
        yield bx.rand(2)


def _permutations(wrap: Wrap) -> Iterator[Any]:
    run = wrap(lambda x: x[bx.randperm(5)])
    for _ in range(4):
        yield run(bx.arange(5))


def _a_leaf_of_its_own(wrap: Wrap) -> Iterator[Any]:
    def step(x: Any) -> Any:
        x = (x * 2).detach().requires_grad_()
        (x**3).sum().backward()
        return x + 0.1 * x.grad.sign()

    run = wrap(step)
    for x, _ in _batches():
        yield run(x)


def _gradients_cleared_at_the_end(wrap: Wrap) -> Iterator[Any]:
    model = _net()
    optimizer = bx.optim.SGD(model.parameters(), lr=0.05)

    def step(x: Any, y: Any) -> Any:
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss

    run = wrap(step)
    for x, y in _batches():
        yield run(x, y)
        yield from _state(model, optimizer)


def _three_steps_in_one(wrap: Wrap) -> Iterator[Any]:
    model = _net()
    optimizer = bx.optim.Adam(model.parameters())
    inner = _step(model, optimizer)
    run = wrap(lambda x, y: [inner(x * k, y) for k in (1, 2, 3)])
    for x, y in _batches():
        yield from run(x, y)
        yield from _state(model, optimizer)


def _an_optimizer_of_optimizers(wrap: Wrap) -> Iterator[Any]:
    class Both(bx.optim.Optimizer):
        def __init__(self, parameters: Any) -> None:
            first, *others = parameters
            super().__init__([first, *others], {})
            self.parts = [_sgd([first]), bx.optim.Adam(others)]

        def step(self, closure: Any = None) -> None:
            for part in self.parts:
                part.step()

    model = _net()
    run = wrap(_step(model, Both(model.parameters())))
    for x, y in _batches():
        yield run(x, y)
        yield from _state(model)


def _tensors_outside_that_change(wrap: Wrap) -> Iterator[Any]:
    v, w = bx.ones(4), bx.ones(4, requires_grad=True)

    def step(x: Any) -> Any:
        w.grad = None
        loss = (x * v * w).sum() + (w * w).sum()
        if w.requires_grad:
            loss.backward()
        return loss

    run = wrap(step)
    for k, (x, _) in enumerate(_batches()):
        if k == 2:
            v.data = bx.full((4,), 2.0)
        if k == 4:
            w.requires_grad_(False)
        if k == 6:
            v.resize_(8, 4).fill_(3.0)
        yield run(x)
        yield bx.zeros(0) if w.grad is None else w.grad.clone()


def _signed_zeros(wrap: Wrap) -> Iterator[Any]:
    run = wrap(lambda x, by: x / by)
    for by in (0.0, -0.0, 0.0, 1, 1.0, True, float("nan")):
        yield run(bx.ones(2), by)


def _a_hook_on_a_tensor(wrap: Wrap) -> Iterator[Any]:
    w = bx.ones(4, requires_grad=True)

    def step(x: Any) -> Any:
        w.grad = None
        loss = (x * w).sum()
        loss.backward()
        return loss

    run = wrap(step)
    for k, (x, _) in enumerate(_batches()):
        if k == 3:
            handle = w.register_hook(lambda g: g * 2)
        if k == 5:
            handle.remove()
        yield run(x)
        yield w.grad.clone()


def _constants_and_counters(wrap: Wrap) -> Iterator[Any]:
    count, table = bx.zeros(1), bx.zeros(5)

    def step(i: Any, x: Any) -> Any:
        c = bx.tensor([1.0, 2.0])
        c.add_(x)
        c[0] = 5
        count.add_(1)
        table[i] += x
        table[1:3] = c
        d = bx.tensor([3.0, 4.0])
        d[0] = x[0]  # the rest stays as the host made it
        return c * count, table[i] * bx.eye(2)[0], d * 1

    run = wrap(step)
    for k in range(6):
        yield from run(bx.tensor([k % 5, (k + 1) % 5]), bx.tensor([1.0, k]))
        yield table.clone()


def _arrays(wrap: Wrap) -> Iterator[Any]:
    def step(x: Any, i: Any) -> Any:
        x = bx.as_tensor(x)
        x.add_(1)
        return x[bx.as_tensor(i)] * 2

    run = wrap(step)
    for k in range(5):
        grid = np.arange(12.0).reshape(3, 4) * k
        yield run(grid.T, np.array([0, 3, k % 4]))
        yield bx.from_numpy(grid)  # written through, as eagerly


INSIDE: dict[str, Scenario] = {
    "parameters of other shapes": _parameters_of_other_shapes,
    "a parameter deleted and back": _a_parameter_deleted_and_back,
    "a layer of a list replaced": _a_layer_of_a_list_replaced,
    "a group added": _a_group_added,
    "data of a parameter without a module": _data_of_a_parameter_without_a_module,
    "clipping": _with_model(_clipped),
    "checkpoint": _with_model(_checkpointed),
    "checkpoint, reentrant": _with_model(_checkpointed_within),
    "the generator forked and seeded": _with_model(_forked),
    "second derivatives": _with_model(_penalised),
    "an update by hand": _with_model(_by_hand),
    "gradients of parts of a batch": _with_model(_in_parts, bx.optim.Adam),
    "a graph used twice": _with_model(_retained),
    "no_grad": _with_model(_without_gradients_inside),
    "a Function": _with_model(_own_function),
    "distributions": _with_model(_distributions),
    "a closure": _with_model(_closure),
    "a loss scale": _scaled,
    "schedulers": _schedulers_inside,
    "averages of parameters": _averages_inside,
    "two optimizers": _two_optimizers,
    "hooks": _hooks_inside,
    "batch norm and modes": _norms_and_modes,
    "nested results": _nested_results_are_kept,
    "results that share memory": _results_that_share_memory,
    "empty, 0-d, integer and strided tensors": _kinds_of_tensors,
    "draws": _draws,
    "constants and counters": _constants_and_counters,
    "arrays": _arrays,
    "permutations": _permutations,
    "a leaf of its own": _a_leaf_of_its_own,
    "gradients cleared at the end": _gradients_cleared_at_the_end,
    "three steps in one": _three_steps_in_one,
    "an optimizer of optimizers": _an_optimizer_of_optimizers,
    "tensors outside that change": _tensors_outside_that_change,
    "signed zeros": _signed_zeros,
    "a hook on a tensor": _a_hook_on_a_tensor,
}


@pytest.mark.parametrize("scenario", INSIDE)
def test_a_captured_step_gives_the_bits_of_the_step(scenario: str) -> None:
    _same_bits(INSIDE[scenario])


def test_a_parameter_that_is_transposed_in_place_is_recorded_anew() -> None:
    def run(wrap: Any) -> list[float]:
        bx.manual_seed(0)
        layer = bx.nn.Linear(3, 3)
        adam = bx.optim.Adam(layer.parameters(), lr=0.1)
        x = bx.randn(5, 3)

        def step(x: Any) -> Any:
            adam.zero_grad()
            loss = layer(x).pow(2).sum()
            loss.backward()
            adam.step()
            return loss

        wrapped = wrap(step)
        losses = []
        for k in range(8):
            if k in (3, 5):  # the memory and the number of elements stay what they were
                with bx.no_grad():
                    layer.weight.t_()
            losses.append(wrapped(x).item())
        return losses

    assert run(bx.capture) == run(lambda step: step)
