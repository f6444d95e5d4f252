"""torch.func: grad, vjp, jvp, Jacobians, vmap, ensembles, per-sample gradients, the NTK."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import (
    vmap,
    grad,
    vjp,
    jvp,
    jacrev,
    jacfwd,
    hessian,
    functional_call,
    stack_module_state,
    grad_and_value,
    linearize,
    functionalize,
)
import copy

torch.manual_seed(0)
x = torch.randn(4)
print(grad(lambda t: t.sin().sum())(x), x.cos())
print(grad(grad(lambda t: (t**3).sum().sin()))(torch.tensor(0.7)))
print(jacrev(torch.sin)(x))
print(jacfwd(torch.exp)(x))
print(hessian(lambda t: t.prod())(x))
out, fn = vjp(lambda a, b: (a * b).sum(), x, 2 * x)
print(out, fn(torch.tensor(1.0)))
print(jvp(lambda a: a**2, (x,), (torch.ones(4),)))
print(vmap(torch.dot)(torch.ones(3, 5), torch.arange(15.0).view(3, 5)))
print(vmap(lambda a, b: a @ b, in_dims=(0, None), out_dims=1)(torch.ones(3, 2, 2), torch.ones(2, 2)).shape)
print(vmap(vmap(torch.mul), in_dims=(1, 0))(torch.ones(2, 3), torch.ones(3, 2)).shape)
g, v = grad_and_value(lambda w: (w**2).sum())(x)
print(g, v)
g, (v, aux) = grad_and_value(lambda w: ((w**2).sum(), w.sum()), has_aux=True)(x)
print(v, aux)


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.l1 = nn.Linear(3, 8)
        self.l2 = nn.Linear(8, 2)
        self.register_buffer("scale", torch.tensor(2.0))

    def forward(self, x):
        return self.l2(torch.tanh(self.l1(x))) * self.scale


models = [MLP() for _ in range(5)]
params, buffers = stack_module_state(models)
print({k: tuple(v.shape) for k, v in params.items()}, {k: tuple(v.shape) for k, v in buffers.items()})
base = copy.deepcopy(models[0]).to("meta") if False else copy.deepcopy(models[0])


def fmodel(p, b, x):
    return functional_call(base, (p, b), (x,))


data = torch.randn(5, 7, 3)
print(
    vmap(fmodel)(params, buffers, data).shape,
    vmap(fmodel, in_dims=(0, 0, None))(params, buffers, data[0]).mean((1, 2)),
)
preds = torch.stack([m(d) for m, d in zip(models, data)])
print(torch.allclose(preds, vmap(fmodel)(params, buffers, data), atol=1e-5))
# per sample gradients
m = models[0]
p = {k: v.detach() for k, v in m.named_parameters()}
b = {k: v.detach() for k, v in m.named_buffers()}


def loss(p, b, s, t):
    return F.cross_entropy(functional_call(m, (p, b), (s.unsqueeze(0),)), t.unsqueeze(0))


t = torch.randint(0, 2, (7,))
per = vmap(grad(loss), in_dims=(None, None, 0, 0))(p, b, data[0], t)
for k, v in per.items():
    print(k, tuple(v.shape), v.flatten(1).norm(dim=1))


# NTK
def f(p, x):
    return functional_call(m, (p, b), (x.unsqueeze(0),)).squeeze(0)


j1 = vmap(jacrev(f), (None, 0))(p, data[0])
j1 = [j.flatten(2) for j in j1.values()]
ntk = torch.stack([torch.einsum("Naf,Mbf->NMab", a, c) for a, c in zip(j1, j1)]).sum(0)
print(ntk.shape, ntk[0, 0])


# hvp
def hvp(f, x, v):
    return jvp(grad(f), x, v)[1]


print(hvp(lambda z: z.sin().sum(), (x,), (torch.ones(4),)), -x.sin())
print(vmap(lambda a: a.sum(), chunk_size=2)(torch.arange(12.0).view(6, 2)))
print(
    vmap(lambda a: a + torch.randn(()), randomness="different")(torch.zeros(3)).unique().numel(),
    vmap(lambda a: a + torch.randn(()), randomness="same")(torch.zeros(3)).unique().numel(),
)
try:
    vmap(lambda a: a + torch.randn(()))(torch.zeros(3))
except RuntimeError:
    print("RuntimeError")
print(jacrev(lambda a, b: a * b, argnums=(0, 1))(torch.ones(2), torch.full((2,), 3.0)))
out, lin = linearize(lambda a: a.sin(), x)
print(torch.allclose(lin(torch.ones(4)), x.cos()))
from torch.autograd.functional import jacobian, hessian as H, vhp, hvp as HVP, vjp as VJP, jvp as JVP

print(
    jacobian(lambda a: a**2, x),
    H(lambda a: (a**3).sum(), x),
    vhp(lambda a: (a**3).sum(), x, torch.ones(4)),
    HVP(lambda a: (a**3).sum(), x, torch.ones(4)),
    VJP(lambda a: a**2, x, torch.ones(4)),
    JVP(lambda a: a**2, x, torch.ones(4)),
)
print(
    torch.vmap(torch.sum)(torch.ones(2, 3)),
    grad(lambda d: (d["a"] * d["b"]).sum())({"a": torch.ones(2), "b": torch.full((2,), 2.0)}),
)
