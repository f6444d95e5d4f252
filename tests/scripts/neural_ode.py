"""A neural ODE by Euler and RK4 steps, fitted to a spiral; gradients through the solver."""

import torch
import torch.nn as nn

torch.manual_seed(13)
A = torch.tensor([[-0.1, 2.0], [-2.0, -0.1]])
dt, steps = 0.05, 30


def odeint(f, y, steps, method="euler"):
    ys = [y]
    for _ in range(steps):
        if method == "euler":
            y = y + dt * f(y)
        else:
            k1 = f(y)
            k2 = f(y + dt / 2 * k1)
            k3 = f(y + dt / 2 * k2)
            k4 = f(y + dt * k3)
            y = y + dt / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        ys.append(y)
    return torch.stack(ys)


with torch.no_grad():
    y0 = torch.randn(8, 2)
    target = odeint(lambda y: y @ A.T, y0, steps, "rk4")


class Func(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 24), nn.Softplus(), nn.Linear(24, 2))
        for m in self.net.modules():
            if isinstance(m, nn.Linear):
                nn.init.kaiming_uniform_(m.weight, nonlinearity="relu")
                nn.init.zeros_(m.bias)

    def forward(self, y):
        return self.net(y)


func = Func()
opt = torch.optim.Adam(func.parameters(), lr=2e-2)
for it in range(40):
    pred = odeint(func, y0, steps)
    loss = torch.mean(torch.abs(pred - target))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if it % 10 == 0:
        print(f"iter {it} loss {loss.item():.4f}")
print(pred.shape, target[-1, 0])
