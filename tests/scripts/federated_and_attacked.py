"""MAML, FedAvg, distillation, LoRA, FGSM and PGD, attributions, Newton steps, an equilibrium model, EWC."""

import copy
import collections
from collections import OrderedDict
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.func import functional_call, grad, vmap, jvp, vjp
from torch.nn.utils import parameters_to_vector, vector_to_parameters, parametrize

torch.manual_seed(10)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = nn.Sequential(
            OrderedDict([("l1", nn.Linear(1, 20)), ("relu1", nn.ReLU()), ("l2", nn.Linear(20, 1))])
        )

    def forward(self, x):
        return self.net(x)

    def argforward(self, x, w):
        x = F.relu(F.linear(x, w[0], w[1]))
        return F.linear(x, w[2], w[3])


net = Net()
o = torch.optim.Adam(net.parameters(), 1e-2)
for it in range(5):
    meta = 0
    for t in range(3):
        A, ph = torch.rand(1) * 4 + 0.1, torch.rand(1) * 3.14
        xs, xq = torch.rand(10, 1) * 10 - 5, torch.rand(10, 1) * 10 - 5
        w = [p.clone() for p in net.parameters()]
        for _ in range(2):
            l = F.mse_loss(net.argforward(xs, w), A * torch.sin(xs + ph))
            g = torch.autograd.grad(l, w, create_graph=True)
            w = [a - 0.01 * b for a, b in zip(w, g)]
        meta = meta + F.mse_loss(net.argforward(xq, w), A * torch.sin(xq + ph))
    o.zero_grad()
    meta.backward()
    o.step()
    print(f"maml {meta.item() / 3:.4f}")
params = dict(net.named_parameters())


def inner(p, x, y):
    g = grad(lambda p: F.mse_loss(functional_call(net, p, (x,)), y))(p)
    return {k: p[k] - 0.01 * g[k] for k in p}


def task(p, xs, ys, xq, yq):
    return F.mse_loss(functional_call(net, inner(p, xs, ys), (xq,)), yq)


X = torch.randn(4, 5, 1)
Y = X.sin()
print(vmap(task, in_dims=(None, 0, 0, 0, 0))({k: v.detach() for k, v in params.items()}, X, Y, X, Y))
g = grad(lambda p: vmap(task, (None, 0, 0, 0, 0))(p, X, Y, X, Y).mean())(
    {k: v.detach() for k, v in params.items()}
)
print({k: round(v.norm().item(), 4) for k, v in g.items()})
# FedAvg
glob = nn.Linear(3, 2)
data = [(torch.randn(20, 3) + i, torch.randint(0, 2, (20,))) for i in range(3)]
for r in range(3):
    ws = []
    for x, y in data:
        c = copy.deepcopy(glob)
        o = torch.optim.SGD(c.parameters(), 0.1)
        [(o.zero_grad(), F.cross_entropy(c(x), y).backward(), o.step()) for _ in range(2)]
        ws.append(c.state_dict())
    avg = copy.deepcopy(ws[0])
    for k in avg.keys():
        for i in range(1, len(ws)):
            avg[k] += ws[i][k]
        avg[k] = torch.div(avg[k], len(ws))
    glob.load_state_dict(avg)
    print(r, sum(F.cross_entropy(glob(x), y).item() for x, y in data) / 3)
teacher, student = (
    nn.Sequential(nn.Linear(3, 32), nn.ReLU(), nn.Linear(32, 4)).eval().requires_grad_(False),
    nn.Linear(3, 4),
)
o = torch.optim.SGD(student.parameters(), lr=0.1)
x, y = torch.randn(30, 3), torch.randint(0, 4, (30,))
T = 4.0
for _ in range(5):
    s = student(x)
    kd = (
        nn.KLDivLoss(reduction="batchmean")(F.log_softmax(s / T, dim=1), F.softmax(teacher(x) / T, dim=1))
        * T
        * T
    )
    l = 0.7 * kd + 0.3 * F.cross_entropy(s, y)
    o.zero_grad()
    l.backward()
    o.step()
print(f"kd {l.item():.4f}")


class LoRA(nn.Module):
    def __init__(self, i, o, r=2, alpha=4):
        super().__init__()
        self.A = nn.Parameter(torch.zeros(r, i))
        self.B = nn.Parameter(torch.zeros(o, r))
        nn.init.normal_(self.A, 0, 1)
        self.scale = alpha / r
        self.enabled = True

    def forward(self, W):
        return W + torch.matmul(self.B, self.A).view(W.shape) * self.scale if self.enabled else W


base = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 4))
[
    parametrize.register_parametrization(m, "weight", LoRA(m.in_features, m.out_features))
    for m in base
    if isinstance(m, nn.Linear)
]
for n, p in base.named_parameters():
    p.requires_grad = "0.A" in n or "0.B" in n
o = torch.optim.Adam(filter(lambda p: p.requires_grad, base.parameters()), 1e-2)
print(
    [n for n, p in base.named_parameters() if p.requires_grad],
    sum(p.numel() for p in base.parameters() if not p.requires_grad),
)
for _ in range(5):
    l = F.cross_entropy(base(x), y)
    o.zero_grad()
    l.backward()
    o.step()
print(f"lora {l.item():.4f}")
[parametrize.remove_parametrizations(m, "weight") for m in base if parametrize.is_parametrized(m)]
print(base)
xa = x[:4].clone().requires_grad_()
F.cross_entropy(base(xa), y[:4]).backward()
adv = torch.clamp(xa + 0.1 * xa.grad.sign(), -2, 2)
print((base(adv).argmax(1) != y[:4]).sum(), xa.grad.data.abs().max())
d = torch.zeros_like(x[:4]).uniform_(-0.1, 0.1)
for _ in range(5):
    d.requires_grad_()
    F.cross_entropy(base(x[:4] + d), y[:4]).backward()
    d = (d + 0.03 * d.grad.sign()).clamp(-0.1, 0.1).detach()
print(d)
al = torch.linspace(0, 1, 11)[:, None]
pth = (al * x[0]).requires_grad_()
gi = torch.autograd.grad(base(pth)[:, 1].sum(), pth)[0]
ig = ((gi[:-1] + gi[1:]) / 2).mean(0) * x[0]
print(ig, ig.sum() - (base(x[:1]) - base(torch.zeros(1, 3)))[0, 1])
f = lambda w: F.cross_entropy(x @ w.view(3, 4), y) + 0.05 * w.pow(2).sum()
w = torch.zeros(12, requires_grad=True)


def hvp(v):
    g = torch.autograd.grad(f(w), w, create_graph=True)[0]
    return torch.autograd.grad(g @ v, w)[0]


for _ in range(3):
    g = torch.autograd.grad(f(w), w)[0]
    r, p, s = -g.clone(), -g.clone(), torch.zeros(12)
    for _ in range(12):
        Hp = hvp(p)
        a = r @ r / (p @ Hp)
        s = s + a * p
        rn = r - a * Hp
        p = rn + (rn @ rn) / (r @ r) * p
        r = rn
    w = (w + s).detach().requires_grad_()
    print(f"newton {f(w).item():.5f} {g.norm():.5f}")


class Hyper(nn.Module):
    def __init__(self):
        super().__init__()
        self.h = nn.Linear(2, 3 * 4 + 4)

    def forward(self, z, x):
        p = self.h(z)
        return torch.einsum("bi,boi->bo", x, p[:, :12].view(-1, 4, 3)) + p[:, 12:]


print(Hyper()(torch.ones(2, 2), x[:2]))


class DEQ(nn.Module):
    def __init__(self):
        super().__init__()
        self.W = nn.Linear(4, 4, bias=False)
        self.U = nn.Linear(3, 4)
        self.W.weight.data.mul_(0.5)

    def forward(self, x):
        with torch.no_grad():
            z = torch.zeros(x.size(0), 4)
            for _ in range(30):
                z = torch.tanh(self.W(z) + self.U(x))
        z = torch.tanh(self.W(z) + self.U(x))
        z0 = z.clone().detach().requires_grad_()
        f0 = torch.tanh(self.W(z0) + self.U(x))

        def backward_hook(g):
            y = g
            for _ in range(30):
                y = torch.autograd.grad(f0, z0, y, retain_graph=True)[0] + g
            return y

        if z.requires_grad:
            z.register_hook(backward_hook)
        return z


dq = DEQ()
dq(x[:3]).sum().backward()
print(dq.W.weight.grad.norm(), dq.U.bias.grad)
fisher = {n: torch.zeros_like(p) for n, p in student.named_parameters()}
for i in range(5):
    student.zero_grad()
    F.nll_loss(F.log_softmax(student(x[i : i + 1]), 1), y[i : i + 1]).backward()
    [fisher[n].add_(p.grad.data**2 / 5) for n, p in student.named_parameters()]
print({n: f.sum().item() for n, f in fisher.items()})
lam = torch.distributions.Beta(0.4, 0.4).sample().item()
pm = torch.randperm(30)
mx = lam * x + (1 - lam) * x[pm]
print(f"{lam:.4f}", lam * F.cross_entropy(student(mx), y) + (1 - lam) * F.cross_entropy(student(mx), y[pm]))
v = parameters_to_vector(student.parameters())
vector_to_parameters(v * 0.5, student.parameters())
print(v.norm(), parameters_to_vector(student.parameters()).norm())
