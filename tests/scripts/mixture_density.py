"""A mixture density network on an inverse problem; hooks that watch, and a clipping hook per weight."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(26)
y = torch.rand(256, 1)
x = y + 0.3 * torch.sin(2 * math.pi * y) + 0.05 * torch.randn(256, 1)


class MDN(nn.Module):
    def __init__(self, hidden=20, k=3):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, hidden), nn.Tanh())
        self.heads = nn.ModuleDict({name: nn.Linear(hidden, k) for name in ("pi", "mu", "sigma")})

    def forward(self, x):
        h = self.body(x)
        return F.log_softmax(self.heads["pi"](h), -1), self.heads["mu"](h), F.softplus(self.heads["sigma"](h)) + 1e-3


def nll(log_pi, mu, sigma, y):
    z = (y - mu) / sigma
    return -torch.logsumexp(log_pi - 0.5 * z**2 - sigma.log() - 0.5 * math.log(2 * math.pi), dim=1).mean()


model = MDN()
seen, norms = {}, []


def watch(name):
    def hook(module, args, output):
        seen[name] = (tuple(args[0].shape), output.detach().std().item())
    return hook


handles = [m.register_forward_hook(watch(n)) for n, m in model.named_modules() if isinstance(m, nn.Linear)]
back = model.body.register_full_backward_hook(lambda m, gin, gout: norms.append(gout[0].norm().item()))
for p in model.parameters():
    p.register_hook(lambda g: g.clamp(-0.05, 0.05))
opt = torch.optim.RMSprop(model.parameters(), lr=5e-3, centered=True, momentum=0.5)
for step in range(31):
    loss = nll(*model(x), y)
    opt.zero_grad()
    loss.backward()
    assert all(p.grad.abs().max() <= 0.05 for p in model.parameters())
    opt.step()
    if step % 10 == 0:
        print(f"{step} {loss.item():.4f} {norms[-1]:.4f}")
for name, (shape, std) in seen.items():
    print(name, shape, f"{std:.4f}")
for handle in (*handles, back):
    handle.remove()
print(len(norms), len(model.body._forward_hooks), len(model.body[0]._forward_hooks))
with torch.no_grad():
    log_pi, mu, sigma = model(torch.tensor([[0.2], [0.5], [0.8]]))
    print(log_pi.exp().sum(-1), (log_pi.exp() * mu).sum(-1))
    choice = log_pi.exp().argmax(-1, keepdim=True)
    print(mu.gather(1, choice).squeeze(1))
