"""MAML on sine waves: an inner step kept in the graph, by functional parameters."""

import math

import torch
import torch.nn.functional as F

torch.manual_seed(14)


def init():
    return [
        (torch.randn(20, 1) * 0.5).requires_grad_(),
        torch.zeros(20, requires_grad=True),
        (torch.randn(1, 20) * 0.3).requires_grad_(),
        torch.zeros(1, requires_grad=True),
    ]


def net(x, p):
    return F.linear(torch.relu(F.linear(x, p[0], p[1])), p[2], p[3])


def task():
    amp, phase = torch.rand(()) * 4.9 + 0.1, torch.rand(()) * math.pi
    def sample(n):
        x = torch.rand(n, 1) * 10 - 5
        return x, amp * torch.sin(x + phase)
    return sample


params = init()
meta = torch.optim.Adam(params, lr=1e-2)
for it in range(25):
    meta_loss = 0.0
    for _ in range(4):
        sample = task()
        x, y = sample(10)
        grads = torch.autograd.grad(F.mse_loss(net(x, params), y), params, create_graph=True)
        fast = [p - 0.01 * g for p, g in zip(params, grads)]
        x, y = sample(10)
        meta_loss = meta_loss + F.mse_loss(net(x, fast), y)
    meta.zero_grad()
    meta_loss.backward()
    meta.step()
    if it % 8 == 0:
        print(f"{it} {meta_loss.item() / 4:.4f} grad {params[0].grad.norm():.4f}")
print([tuple(p.shape) for p in params], params[3])
