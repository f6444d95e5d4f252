"""Learned mechanics: a Hamiltonian and a Lagrangian net of a pendulum, with exact derivatives."""

import torch
import torch.nn as nn
from torch.func import functional_call, grad, hessian, jacrev, vmap

torch.set_default_dtype(torch.float64)
torch.manual_seed(0)


def field(state):
    """dq = p, dp = -sin q."""
    q, p = state.unbind(-1)
    return torch.stack((p, -torch.sin(q)), dim=-1)


def runge_kutta(f, state, step):
    k1 = f(state)
    k2 = f(state + step / 2 * k1)
    k3 = f(state + step / 2 * k2)
    k4 = f(state + step * k3)
    return state + step / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


def leapfrog(energy, q, p, step):
    slope = grad(energy, argnums=(0, 1))
    p = p - step / 2 * slope(q, p)[0]
    q = q + step * slope(q, p)[1]
    return q, p - step / 2 * slope(q, p)[0]


states = (torch.rand(128, 2) * 2 - 1) * torch.tensor([1.5, 1.0])
slopes = field(states)


class Hamiltonian(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 1, bias=False))
        for layer in (self.net[0], self.net[2]):
            nn.init.orthogonal_(layer.weight)
        self.register_buffer("turn", torch.tensor([[0.0, -1.0], [1.0, 0.0]]))

    def forward(self, state):
        return self.net(state)

    def field(self, state):
        state = state if state.requires_grad else state.clone().requires_grad_()
        (slope,) = torch.autograd.grad(self(state).sum(), state, create_graph=True)
        return slope @ self.turn


model = Hamiltonian()
optimizer = torch.optim.LBFGS(model.parameters(), max_iter=8, line_search_fn="strong_wolfe")


def closure():
    optimizer.zero_grad()
    loss = (model.field(states) - slopes).pow(2).mean()
    loss.backward()
    return loss


for step in range(3):
    print("hamiltonian", step, f"{optimizer.step(closure).item():.5f}")

start = torch.tensor([[1.0, 0.0]])
state, energies = start, []
for _ in range(40):
    energies.append(model(state).item())
    state = runge_kutta(model.field, state, 0.1).detach()
print("energy drifts", max(energies) - min(energies) < 1e-4, f"{state[0, 0].item():.2f}")


def true_energy(q, p):
    return p**2 / 2 - torch.cos(q)


q, p = torch.tensor(1.0), torch.tensor(0.0)
for _ in range(100):
    q, p = leapfrog(true_energy, q, p, 0.1)
print("leapfrog", q, p, true_energy(q, p) - true_energy(torch.tensor(1.0), torch.tensor(0.0)))


lagrangian = nn.Sequential(nn.Linear(2, 16), nn.Softplus(), nn.Linear(16, 1))
weights = dict(lagrangian.named_parameters())


def value(parameters, q, v):
    out = functional_call(lagrangian, parameters, (torch.stack((q, v)),))
    return out.squeeze() + 0.5 * v**2


def acceleration(parameters, q, v):
    """(d2L/dv2)^-1 (dL/dq - d2L/dqdv v), Euler and Lagrange."""
    force = grad(value, argnums=1)(parameters, q, v)
    mixed = jacrev(grad(value, argnums=2), argnums=1)(parameters, q, v)
    mass = hessian(value, argnums=2)(parameters, q, v)
    return (force - mixed * v) / mass


def loss_of(parameters, q, v, target):
    return (vmap(acceleration, in_dims=(None, 0, 0))(parameters, q, v) - target).pow(2).mean()


q, v = states[:32].unbind(-1)
for step in range(5):
    loss = loss_of(weights, q, v, -torch.sin(q))
    slopes_of = torch.autograd.grad(loss, list(weights.values()), materialize_grads=True)
    weights = {
        name: (w - 0.05 * g).detach().requires_grad_()
        for (name, w), g in zip(weights.items(), slopes_of)
    }
    print("lagrangian", step, f"{loss.item():.5f}")
