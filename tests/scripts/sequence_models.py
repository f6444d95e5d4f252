"""An HMM, soft-DTW, Sinkhorn, rotary and linear attention, a state-space layer, transformer parts."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import math
import itertools
import functools

torch.manual_seed(8)
T, A, B = (
    torch.tensor([[0.7, 0.3], [0.4, 0.6]]).log(),
    torch.tensor([0.6, 0.4]).log(),
    torch.tensor([[0.5, 0.4, 0.1], [0.1, 0.3, 0.6]]).log(),
)
obs = [0, 1, 2, 1]
al = A + B[:, obs[0]]
for o in obs[1:]:
    al = torch.logsumexp(al[:, None] + T, 0) + B[:, o]
print("hmm", al.logsumexp(0))
v = A + B[:, 0]
bp = []
for o in obs[1:]:
    s = v[:, None] + T
    m = s.max(0)
    v = m.values + B[:, o]
    bp.append(m.indices)
p = [int(v.argmax())]
for b in bp[::-1]:
    p.append(int(b[p[-1]]))
print(p[::-1], v.max().exp())


def soft_dtw(D, g=0.1):
    n, m = D.shape
    R = {(0, 0): torch.tensor(0.0)}
    inf = torch.tensor(1e10)
    for i, j in itertools.product(range(1, n + 1), range(1, m + 1)):
        R[i, j] = D[i - 1, j - 1] - g * torch.logsumexp(
            -torch.stack([R.get((i - 1, j), inf), R.get((i, j - 1), inf), R.get((i - 1, j - 1), inf)]) / g, 0
        )
    return R[n, m]


x = torch.linspace(0, 3, 6).sin().requires_grad_()
y = torch.linspace(0, 3, 8).cos()
l = soft_dtw((x[:, None] - y[None]) ** 2)
l.backward()
print(l, x.grad)
C = torch.cdist(torch.randn(5, 2), torch.randn(4, 2))
f, g = torch.zeros(5), torch.zeros(4)
eps = 0.5
for _ in range(30):
    f = -eps * torch.logsumexp((g[None] - C) / eps - math.log(4), 1)
    g = -eps * torch.logsumexp((f[:, None] - C) / eps - math.log(5), 0)
P = torch.exp((f[:, None] + g[None] - C) / eps) / 20
print(P.sum(0), P.sum(1), (P * C).sum())


def rotate_half(x):
    a, b = x.chunk(2, -1)
    return torch.cat((-b, a), -1)


def rope(x, base=10000.0):
    d = x.shape[-1]
    fr = 1.0 / (base ** (torch.arange(0, d, 2).float() / d))
    t = torch.outer(torch.arange(x.shape[-2]).float(), fr)
    e = torch.cat((t, t), -1)
    return x * e.cos() + rotate_half(x) * e.sin()


q, k, v = torch.randn(3, 2, 4, 6, 8).unbind(0)
print(rope(q).norm(), torch.allclose(rope(q).norm(dim=-1), q.norm(dim=-1), atol=1e-5))
sl = torch.tensor([2 ** (-8 * (i + 1) / 4) for i in range(4)])
dist = torch.arange(6)[None] - torch.arange(6)[:, None]
bias = sl.view(4, 1, 1) * dist
causal = torch.ones(6, 6, dtype=torch.bool).tril()
win = causal & (dist > -3)
print(
    F.scaled_dot_product_attention(
        rope(q), rope(k), v, attn_mask=bias.masked_fill(~causal, float("-inf"))
    ).mean(),
    F.scaled_dot_product_attention(q, k, v, attn_mask=win, scale=0.2).std(),
    F.scaled_dot_product_attention(q, k[:, :2], v[:, :2], enable_gqa=True).sum(),
)
w = (q @ k.transpose(-2, -1) / 8**0.5).masked_fill(~causal, -1e9).softmax(-1)
print(w[0, 0], torch.allclose(w @ v, F.scaled_dot_product_attention(q, k, v, is_causal=True), atol=1e-5))
fq, fk = F.elu(q) + 1, F.elu(k) + 1
kv = torch.einsum("bhnd,bhne->bhnde", fk, v).cumsum(2)
z = 1 / torch.einsum("bhnd,bhnd->bhn", fq, fk.cumsum(2))
print(torch.einsum("bhnd,bhnde,bhn->bhne", fq, kv, z).mean((0, 1, 2)))


class S4D(nn.Module):
    def __init__(self, d, n=4):
        super().__init__()
        self.logA = nn.Parameter(torch.log(0.5 + torch.arange(n).float()).repeat(d, 1))
        self.B = nn.Parameter(torch.ones(d, n))
        self.C = nn.Parameter(torch.randn(d, n) / n)
        self.D = nn.Parameter(torch.ones(d))
        self.dt = nn.Parameter(torch.full((d,), -3.0))

    def forward(self, u):
        dt = F.softplus(self.dt)[:, None]
        A = torch.exp(-self.logA.exp() * dt)
        Bd = self.B * dt
        L = u.size(1)
        K = torch.einsum("dn,dnl->dl", self.C * Bd, A.unsqueeze(-1) ** torch.arange(L))
        y = F.conv1d(F.pad(u.transpose(1, 2), (L - 1, 0)), K.flip(-1).unsqueeze(1), groups=u.size(2))
        h, ys = torch.zeros(u.size(0), *A.shape), []
        for t in range(L):
            h = A * h + Bd * u[:, t, :, None]
            ys.append((h * self.C).sum(-1))
        print("scan=conv", torch.allclose(torch.stack(ys, 1), y.transpose(1, 2), atol=1e-5))
        return y.transpose(1, 2) + u * self.D


s = S4D(3)
o = s(torch.randn(2, 7, 3))
o.sum().backward()
print(o.mean(), {n: round(p.grad.norm().item(), 3) for n, p in s.named_parameters()})


class Highway(nn.Module):
    def __init__(self, d):
        super().__init__()
        self.h, self.t = nn.Linear(d, d), nn.Linear(d, d)
        nn.init.constant_(self.t.bias, -2.0)

    def forward(self, x):
        t = torch.sigmoid(self.t(x))
        return torch.lerp(x, F.relu(self.h(x)), t)


mha = nn.MultiheadAttention(8, 2, kdim=6, vdim=5, add_bias_kv=True, add_zero_attn=True, batch_first=True)
out, wt = mha(
    torch.randn(2, 3, 8),
    torch.randn(2, 4, 6),
    torch.randn(2, 4, 5),
    key_padding_mask=torch.tensor([[0, 0, 0, 1], [0, 0, 1, 1]]).bool(),
    average_attn_weights=False,
)
print(Highway(4)(torch.ones(1, 4)), out.shape, wt.shape, wt.sum(-1).mean(), mha)
dec = nn.TransformerDecoder(nn.TransformerDecoderLayer(8, 2, 16, 0.0, batch_first=True), 2)
tgt = torch.randn(2, 3, 8)
mem = torch.randn(2, 5, 8)
m = nn.Transformer.generate_square_subsequent_mask(3)
print(dec(tgt, mem, tgt_mask=m, tgt_is_causal=True)[0, 0], m)
e = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, activation=F.gelu, batch_first=True), 1).eval()
print(e(tgt, src_key_padding_mask=torch.tensor([[False, False, True], [False] * 3]))[:, 0, :3])
ada = nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4, 8])
r = ada(tgt[0], torch.tensor([0, 5, 11]))
print(r, r.loss, ada.log_prob(tgt[0]).exp().sum(1), ada.predict(tgt[0]))
print(
    F.gumbel_softmax(torch.zeros(2, 4), tau=0.5, hard=True).sum(),
    torch.nn.functional.kl_div(torch.zeros(2), torch.zeros(2), log_target=True, reduction="sum"),
    nn.Softplus(beta=2, threshold=5)(torch.tensor([3.0])),
    torch.erfinv(torch.tensor(0.5)),
    torch.special.expit(torch.tensor(0.0)),
    torch.logit(torch.tensor(0.9), eps=1e-3),
    torch.i0(torch.tensor(1.0)),
    torch.sinc(torch.tensor(0.5)),
    torch.polygamma(1, torch.tensor(1.0)),
    torch.xlogy(torch.tensor(2.0), torch.tensor(3.0)),
)
