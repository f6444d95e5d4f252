"""Optimizers as they were written in 2018: numbers before tensors, wrappers without a base."""

import math
from collections import defaultdict

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.autograd import Variable
from torch.optim.optimizer import Optimizer, required


class OldAdam(Optimizer):
    def __init__(self, params, lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0, amsgrad=False):
        defaults = dict(lr=lr, betas=betas, eps=eps, weight_decay=weight_decay, amsgrad=amsgrad)
        super(OldAdam, self).__init__(params, defaults)

    def step(self, closure=None):
        loss = None if closure is None else closure()
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is None:
                    continue
                grad = p.grad.data
                state = self.state[p]
                if len(state) == 0:
                    state["step"] = 0
                    state["exp_avg"] = torch.zeros_like(p.data)
                    state["exp_avg_sq"] = torch.zeros_like(p.data)
                    if group["amsgrad"]:
                        state["max_exp_avg_sq"] = torch.zeros_like(p.data)
                m, v = state["exp_avg"], state["exp_avg_sq"]
                beta1, beta2 = group["betas"]
                state["step"] += 1
                if group["weight_decay"] != 0:
                    grad = grad.add(group["weight_decay"], p.data)
                m.mul_(beta1).add_(1 - beta1, grad)
                v.mul_(beta2).addcmul_(1 - beta2, grad, grad)
                if group["amsgrad"]:
                    torch.max(state["max_exp_avg_sq"], v, out=state["max_exp_avg_sq"])
                    v = state["max_exp_avg_sq"]
                denominator = v.sqrt().add_(group["eps"])
                correction = math.sqrt(1 - beta2 ** state["step"]) / (1 - beta1 ** state["step"])
                p.data.addcdiv_(-group["lr"] * correction, m, denominator)
        return loss


class Lookahead(Optimizer):
    """k steps forward, one step back: it never calls the base's __init__."""

    def __init__(self, optimizer, k=5, alpha=0.5):
        self.optimizer, self.k, self.alpha = optimizer, k, alpha
        self.param_groups = optimizer.param_groups
        self.state = defaultdict(dict)
        for group in self.param_groups:
            group["counter"] = 0

    def zero_grad(self):
        self.optimizer.zero_grad()

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        for group in self.param_groups:
            group["counter"] = (group["counter"] + 1) % self.k
            if group["counter"] == 0:
                for fast in group["params"]:
                    slow = self.state[fast].setdefault("slow", fast.data.clone())
                    slow.add_(self.alpha, fast.data - slow)
                    fast.data.copy_(slow)
        return loss


class SGDM(Optimizer):
    def __init__(self, params, lr=required, momentum=0.0):
        super(SGDM, self).__init__(params, dict(lr=lr, momentum=momentum))

    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                d_p = p.grad.data
                buffer = self.state[p].setdefault("momentum_buffer", torch.zeros_like(p.data))
                buffer.mul_(group["momentum"]).add_(d_p)
                p.data.add_(-group["lr"], buffer)


def train(name, make, steps=8):
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(5, 12), nn.Tanh(), nn.Linear(12, 3))
    x, y = Variable(torch.randn(24, 5)), Variable(torch.randint(3, (24,)))
    optimizer = make(model.parameters())
    losses = []
    for _ in range(steps):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    print(name, ["%.5f" % value for value in losses])
    return model


train("adam", lambda p: OldAdam(p, lr=0.02))
train("amsgrad", lambda p: OldAdam(p, lr=0.02, amsgrad=True, weight_decay=0.01))
train("sgdm", lambda p: SGDM(p, lr=0.1, momentum=0.9))
model = train("lookahead", lambda p: Lookahead(OldAdam(p, lr=0.05), k=3), steps=9)
test = Variable(torch.ones(2, 5), volatile=True)
print(model(test).data, test.volatile)
bias, weight = torch.ones(3), torch.arange(6.0).view(2, 3)
print(torch.addmm(0.5, bias, 2, torch.ones(1, 2), weight), torch.add(bias, 2, bias * 3))
