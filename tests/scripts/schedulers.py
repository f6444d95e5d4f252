"""Every common schedule, printed."""

import torch
from torch import nn, optim
from torch.optim.lr_scheduler import (
    CosineAnnealingLR,
    CosineAnnealingWarmRestarts,
    CyclicLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiStepLR,
    OneCycleLR,
    ReduceLROnPlateau,
    SequentialLR,
    StepLR,
)

make = {
    "step": lambda o: StepLR(o, 3, gamma=0.1),
    "multi": lambda o: MultiStepLR(o, [2, 5]),
    "exp": lambda o: ExponentialLR(o, 0.9),
    "cosine": lambda o: CosineAnnealingLR(o, T_max=8, eta_min=0.01),
    "restarts": lambda o: CosineAnnealingWarmRestarts(o, T_0=3, T_mult=2),
    "lambda": lambda o: LambdaLR(o, lr_lambda=lambda e: 0.95**e),
    "cyclic": lambda o: CyclicLR(o, base_lr=0.01, max_lr=0.1, step_size_up=3),
    "onecycle": lambda o: OneCycleLR(o, max_lr=0.5, total_steps=10),
    "linear": lambda o: LinearLR(o, start_factor=0.5, total_iters=4),
    "warm": lambda o: SequentialLR(o, [LinearLR(o, 0.1, total_iters=3), ExponentialLR(o, 0.9)], [3]),
}
for name, build in make.items():
    opt = optim.SGD(nn.Linear(1, 1).parameters(), lr=0.1, momentum=0.9)
    sched = build(opt)
    lrs = []
    for _ in range(9):
        opt.step()
        lrs.append(round(opt.param_groups[0]["lr"], 5))
        sched.step()
    print(f"{name:9s}", lrs)
opt = optim.Adam(nn.Linear(1, 1).parameters(), lr=0.1)
plateau = ReduceLROnPlateau(opt, mode="min", factor=0.5, patience=1)
lrs = []
for metric in [1.0, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8, 0.8]:
    plateau.step(metric)
    lrs.append(opt.param_groups[0]["lr"])
print("plateau  ", lrs)
