"""Gaussian process regression: cholesky, cholesky_solve, and the marginal likelihood by Adam."""

import math

import torch

torch.manual_seed(18)
torch.set_default_dtype(torch.double)
x = torch.linspace(0, 1, 25).unsqueeze(-1)
y = torch.sin(2 * math.pi * x).squeeze(-1) + 0.1 * torch.randn(25)
log_l, log_s, log_n = (torch.zeros(1, requires_grad=True) for _ in range(3))


def kernel(a, b):
    d = torch.cdist(a / log_l.exp(), b / log_l.exp())
    return log_s.exp() * torch.exp(-0.5 * d.pow(2))


def nll():
    K = kernel(x, x) + (log_n.exp() ** 2 + 1e-6) * torch.eye(len(x))
    L = torch.linalg.cholesky(K)
    alpha = torch.cholesky_solve(y.unsqueeze(-1), L)
    return 0.5 * (y @ alpha.squeeze(-1)) + L.diagonal().log().sum() + 0.5 * len(x) * math.log(2 * math.pi), L, alpha


opt = torch.optim.Adam([log_l, log_s, log_n], lr=0.1)
for i in range(40):
    opt.zero_grad()
    loss, _, _ = nll()
    loss.backward()
    opt.step()
    if i % 10 == 0:
        print(f"{i} {loss.item():.4f} length {log_l.exp().item():.4f} noise {log_n.exp().item():.4f}")
with torch.no_grad():
    _, L, alpha = nll()
    xs = torch.tensor([[0.25], [0.5], [0.9]])
    ks = kernel(x, xs)
    mean = (ks.mT @ alpha).squeeze(-1)
    v = torch.linalg.solve_triangular(L, ks, upper=False)
    var = kernel(xs, xs).diagonal() - (v * v).sum(0)
print(mean)
print(var.sqrt().round(decimals=4))
print(torch.logdet(L @ L.T).item())
torch.set_default_dtype(torch.float)
