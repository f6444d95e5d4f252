"""Energy-based models: Langevin sampling with a replay buffer, score matching, contrastive noise."""

import random

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal

random.seed(0)
torch.manual_seed(0)
centres = torch.tensor([[2.0, 0.0], [-1.0, 1.7], [-1.0, -1.7]])
data = MixtureSameFamily(
    Categorical(torch.ones(3)), MultivariateNormal(centres, 0.1 * torch.eye(2).expand(3, 2, 2))
)
print(data.batch_shape, data.event_shape, data.log_prob(centres[0]))


class Energy(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 32), nn.SiLU(), nn.Linear(32, 32), nn.SiLU(), nn.Linear(32, 1))

    def forward(self, x):
        return self.net(x).squeeze(-1)


class Buffer:
    """Samples of the past, from which most chains go on."""

    def __init__(self, size, batch):
        self.batch = batch
        self.kept = [torch.rand(1, 2) * 6 - 3 for _ in range(size)]

    def start(self):
        fresh = torch.rand(self.batch // 8, 2) * 6 - 3
        old = torch.cat(random.choices(self.kept, k=self.batch - len(fresh)), dim=0)
        return torch.cat((fresh, old))

    def keep(self, x):
        self.kept = (list(x.split(1)) + self.kept)[:256]


def langevin(energy, x, steps=15, size=0.1):
    was = [p.requires_grad for p in energy.parameters()]
    for p in energy.parameters():
        p.requires_grad_(False)
    x = x.clone().requires_grad_()
    for _ in range(steps):
        (slope,) = torch.autograd.grad(energy(x).sum(), x)
        x.data.add_(slope.clamp(-1, 1), alpha=-size).add_(torch.randn_like(x), alpha=0.02)
        x.data.clamp_(-3, 3)
    for p, flag in zip(energy.parameters(), was):
        p.requires_grad_(flag)
    return x.detach()


energy, buffer = Energy(), Buffer(128, 64)
optimizer = torch.optim.Adam(energy.parameters(), lr=5e-3, betas=(0.0, 0.999))
for step in range(31):
    real = data.sample((64,))
    fake = langevin(energy, buffer.start())
    buffer.keep(fake)
    up, down = energy(real + 0.01 * torch.randn_like(real)), energy(fake)
    gap, size = up.mean() - down.mean(), (up**2 + down**2).mean()
    optimizer.zero_grad()
    (gap + 0.1 * size).backward()
    optimizer.step()
    if step % 15 == 0:
        print("contrastive divergence", step, f"{gap.item():.3f} {size.item():.3f}")


def divergence(score, x):
    """The trace of the Jacobian, a row at a time."""
    s = score(x)
    rows = [torch.autograd.grad(s[:, i].sum(), x, create_graph=True)[0][:, i] for i in range(2)]
    return s, sum(rows)


torch.manual_seed(1)
score = nn.Sequential(nn.Linear(2, 32), nn.Softplus(), nn.Linear(32, 2))
optimizer = torch.optim.Adam(score.parameters(), lr=1e-2)
for step in range(31):
    x = data.sample((64,)).requires_grad_()
    s, trace = divergence(score, x)
    exact = (trace + 0.5 * s.pow(2).sum(-1)).mean()
    v = torch.randn_like(x)
    _, product = torch.autograd.functional.jvp(score, x, v, create_graph=True)
    sliced = ((v * product).sum(-1) + 0.5 * s.pow(2).sum(-1)).mean()
    optimizer.zero_grad()
    (0.5 * exact + 0.5 * sliced).backward()
    optimizer.step()
    if step % 15 == 0:
        print("score matching", step, f"{exact.item():.3f} {sliced.item():.3f}")


torch.manual_seed(2)
noise = MultivariateNormal(torch.zeros(2), 4 * torch.eye(2))
log_density, log_z = Energy(), nn.Parameter(torch.zeros(()))
optimizer = torch.optim.Adam([*log_density.parameters(), log_z], lr=1e-2)
for step in range(41):
    x = torch.cat((data.sample((64,)), noise.sample((64,))))
    labels = torch.cat((torch.ones(64), torch.zeros(64)))
    logits = -log_density(x) - log_z - noise.log_prob(x)
    loss = F.binary_cross_entropy_with_logits(logits, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        right = ((logits > 0) == labels.bool()).float().mean()
        print("noise contrastive", step, f"{loss.item():.4f} {right.item():.3f} {log_z.item():.4f}")
