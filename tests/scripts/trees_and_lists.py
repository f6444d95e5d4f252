"""Averages, clipping and optimizers over trees and lists of tensors, as recent libraries write them."""

import copy
from collections import namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils._pytree import tree_flatten, tree_leaves, tree_map, tree_unflatten

torch.manual_seed(1)


class Lion(torch.optim.Optimizer):
    def __init__(self, params, lr=1e-2, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            grads = [p.grad for p in params]
            for p in params:
                self.state[p].setdefault("exp_avg", torch.zeros_like(p))
            averages = [self.state[p]["exp_avg"] for p in params]
            beta1, beta2 = group["betas"]
            torch._foreach_mul_(params, 1.0 - group["lr"] * group["weight_decay"])
            updates = [average.clone() for average in averages]
            torch._foreach_mul_(updates, beta1)
            torch._foreach_add_(updates, grads, alpha=1.0 - beta1)
            torch._foreach_sign_(updates)
            torch._foreach_add_(params, updates, alpha=-group["lr"])
            torch._foreach_lerp_(averages, grads, 1.0 - beta2)


class EMA:
    def __init__(self, model, decay):
        self.model, self.decay = copy.deepcopy(model).requires_grad_(False), decay

    @torch.no_grad()
    def update(self, model):
        ours, theirs = list(self.model.parameters()), list(model.parameters())
        torch._foreach_mul_(ours, self.decay)
        torch._foreach_add_(ours, torch._foreach_mul(theirs, 1 - self.decay))


def clip(grads, most):
    norm = torch.stack(torch._foreach_norm(grads)).norm()
    torch._foreach_mul_(grads, min(1.0, most / (norm.item() + 1e-6)))
    return norm


model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
optimizer, ema = Lion(model.parameters(), weight_decay=0.1), EMA(model, 0.9)
x, y = torch.randn(32, 4), torch.randint(2, (32,))
for step in range(6):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    norm = clip([p.grad for p in model.parameters()], 0.5)
    optimizer.step()
    ema.update(model)
    print(step, "%.5f" % loss.item(), "%.5f" % norm.item())
print("average", F.cross_entropy(ema.model(x), y))

Batch = namedtuple("Batch", "x y")
tree = {"inputs": [torch.ones(2), (torch.zeros(1), None)], "batch": Batch(torch.arange(3), "name")}
leaves, spec = tree_flatten(tree)
print(len(leaves), spec)
print(tree_map(lambda t: t * 2 if torch.is_tensor(t) else t, tree))
print(tree_unflatten([1, 2, 3, 4, 5], spec), tree_leaves({"b": 1, "a": (2, 3)}))
state = tree_map(lambda t: t.detach().clone(), dict(model.named_parameters()))
moved = tree_map(lambda a, b: a + 0.1 * b, state, tree_map(torch.ones_like, state))
print({name: round(value.sum().item(), 4) for name, value in moved.items()})
print(torch._foreach_addcdiv([x[0], x[1]], [x[2], x[3]], [x[4].exp(), x[5].exp()], [0.5, 2.0]))
print(torch._foreach_maximum([x[0], x[1]], 0.0), torch._foreach_pow([x[0].abs()], 2))
