"""Optimizers of one's own: SAM, Lookahead, Lion, LAMB; PCGrad, EWC, distillation, FGSM and PGD."""
import math
from collections import defaultdict

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler


class SAM(Optimizer):
    def __init__(self, params, base_optimizer, rho=0.05, **kwargs):
        assert rho >= 0.0, f"Invalid rho, should be non-negative: {rho}"
        super().__init__(params, dict(rho=rho, **kwargs))
        self.base_optimizer = base_optimizer(self.param_groups, **kwargs)
        self.param_groups = self.base_optimizer.param_groups
        self.defaults.update(self.base_optimizer.defaults)

    @torch.no_grad()
    def first_step(self, zero_grad=False):
        grad_norm = torch.norm(torch.stack([p.grad.norm(p=2) for g in self.param_groups for p in g["params"]]), p=2)
        for group in self.param_groups:
            scale = group["rho"] / (grad_norm + 1e-12)
            for p in group["params"]:
                if p.grad is None:
                    continue
                self.state[p]["old_p"] = p.data.clone()
                p.add_(p.grad * scale.to(p))
        if zero_grad:
            self.zero_grad()

    @torch.no_grad()
    def second_step(self, zero_grad=False):
        for group in self.param_groups:
            for p in group["params"]:
                p.data = self.state[p]["old_p"]
        self.base_optimizer.step()
        if zero_grad:
            self.zero_grad()


class Lookahead:
    def __init__(self, base, alpha=0.5, k=3):
        self.optimizer, self.alpha, self.k = base, alpha, k
        self.param_groups, self.defaults = base.param_groups, base.defaults
        self.state = defaultdict(dict)
        self.slow = [[p.clone().detach() for p in g["params"]] for g in self.param_groups]
        self.steps = 0

    def zero_grad(self):
        self.optimizer.zero_grad()

    def step(self, closure=None):
        loss = self.optimizer.step(closure)
        self.steps += 1
        if self.steps % self.k == 0:
            for slow, g in zip(self.slow, self.param_groups):
                for q, p in zip(slow, g["params"]):
                    q.add_(p.data - q, alpha=self.alpha)
                    p.data.copy_(q)
        return loss


class Lion(Optimizer):
    def __init__(self, params, lr=1e-4, betas=(0.9, 0.99), weight_decay=0.0):
        super().__init__(params, dict(lr=lr, betas=betas, weight_decay=weight_decay))

    @torch.no_grad()
    def step(self, closure=None):
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            b1, b2 = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                state = self.state[p]
                if len(state) == 0:
                    state["exp_avg"] = torch.zeros_like(p, memory_format=torch.preserve_format)
                p.mul_(1 - group["lr"] * group["weight_decay"])
                m = state["exp_avg"]
                p.add_(torch.sign(m * b1 + p.grad * (1 - b1)), alpha=-group["lr"])
                m.mul_(b2).add_(p.grad, alpha=1 - b2)
        return loss


class NoamLR(LRScheduler):
    def __init__(self, optimizer, warmup, last_epoch=-1):
        self.warmup = warmup
        super().__init__(optimizer, last_epoch)

    def get_lr(self):
        step = max(1, self._step_count)
        return [base * min(step**-0.5, step * self.warmup**-1.5) for base in self.base_lrs]


torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
x = torch.randn(128, 8)
y = (x[:, 0] * x[:, 1] + x[:, 2] > 0).long()


def net(seed=1):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 32), nn.GELU(), nn.Linear(32, 2))


def report(name, model):
    with torch.no_grad():
        out = model(x)
        print(f"{name:10s} {F.cross_entropy(out, y).item():.4f} {(out.argmax(1) == y).float().mean().item():.4f}")


model = net()
opt = SAM(model.parameters(), torch.optim.SGD, rho=0.1, lr=0.2, momentum=0.9)
for _ in range(20):
    F.cross_entropy(model(x), y).backward()
    opt.first_step(zero_grad=True)
    F.cross_entropy(model(x), y).backward()
    opt.second_step(zero_grad=True)
report("sam", model)
model = net()
opt = Lookahead(torch.optim.Adam(model.parameters(), lr=1e-2))
for _ in range(20):
    opt.zero_grad()
    F.cross_entropy(model(x), y).backward()
    opt.step()
report("lookahead", model)
model = net()
opt = Lion(model.parameters(), lr=3e-3, weight_decay=0.01)
sched = NoamLR(opt, 5)
for _ in range(20):
    opt.zero_grad()
    F.cross_entropy(model(x), y).backward()
    opt.step()
    sched.step()
report("lion", model)
print(sched.get_last_lr(), opt)
teacher, student = model, nn.Linear(8, 2)
opt = torch.optim.Rprop(student.parameters(), lr=0.01)
for _ in range(15):
    T = 3.0
    with torch.no_grad():
        soft = F.softmax(teacher(x) / T, dim=1)
    out = student(x)
    loss = F.kl_div(F.log_softmax(out / T, 1), soft, reduction="batchmean") * T * T * 0.7 + F.cross_entropy(out, y) * 0.3
    opt.zero_grad()
    loss.backward()
    opt.step()
report("student", student)

# EWC: Fisher information of the first task holds the weights
fisher = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
for i in range(32):
    model.zero_grad()
    F.nll_loss(F.log_softmax(model(x[i : i + 1]), 1), y[i : i + 1]).backward()
    for n, p in model.named_parameters():
        fisher[n] += p.grad.pow(2) / 32
anchor = {n: p.detach().clone() for n, p in model.named_parameters()}
opt = torch.optim.Adagrad(model.parameters(), lr=0.05)
for _ in range(15):
    penalty = sum((fisher[n] * (p - anchor[n]) ** 2).sum() for n, p in model.named_parameters())
    loss = F.cross_entropy(model(-x), 1 - y) + 100.0 * penalty
    opt.zero_grad()
    loss.backward()
    opt.step()
print(f"ewc {loss.item():.4f} {penalty.item():.6f}")
report("after ewc", model)


def pcgrad(grads):
    out = [g.clone() for g in grads]
    for i in range(len(out)):
        for j in torch.randperm(len(grads)).tolist():
            dot = torch.dot(out[i], grads[j])
            if dot < 0:
                out[i] -= dot * grads[j] / (grads[j].norm() ** 2)
    return torch.stack(out).mean(0)


grads = []
for target in (y, 1 - y, torch.zeros_like(y)):
    g = torch.autograd.grad(F.cross_entropy(model(x), target), list(model.parameters()))
    grads.append(torch.cat([t.flatten() for t in g]))
merged = pcgrad(grads)
print(merged.norm(), F.cosine_similarity(torch.stack(grads), merged[None]))

images = x[:6].clone().requires_grad_(True)
F.cross_entropy(model(images), y[:6]).backward()
fgsm = torch.clamp(images + 0.1 * images.grad.sign(), -2, 2)
adv = x[:6] + torch.empty_like(x[:6]).uniform_(-0.1, 0.1)
for _ in range(3):
    adv.requires_grad = True
    (g,) = torch.autograd.grad(F.cross_entropy(model(adv), y[:6], reduction="sum"), [adv])
    adv = adv.detach() + 0.05 * torch.sign(g.detach())
    adv = torch.min(torch.max(adv, x[:6] - 0.1), x[:6] + 0.1)
print(F.cross_entropy(model(fgsm), y[:6]).item(), F.cross_entropy(model(adv), y[:6]).item())
