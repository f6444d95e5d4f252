"""A physics-informed net for u'' = -u, u(0) = 0, u'(0) = 1: second derivatives inside the loss."""

import torch
import torch.nn as nn

torch.manual_seed(12)
torch.set_default_dtype(torch.float64)
net = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 1))
opt = torch.optim.Adam(net.parameters(), lr=1e-2)
sched = torch.optim.lr_scheduler.ExponentialLR(opt, gamma=0.98)
t = torch.linspace(0, 2, 30).view(-1, 1).requires_grad_(True)
t0 = torch.zeros(1, 1, requires_grad=True)


def derivative(y, x):
    return torch.autograd.grad(y, x, grad_outputs=torch.ones_like(y), create_graph=True)[0]


for step in range(100):
    u = net(t)
    residual = derivative(derivative(u, t), t) + u
    u0 = net(t0)
    loss = residual.pow(2).mean() + u0.pow(2).sum() + (derivative(u0, t0) - 1).pow(2).sum()
    opt.zero_grad()
    loss.backward()
    opt.step()
    sched.step()
    if step % 20 == 0:
        print(f"{step:3d} {loss.item():.6f}")
with torch.no_grad():
    error = (net(t) - torch.sin(t)).abs().max()
print(f"error {error:.4f}", error.dtype)
torch.set_default_dtype(torch.float32)
