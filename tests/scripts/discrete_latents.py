"""Discrete latents: Gumbel-softmax, RelaxedOneHotCategorical, straight-through, REBAR-like, VQ."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.distributions import (
    Bernoulli, Categorical, OneHotCategorical, OneHotCategoricalStraightThrough, RelaxedBernoulli,
    RelaxedOneHotCategorical, kl_divergence,
)

torch.manual_seed(9)
prototypes = torch.bernoulli(torch.full((4, 20), 0.5))
data = torch.bernoulli(prototypes[torch.randint(4, (200,))] * 0.9 + 0.05)
N, K = 3, 4
enc, dec = nn.Linear(20, N * K), nn.Sequential(nn.Linear(N * K, 40), nn.ReLU(), nn.Linear(40, 20))
opt = torch.optim.Adam([*enc.parameters(), *dec.parameters()], lr=1e-2)
for epoch in range(5):
    tau = max(0.5, 1.0 * (0.9**epoch))
    logits = enc(data).view(-1, N, K)
    q = RelaxedOneHotCategorical(torch.tensor(tau), logits=logits)
    z = q.rsample()
    kl = kl_divergence(Categorical(logits=logits), Categorical(logits=torch.zeros_like(logits))).sum(-1)
    rec = Bernoulli(logits=dec(z.flatten(1)), validate_args=False).log_prob(data).sum(-1)
    loss = -(rec - kl).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"epoch {epoch} tau {tau:.3f} loss {loss.item():.4f} kl {kl.mean().item():.5f} q(z) {q.log_prob(z).mean().item():.4f}")
for hard in (False, True):
    z = F.gumbel_softmax(enc(data[:2]).view(-1, N, K), tau=0.7, hard=hard)
    print(z[0])
logits = enc(data).view(-1, N, K)
z = OneHotCategoricalStraightThrough(logits=logits).rsample()
F.binary_cross_entropy_with_logits(dec(z.flatten(1)), data).backward()
print(enc.weight.grad.norm(), z.sum((0, 1)))
d = OneHotCategorical(logits=logits[0])
print(d, d.log_prob(z[0]), d.entropy(), d.mode.argmax(-1), sep="\n")
b = RelaxedBernoulli(torch.tensor([0.5]), probs=torch.tensor([0.2, 0.7]))
x = b.rsample((3,))
print(x, b.log_prob(x), b.probs)
# score-function estimator against the exact gradient
theta = torch.tensor(0.3, requires_grad=True)
p = Bernoulli(logits=theta)
s = p.sample((2000,))
f = (s - 0.45) ** 2
(g,) = torch.autograd.grad((p.log_prob(s) * (f - f.mean())).mean(), theta, retain_graph=True)
values = p.enumerate_support()
exact = torch.autograd.grad((p.log_prob(values).exp() * (values - 0.45) ** 2).sum(), theta)[0]
print(g, exact)
# vector quantization
codebook = nn.Embedding(8, 4)
codebook.weight.data.uniform_(-1 / 8, 1 / 8)
e = nn.Linear(20, 4)
o = torch.optim.SGD([*e.parameters(), *codebook.parameters()], lr=0.5)
for step in range(10):
    h = e(data)
    idx = torch.cdist(h, codebook.weight).argmin(-1)
    quant = codebook(idx)
    vq = F.mse_loss(quant, h.detach()) + 0.25 * F.mse_loss(h, quant.detach())
    st = h + (quant - h).detach()
    loss = vq + (st.mean(1) - data.mean(1)).pow(2).mean()
    o.zero_grad()
    loss.backward()
    o.step()
probs = F.one_hot(idx, 8).float().mean(0)
print(f"vq {loss.item():.5f} perplexity {torch.exp(-torch.sum(probs * torch.log(probs + 1e-10))).item():.4f}")
