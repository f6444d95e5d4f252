"""Inference by hand: HMC, Langevin, Metropolis, ADVI, Laplace approximation, importance sampling."""
import math

import torch
from torch.distributions import *
from torch.distributions import constraints, transform_to, biject_to, kl

torch.manual_seed(1)
torch.set_default_dtype(torch.float64)
x = torch.randn(50, 2)
true_w = torch.tensor([1.5, -0.7])
y = Bernoulli(logits=x @ true_w).sample()
prior = MultivariateNormal(torch.zeros(2), covariance_matrix=torch.tensor([[2.0, 0.3], [0.3, 1.0]]))


def log_joint(w):
    return prior.log_prob(w) + Bernoulli(logits=w @ x.T).log_prob(y).sum(-1)


w = torch.zeros(2, requires_grad=True)
opt = torch.optim.LBFGS([w], line_search_fn="strong_wolfe")


def closure():
    opt.zero_grad()
    loss = -log_joint(w)
    loss.backward()
    return loss


opt.step(closure)
H = torch.autograd.functional.hessian(lambda w: -log_joint(w), w.detach())
laplace = MultivariateNormal(w.detach(), precision_matrix=H)
print("map", w.data, "sd", laplace.stddev, "H", laplace.entropy().item())
print(laplace)

# HMC
position, accepted, samples = w.detach().clone(), 0, []
for it in range(60):
    momentum = torch.randn(2)
    q, p = position.clone().requires_grad_(), momentum.clone()
    start = log_joint(position) - 0.5 * momentum @ momentum
    for leap in range(8):
        (g,) = torch.autograd.grad(log_joint(q), q)
        p = p + 0.1 * g
        q = (q + 0.2 * p).detach().requires_grad_()
        (g,) = torch.autograd.grad(log_joint(q), q)
        p = p + 0.1 * g
    end = log_joint(q).detach() - 0.5 * p @ p
    if torch.rand(()).log() < end - start:
        position, accepted = q.detach(), accepted + 1
    samples.append(position)
samples = torch.stack(samples)
print("hmc", samples.mean(0), samples.std(0), accepted)

# ADVI with a full covariance, and a positive parameter through transform_to
loc = torch.zeros(2, requires_grad=True)
raw = torch.zeros(2, 2, requires_grad=True)
to_lower = transform_to(constraints.lower_cholesky)
opt = torch.optim.Adam([loc, raw], lr=0.05)
for it in range(120):
    q = MultivariateNormal(loc, scale_tril=to_lower(raw))
    z = q.rsample((4,))
    elbo = log_joint(z).mean() + q.entropy()
    opt.zero_grad()
    (-elbo).backward()
    opt.step()
print("advi", loc.data, q.covariance_matrix.data, kl_divergence(q, prior).item())
weights = log_joint(laplace.sample((500,)))
draws = laplace.sample((2000,))
log_w = log_joint(draws) - laplace.log_prob(draws)
print("evidence", (log_w.logsumexp(0) - math.log(2000)).item(), "ess", (torch.softmax(log_w, 0) ** 2).sum().reciprocal().item())

data = Gamma(3.0, 2.0).sample((200,))
unconstrained = torch.zeros(2, requires_grad=True)
opt = torch.optim.Adam([unconstrained], lr=0.1)
for _ in range(150):
    a, b = transform_to(Gamma.arg_constraints["concentration"])(unconstrained)
    loss = -Gamma(a, b).log_prob(data).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("gamma", a.item(), b.item(), loss.item())
alpha = torch.ones(3, requires_grad=True)
shares = Dirichlet(torch.tensor([2.0, 5.0, 1.0])).sample((100,))
opt = torch.optim.Adam([alpha], lr=0.1)
for _ in range(100):
    loss = -Dirichlet(alpha.abs()).log_prob(shares).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
print("dirichlet", alpha.data)
chain, state = [], torch.tensor(0.5)
target = Beta(2.0, 5.0)
for _ in range(200):
    proposal = (state + 0.2 * torch.randn(())).clamp(1e-6, 1 - 1e-6)
    if torch.rand(()) < (target.log_prob(proposal) - target.log_prob(state)).exp():
        state = proposal
    chain.append(state)
print("metropolis", torch.stack(chain).mean().item(), target.mean.item())
for d in (VonMises(0.5, 3.0), Weibull(1.0, 1.5), Gumbel(0.0, 2.0), Laplace(1.0, 0.5), StudentT(4.0), Cauchy(0.0, 1.0), HalfNormal(1.0), LogNormal(0.0, 0.3), Pareto(1.0, 3.0), Kumaraswamy(2.0, 3.0), Geometric(0.3), Binomial(10, 0.4), Multinomial(5, torch.tensor([0.2, 0.8])), Chi2(3.0), Uniform(-1.0, 2.0), Exponential(0.5), Poisson(4.0)):
    s = d.sample((3,))
    print(d, s.flatten().tolist()[:3], d.log_prob(s).sum().item())
