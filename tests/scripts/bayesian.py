"""HMC, Langevin, SVGD, Bayes by backprop, MC dropout, a Gaussian process, a Laplace approximation."""

import math
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import Normal, MultivariateNormal, kl_divergence, HalfCauchy
from torch.autograd import grad

torch.manual_seed(13)
target = MultivariateNormal(torch.zeros(2), torch.tensor([[1.0, 0.8], [0.8, 1.5]]))
U = lambda q: -target.log_prob(q).sum()


def dU(q):
    q = q.detach().requires_grad_()
    return grad(U(q), q)[0]


q = torch.zeros(2)
acc = 0
chain = []
for it in range(60):
    p = torch.randn_like(q)
    q0, p0 = q.clone(), p.clone()
    p = p - 0.1 * dU(q)
    for i in range(5):
        q = q + 0.2 * p
        p = p - (0.2 if i < 4 else 0.1) * dU(q)
    dH = U(q0) + 0.5 * p0.dot(p0) - U(q) - 0.5 * (p @ p)
    if torch.rand(()).log() < dH:
        acc += 1
    else:
        q = q0
    chain.append(q)
chain = torch.stack(chain)
print(acc / 60, chain.mean(0), torch.cov(chain.T))
x = torch.randn(100, 2)
for i in range(30):
    x = x - 0.05 * dU(x) + math.sqrt(0.1) * torch.randn_like(x)
print(x.std(0))


def rbf(X):
    d2 = torch.cdist(X, X) ** 2
    h = d2.detach().median() / math.log(X.size(0) + 1)
    K = torch.exp(-d2 / (2 * h))
    return K


X = torch.randn(20, 2) * 0.1
opt = torch.optim.Adagrad([X], lr=0.3)
for i in range(20):
    Z = X.detach().requires_grad_(True)
    score = grad(target.log_prob(Z).sum(), Z)[0]
    K = torch.exp(-((Z[:, None] - Z.detach()[None]) ** 2).sum(-1) / 2)
    dK = -grad(K.sum(), Z)[0]
    X.grad = -(K.detach().matmul(score) + dK) / X.size(0)
    opt.step()
print(X.var(0), X.mean(0))


class BayesLinear(nn.Module):
    def __init__(self, i, o, prior=1.0):
        super().__init__()
        self.w_mu = nn.Parameter(torch.Tensor(o, i).uniform_(-0.2, 0.2))
        self.w_rho = nn.Parameter(torch.full((o, i), -4.0))
        self.b_mu = nn.Parameter(torch.zeros(o))
        self.b_rho = nn.Parameter(torch.full((o,), -4.0))
        self.prior = Normal(0.0, prior)

    @property
    def w(self):
        return Normal(self.w_mu, F.softplus(self.w_rho))

    @property
    def b(self):
        return Normal(self.b_mu, F.softplus(self.b_rho))

    def forward(self, x):
        return F.linear(x, self.w.rsample(), self.b.rsample())

    def kl(self):
        return kl_divergence(self.w, self.prior).sum() + kl_divergence(self.b, self.prior).sum()


net = nn.Sequential(BayesLinear(1, 16), nn.Tanh(), BayesLinear(16, 1))
xs = torch.linspace(-2, 2, 40).unsqueeze(-1)
ys = xs.sin() + 0.1 * torch.randn_like(xs)
opt = torch.optim.Adam(net.parameters(), lr=0.02)
for i in range(40):
    opt.zero_grad()
    nll = -Normal(net(xs), 0.1).log_prob(ys).sum()
    kl = sum(m.kl() for m in net if hasattr(m, "kl"))
    elbo = nll + kl
    elbo.backward()
    opt.step()
    if i % 10 == 0:
        print(i, f"{nll.item():.2f} {kl.item():.2f}")
preds = torch.stack([net(xs) for _ in range(10)])
print(preds.mean(0)[:3].flatten(), preds.std(0).mean())
mc = nn.Sequential(nn.Linear(1, 32), nn.ReLU(), nn.Dropout(0.3), nn.Linear(32, 1))
mc.eval()
[m.train() for m in mc.modules() if isinstance(m, nn.Dropout)]
print(torch.stack([mc(xs) for _ in range(8)]).var(0).mean())


# GP
class GP(nn.Module):
    def __init__(self):
        super().__init__()
        self.raw = nn.ParameterDict(
            {k: nn.Parameter(torch.tensor(0.0)) for k in ("length", "scale", "noise")}
        )

    def k(self, a, b):
        return F.softplus(self.raw["scale"]) * torch.exp(
            -0.5 * torch.cdist(a, b).pow(2) / F.softplus(self.raw["length"]).pow(2)
        )

    def nll(self, x, y):
        L = torch.linalg.cholesky(
            self.k(x, x) + (F.softplus(self.raw["noise"]) ** 2 + 1e-4) * torch.eye(len(x))
        )
        a = torch.cholesky_solve(y, L)
        return (
            0.5 * (y.T @ a).squeeze() + L.diagonal().log().sum() + 0.5 * len(x) * math.log(2 * math.pi),
            L,
            a,
        )


gp = GP()
opt = torch.optim.LBFGS(gp.parameters(), lr=0.5, max_iter=8)


def closure():
    opt.zero_grad()
    l = gp.nll(xs, ys)[0]
    l.backward()
    return l


for i in range(3):
    print(f"{opt.step(closure).item():.3f}")
with torch.no_grad():
    _, L, a = gp.nll(xs, ys)
    t = torch.tensor([[0.5], [3.0]])
    Ks = gp.k(xs, t)
    v = torch.linalg.solve_triangular(L, Ks, upper=False)
    print((Ks.T @ a).flatten(), (gp.k(t, t) - v.T @ v).diag())
    print(gp)
W = torch.zeros(3, requires_grad=True)
D = torch.cat([torch.randn(30, 2), torch.ones(30, 1)], 1)
Yb = (D[:, 0] > 0).float()
nlp = lambda w: F.binary_cross_entropy_with_logits(D @ w, Yb, reduction="sum") + 0.5 * w.pow(2).sum()
for _ in range(6):
    (g,) = grad(nlp(W), W)
    H = torch.autograd.functional.hessian(nlp, W)
    W = (W - torch.linalg.solve(H, g)).detach().requires_grad_()
S = torch.linalg.inv(torch.autograd.functional.hessian(nlp, W))
print(
    W,
    S.diag().sqrt(),
    MultivariateNormal(W.detach(), S).entropy(),
    HalfCauchy(1.0).log_prob(torch.tensor(2.0)),
)
