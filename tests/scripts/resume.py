"""Stop and resume: model, optimizer, scheduler and random state in one file; EMA and early stopping."""

import copy
import io

import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(24)
x = torch.randn(96, 6)
y = (x[:, 0] * x[:, 1] + x[:, 2]).unsqueeze(1)
train = DataLoader(TensorDataset(x[:64], y[:64]), batch_size=16, shuffle=True)


def fresh():
    model = nn.Sequential(nn.Linear(6, 16, bias=False), nn.BatchNorm1d(16), nn.SiLU(), nn.Dropout(0.2), nn.Linear(16, 1))
    opt = torch.optim.AdamW(model.parameters(), lr=2e-2)
    warm = torch.optim.lr_scheduler.LinearLR(opt, start_factor=0.1, total_iters=3)
    cos = torch.optim.lr_scheduler.CosineAnnealingLR(opt, T_max=10)
    return model, opt, torch.optim.lr_scheduler.SequentialLR(opt, [warm, cos], milestones=[3])


def epoch(model, opt, sched):
    model.train()
    total = 0.0
    for xb, yb in train:
        opt.zero_grad()
        loss = nn.functional.huber_loss(model(xb), yb)
        loss.backward()
        opt.step()
        total += loss.item() * len(xb)
    sched.step()
    return total / 64


model, opt, sched = fresh()
ema = copy.deepcopy(model).requires_grad_(False)
best, best_state, patience = float("inf"), None, 0
for e in range(4):
    loss = epoch(model, opt, sched)
    with torch.no_grad():
        for p, q in zip(ema.parameters(), model.parameters()):
            p.lerp_(q, 0.3)
        for p, q in zip(ema.buffers(), model.buffers()):
            p.copy_(q)
        model.eval()
        val = nn.functional.mse_loss(model(x[64:]), y[64:]).item()
        smooth = nn.functional.mse_loss(ema.eval()(x[64:]), y[64:]).item()
    if val < best:
        best, best_state, patience = val, copy.deepcopy(model.state_dict()), 0
    else:
        patience += 1
    print(f"{e} train {loss:.4f} val {val:.4f} ema {smooth:.4f} lr {sched.get_last_lr()[0]:.5f} {patience}")

file = io.BytesIO()
torch.save(
    {
        "epoch": 4,
        "model": model.state_dict(),
        "opt": opt.state_dict(),
        "sched": sched.state_dict(),
        "rng": torch.get_rng_state(),
        "best": (best, best_state),
    },
    file,
)
straight = [epoch(model, opt, sched) for _ in range(3)]
file.seek(0)
saved = torch.load(file)
again, opt, sched = fresh()
print(again.load_state_dict(saved["model"]))
opt.load_state_dict(saved["opt"])
sched.load_state_dict(saved["sched"])
torch.set_rng_state(saved["rng"])
resumed = [epoch(again, opt, sched) for _ in range(3)]
print(straight == resumed, [f"{v:.4f}" for v in resumed])
print(all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), again.state_dict().values())))
model.load_state_dict(saved["best"][1])
print(model[1].num_batches_tracked, sorted(opt.state_dict()["state"][0]), opt)
