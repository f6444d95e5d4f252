"""RealNVP on two moons: coupling layers with masks as buffers, inverse, change of variables."""

import math

import torch
from torch import nn

torch.manual_seed(23)


def moons(n):
    angle, side = torch.rand(n) * math.pi, torch.randint(0, 2, (n,))
    x = torch.where(side == 0, angle.cos(), 1 - angle.cos())
    y = torch.where(side == 0, angle.sin(), 0.5 - angle.sin())
    return torch.stack([x, y], dim=1) + 0.05 * torch.randn(n, 2)


class Coupling(nn.Module):
    def __init__(self, mask):
        super().__init__()
        self.register_buffer("mask", mask)
        net = lambda *last: nn.Sequential(nn.Linear(2, 24), nn.LeakyReLU(), nn.Linear(24, 2), *last)
        self.s, self.t = net(nn.Tanh()), net()

    def forward(self, x):
        held = x * self.mask
        s, t = self.s(held) * (1 - self.mask), self.t(held) * (1 - self.mask)
        return held + (1 - self.mask) * (x * s.exp() + t), s.sum(dim=1)

    def inverse(self, z):
        held = z * self.mask
        s, t = self.s(held) * (1 - self.mask), self.t(held) * (1 - self.mask)
        return held + (1 - self.mask) * ((z - t) * torch.exp(-s))


class RealNVP(nn.Module):
    def __init__(self, n=4):
        super().__init__()
        masks = torch.tensor([[0.0, 1.0], [1.0, 0.0]]).repeat(n // 2, 1)
        self.layers = nn.ModuleList(Coupling(mask) for mask in masks)

    def log_prob(self, x):
        total = x.new_zeros(len(x))
        for layer in self.layers:
            x, log_det = layer(x)
            total += log_det
        return total - 0.5 * (x**2).sum(1) - math.log(2 * math.pi)

    @torch.no_grad()
    def sample(self, n):
        z = torch.randn(n, 2)
        for layer in reversed(self.layers):
            z = layer.inverse(z)
        return z


flow = RealNVP()
print(flow.layers[0])
print([name for name, _ in flow.named_buffers()])
opt = torch.optim.Adam(flow.parameters(), lr=5e-3)
for step in range(41):
    loss = -flow.log_prob(moons(128)).mean()
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    if step % 10 == 0:
        print(f"{step:3d} {loss:.4f}")
x = moons(5)
z = x
with torch.no_grad():
    for layer in flow.layers:
        z, _ = layer(z)
    back = z
    for layer in reversed(flow.layers):
        back = layer.inverse(back)
print(torch.allclose(x, back, atol=1e-5), flow.sample(3).shape)
full = torch.autograd.functional.jacobian(lambda v: flow.layers[0](v[None])[0][0], x[0])
print(full, flow.layers[0](x[:1])[1].exp() - torch.linalg.det(full))
