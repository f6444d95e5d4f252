"""A denoising diffusion model of points on a ring: epsilon and v targets, DDPM and DDIM sampling."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
STEPS = 40


def cosine_schedule(steps, s=0.008):
    t = torch.linspace(0, steps, steps + 1, dtype=torch.float64) / steps
    kept = torch.cos((t + s) / (1 + s) * math.pi / 2) ** 2
    kept = kept / kept[0]
    return (1 - kept[1:] / kept[:-1]).clamp(0, 0.999).float()


betas = cosine_schedule(STEPS)
alphas = 1.0 - betas
alpha_bar = torch.cumprod(alphas, dim=0)
alpha_bar_before = F.pad(alpha_bar[:-1], (1, 0), value=1.0)
posterior = betas * (1 - alpha_bar_before) / (1 - alpha_bar)
print(betas[:4], alpha_bar[-1], posterior[:3])


class Time(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.width = width

    def forward(self, t):
        half = self.width // 2
        rates = torch.exp(-math.log(1e4) * torch.arange(half, device=t.device) / (half - 1))
        angles = t[:, None].float() * rates[None]
        return torch.cat((angles.sin(), angles.cos()), dim=-1)


class Denoiser(nn.Module):
    def __init__(self, hidden=64, width=16):
        super().__init__()
        self.time = nn.Sequential(Time(width), nn.Linear(width, hidden), nn.SiLU())
        self.into = nn.Linear(2, hidden)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(hidden), nn.Linear(hidden, hidden), nn.SiLU()) for _ in range(2)
        )
        self.out = nn.Linear(hidden, 2)
        nn.init.zeros_(self.out.weight)

    def forward(self, x, t):
        h, emb = self.into(x), self.time(t)
        for block in self.blocks:
            h = h + block(h + emb)
        return self.out(h)


def extract(values, t):
    return values.gather(0, t).unsqueeze(-1)


def noised(x, t, noise):
    bar = extract(alpha_bar, t)
    return bar.sqrt() * x + (1 - bar).sqrt() * noise


def ring(n):
    angle = torch.rand(n) * 2 * math.pi
    return torch.stack((angle.cos(), angle.sin()), dim=-1) + 0.05 * torch.randn(n, 2)


def train(kind, steps=60):
    torch.manual_seed(1)
    model, best = Denoiser(), None
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.9)
    )
    for step in range(steps):
        x, noise, t = ring(64), torch.randn(64, 2), torch.randint(0, STEPS, (64,))
        bar = extract(alpha_bar, t)
        target = noise if kind == "noise" else bar.sqrt() * noise - (1 - bar).sqrt() * x
        weight = torch.minimum(bar / (1 - bar), torch.tensor(5.0)) if kind == "noise" else 1.0
        loss = (weight * F.mse_loss(model(noised(x, t, noise), t), target, reduction="none")).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        average.update_parameters(model)
        best = loss.item() if best is None else min(best, loss.item())
        if step % 20 == 0:
            print(kind, step, f"{loss.item():.4f}", f"{schedule.get_last_lr()[0]:.5f}")
    print(kind, "best", f"{best:.4f}")
    return average.module


@torch.no_grad()
def ddpm(model, n):
    x = torch.randn(n, 2)
    for i in reversed(range(STEPS)):
        t = torch.full((n,), i, dtype=torch.long)
        x0 = (x - (1 - alpha_bar[i]).sqrt() * model(x, t)) / alpha_bar[i].sqrt()
        mean = betas[i] * alpha_bar_before[i].sqrt() * x0.clamp(-1.5, 1.5)
        mean = mean + (1 - alpha_bar_before[i]) * alphas[i].sqrt() * x
        x = mean / (1 - alpha_bar[i]) + (posterior[i].sqrt() * torch.randn_like(x) if i else 0)
    return x


@torch.inference_mode()
def ddim(model, n, every=8):
    x = torch.randn(n, 2)
    times = list(range(0, STEPS, every))[::-1]
    for i, after in zip(times, times[1:] + [-1]):
        v = model(x, torch.full((n,), i))
        a, b = alpha_bar[i].sqrt(), (1 - alpha_bar[i]).sqrt()
        x0, eps = a * x - b * v, b * x + a * v
        bar = alpha_bar[after] if after >= 0 else torch.tensor(1.0)
        x = bar.sqrt() * x0.clamp(-2, 2) + (1 - bar).sqrt() * eps
    return x


by_noise, by_v = train("noise"), train("v")
torch.manual_seed(2)
for name, sample in (("ddpm", ddpm(by_noise, 200)), ("ddim", ddim(by_v, 200))):
    print(name, f"{sample.norm(dim=-1).mean().item():.2f}", tuple(sample.shape))
