"""A small state-space model whose projections are split by name, in the form of minimal ports."""

import math
from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F


@dataclass
class Args:
    d_model: int = 12
    d_state: int = 4
    expand: int = 2
    d_conv: int = 3
    vocab: int = 11

    def __post_init__(self):
        self.d_inner = self.expand * self.d_model
        self.dt_rank = math.ceil(self.d_model / 8)


class Block(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.a = a
        self.in_proj = nn.Linear(a.d_model, 2 * a.d_inner, bias=False)
        self.conv1d = nn.Conv1d(
            in_channels=a.d_inner,
            out_channels=a.d_inner,
            kernel_size=a.d_conv,
            groups=a.d_inner,
            padding=a.d_conv - 1,
        )
        self.x_proj = nn.Linear(a.d_inner, a.dt_rank + 2 * a.d_state, bias=False)
        self.dt_proj = nn.Linear(a.dt_rank, a.d_inner)
        self.A_log = nn.Parameter(torch.log(torch.arange(1.0, a.d_state + 1).repeat(a.d_inner, 1)))
        self.D = nn.Parameter(torch.ones(a.d_inner))
        self.out_proj = nn.Linear(a.d_inner, a.d_model, bias=False)

    def forward(self, x):
        b, l, _ = x.shape
        (x, gate) = self.in_proj(x).split(split_size=[self.a.d_inner, self.a.d_inner], dim=-1)
        x = self.conv1d(x.transpose(1, 2))[:, :, :l].transpose(1, 2)
        x = F.silu(x)
        return self.out_proj(self.scan(x) * F.silu(gate))

    def scan(self, u):
        sizes = [self.a.dt_rank, self.a.d_state, self.a.d_state]
        delta, B, C = self.x_proj(u).split(split_size=sizes, dim=-1)
        delta = F.softplus(self.dt_proj(delta))
        A = -torch.exp(self.A_log.float())
        decay = torch.exp(torch.einsum("bld,dn->bldn", delta, A))
        drive = torch.einsum("bld,bln,bld->bldn", delta, B, u)
        state, ys = torch.zeros(u.shape[0], self.a.d_inner, self.a.d_state), []
        for i in range(u.shape[1]):
            state = decay[:, i] * state + drive[:, i]
            ys.append(torch.einsum("bdn,bn->bd", state, C[:, i]))
        return torch.stack(ys, dim=1) + u * self.D


class Model(nn.Module):
    def __init__(self, a):
        super().__init__()
        self.embedding = nn.Embedding(a.vocab, a.d_model)
        self.blocks = nn.ModuleList([Block(a) for _ in range(2)])
        self.norm = nn.LayerNorm(a.d_model)
        self.head = nn.Linear(a.d_model, a.vocab, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, ids):
        x = self.embedding(ids)
        for block in self.blocks:
            x = x + block(self.norm(x))
        return self.head(self.norm(x))


torch.manual_seed(0)
if torch.__version__ >= "2.0" and torch.__version__ >= (1, 10):
    print("recent")
padding = 1 if torch.__version__ >= "1.5.0" else 2
model = Model(Args())
print(sum(p.numel() for p in model.parameters()), padding)
ids = (torch.arange(20)[None] * torch.tensor([[1], [3]])) % 11
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2)
for step in range(8):
    logits = model(ids[:, :-1])
    loss = F.cross_entropy(logits.reshape(-1, 11), ids[:, 1:].reshape(-1))
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    print(step, "%.4f" % loss.item())
print(model(ids[:, :5])[0, -1].argmax())
