"""torch.func: per-sample gradients, DP-SGD, ensembles, MAML, Hessian, neural tangent kernel."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, grad_and_value, hessian, jacrev, jvp, stack_module_state, vjp, vmap

torch.manual_seed(0)


class SimpleMLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(6, 12), nn.Linear(12, 3)

    def forward(self, x):
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


model = SimpleMLP()
data, targets = torch.randn(16, 2, 3), torch.randint(0, 3, (16,))
params = {k: v.detach() for k, v in model.named_parameters()}
buffers = {k: v.detach() for k, v in model.named_buffers()}


def compute_loss(params, buffers, sample, target):
    batch, targets = sample.unsqueeze(0), target.unsqueeze(0)
    return F.cross_entropy(functional_call(model, (params, buffers), (batch,)), targets)


per_sample = vmap(grad(compute_loss), in_dims=(None, None, 0, 0))(params, buffers, data, targets)
print({k: tuple(v.shape) for k, v in per_sample.items()})
norms = torch.stack([g.flatten(1).norm(dim=1) for g in per_sample.values()]).norm(dim=0)
print(norms)
# DP-SGD
for step in range(10):
    grads, losses = vmap(grad_and_value(compute_loss), in_dims=(None, None, 0, 0))(params, buffers, data, targets)
    norms = torch.cat([g.flatten(1) for g in grads.values()], 1).norm(dim=1)
    clip = (1.0 / (norms + 1e-6)).clamp(max=1.0)
    for k in params:
        noisy = torch.einsum("n...,n->...", grads[k], clip) + 0.1 * torch.randn_like(params[k])
        params[k] = params[k] - 0.5 * noisy / len(data)
print(f"dp-sgd {losses.mean():.4f}")

models = [SimpleMLP() for _ in range(4)]
ens_params, ens_buffers = stack_module_state(models)
print(vmap(lambda p, b, x: functional_call(models[0], (p, b), (x,)), in_dims=(0, 0, None))(ens_params, ens_buffers, data).shape)
minibatches = data[:4].unsqueeze(1)
print(vmap(lambda p, b, x: functional_call(models[0], (p, b), (x,)))(ens_params, ens_buffers, minibatches).argmax(-1).T)

# MAML on sine waves
net = nn.Sequential(nn.Linear(1, 20), nn.Tanh(), nn.Linear(20, 1))
meta = {k: v.detach().clone().requires_grad_() for k, v in net.named_parameters()}
opt = torch.optim.Adam(meta.values(), lr=1e-2)


def task_loss(p, x, y):
    return F.mse_loss(functional_call(net, p, (x,)), y)


def outer(p, x1, y1, x2, y2):
    g = grad(task_loss)(p, x1, y1)
    adapted = {k: p[k] - 0.1 * g[k] for k in p}
    return task_loss(adapted, x2, y2)


for it in range(15):
    a, ph = torch.rand(6, 1, 1) * 2 + 0.5, torch.rand(6, 1, 1) * 3
    x1, x2 = torch.rand(6, 10, 1) * 6 - 3, torch.rand(6, 10, 1) * 6 - 3
    losses = vmap(outer, in_dims=(None, 0, 0, 0, 0))(meta, x1, a * (x1 + ph).sin(), x2, a * (x2 + ph).sin())
    opt.zero_grad()
    losses.mean().backward()
    opt.step()
    if it % 7 == 0:
        print(f"maml {it} {losses.mean().item():.4f}")

# Hessian, NTK, jvp and vjp
small = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
p = {k: v.detach() for k, v in small.named_parameters()}
x = torch.randn(4, 2)
h = hessian(lambda p: (functional_call(small, p, (x,)) ** 2).mean())(p)
print({(a, b): tuple(h[a][b].shape) for a in list(h)[:1] for b in h[a]})
print(h["2.weight"]["2.weight"].squeeze())
single = lambda p, x: functional_call(small, p, (x.unsqueeze(0),)).squeeze(0)
jac = vmap(jacrev(single), (None, 0))(p, x)
ntk = sum(torch.einsum("naf,mbf->nmab", j.flatten(2), j.flatten(2)) for j in jac.values())
print(ntk.squeeze())
f = lambda t: t.sin().cumsum(0)
print(jvp(f, (x,), (torch.ones_like(x),))[1][0], vjp(f, x)[1](torch.ones_like(x))[0][0])
