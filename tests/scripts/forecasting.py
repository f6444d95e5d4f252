"""A TCN, N-BEATS, quantile loss, DeepAR, a reservoir and a Kalman filter on one series."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import weight_norm
from torch.nn.utils.parametrizations import weight_norm as pwn
from torch.utils.data import Dataset, DataLoader

np.random.seed(0)
torch.manual_seed(0)
t = np.arange(300)
series = np.sin(t / 10) + 0.3 * np.cos(t / 3) + 0.05 * np.random.randn(300)


class Windows(Dataset):
    def __init__(self, s, w, h):
        self.s = torch.tensor(s, dtype=torch.float32)
        self.w, self.h = w, h

    def __len__(self):
        return len(self.s) - self.w - self.h + 1

    def __getitem__(self, i):
        return self.s[i : i + self.w].unsqueeze(0), self.s[i + self.w : i + self.w + self.h]


ds = Windows(series, 24, 6)
train = torch.utils.data.Subset(ds, range(200))
loader = DataLoader(train, batch_size=50, shuffle=True)
print(len(ds), ds[0][0].shape)


class Chomp1d(nn.Module):
    def __init__(self, c):
        super().__init__()
        self.c = c

    def forward(self, x):
        return x[:, :, : -self.c].contiguous()


class TemporalBlock(nn.Module):
    def __init__(self, i, o, k, d, dropout=0.1):
        super().__init__()
        p = (k - 1) * d
        self.conv1 = pwn(nn.Conv1d(i, o, k, padding=p, dilation=d))
        self.net = nn.Sequential(self.conv1, Chomp1d(p), nn.ReLU(), nn.Dropout(dropout))
        self.down = nn.Conv1d(i, o, 1) if i != o else None
        self.relu = nn.ReLU()
        self.init_weights()

    def init_weights(self):
        self.conv1.weight.data.normal_(0, 0.01)
        if self.down is not None:
            self.down.weight.data.normal_(0, 0.01)

    def forward(self, x):
        out = self.net(x)
        res = x if self.down is None else self.down(x)
        return self.relu(out + res)


tcn = nn.Sequential(
    *[TemporalBlock(1 if i == 0 else 8, 8, 3, 2**i) for i in range(3)],
    nn.AdaptiveMaxPool1d(1),
    nn.Flatten(),
    nn.Linear(8, 6),
)
print(tcn[0])


class NBeats(nn.Module):
    def __init__(self, w, h, blocks=3):
        super().__init__()
        self.fc = nn.ModuleList(
            nn.Sequential(nn.Linear(w, 16), nn.ReLU(), nn.Linear(16, w + h)) for _ in range(blocks)
        )
        self.w = w

    def forward(self, x):
        x = x.squeeze(1)
        out = 0
        for f in self.fc:
            b, fc = f(x).split([self.w, f[-1].out_features - self.w], -1)
            x = x - b
            out = out + fc
        return out


def fit(m, loss_fn, epochs=2, lr=1e-2):
    torch.manual_seed(1)
    o = torch.optim.Adam(m.parameters(), lr=lr)
    s = torch.optim.lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5)
    for e in range(epochs):
        tot = 0.0
        for x, y in loader:
            o.zero_grad()
            l = loss_fn(m(x), y)
            l.backward()
            o.step()
            tot += l.item() * x.size(0)
        s.step(tot)
        print(type(m).__name__, e, f"{tot / len(train):.5f}", s.get_last_lr())


fit(tcn, nn.SmoothL1Loss())
fit(NBeats(24, 6), nn.MSELoss())


class QuantileLoss(nn.Module):
    def __init__(self, qs):
        super().__init__()
        self.register_buffer("qs", torch.tensor(qs))

    def forward(self, p, y):
        e = y.unsqueeze(-1) - p
        return torch.max((self.qs - 1) * e, self.qs * e).sum(-1).mean()


fit(
    nn.Sequential(nn.Flatten(), nn.Linear(24, 32), nn.GELU(), nn.Linear(32, 18), nn.Unflatten(1, (6, 3))),
    QuantileLoss([0.1, 0.5, 0.9]),
)


class DeepAR(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn = nn.GRU(1, 12, num_layers=2, batch_first=True, dropout=0.1)
        self.mu, self.sig = nn.Linear(12, 1), nn.Linear(12, 1)

    def forward(self, x, h=None):
        o, h = self.rnn(x, h)
        return torch.distributions.StudentT(
            torch.tensor(5.0), self.mu(o).squeeze(-1), F.softplus(self.sig(o)).squeeze(-1) + 1e-3
        ), h


m = DeepAR()
o = torch.optim.AdamW(m.parameters(), lr=5e-3)
for x, y in loader:
    z = torch.cat([x.squeeze(1), y], 1)
    d, _ = m(z[:, :-1, None])
    l = -d.log_prob(z[:, 1:]).mean()
    o.zero_grad()
    l.backward()
    o.step()
    print(f"nll {l:.4f}")
m.eval()
with torch.no_grad():
    x = ds[210][0].view(1, -1, 1).expand(5, -1, -1)
    d, h = m(x)
    cur = d.sample()[:, -1:]
    path = [cur]
    for _ in range(5):
        d, h = m(cur.unsqueeze(-1), h)
        cur = d.mean
        path.append(cur)
    print(torch.cat(path, 1).shape, torch.cat(path, 1)[:, 1:].mean(0), h.shape)


class Seq2Seq(nn.Module):
    def __init__(self):
        super().__init__()
        self.e = nn.LSTM(1, 8, batch_first=True, bidirectional=True)
        self.d = nn.LSTMCell(1, 16)
        self.o = nn.Linear(16, 1)

    def forward(self, x, y=None, tf=0.5):
        out, (h, c) = self.e(x.transpose(1, 2))
        h, c = (s.permute(1, 0, 2).reshape(x.size(0), -1) for s in (h, c))
        inp = x[:, :, -1]
        res = []
        for i in range(6):
            h, c = self.d(inp, (h, c))
            p = self.o(h)
            res.append(p)
            inp = y[:, i : i + 1] if y is not None and torch.rand(1).item() < tf else p
        return torch.cat(res, 1)


s = Seq2Seq()
o = torch.optim.RMSprop(s.parameters(), lr=5e-3)
for x, y in loader:
    l = F.l1_loss(s(x, y), y)
    o.zero_grad(set_to_none=True)
    l.backward()
    nn.utils.clip_grad_norm_(s.parameters(), 1.0)
    o.step()
    print(f"seq2seq {l.item():.4f}")
n = 60
W = torch.rand(n, n) - 0.5
W[torch.rand(n, n) > 0.1] = 0
ev = torch.linalg.svdvals(W)[0]
W *= 0.9 / ev
Win = torch.rand(n) * 2 - 1
u = torch.from_numpy(series).float()
st = torch.zeros(n)
S = []
for v in u[:-1]:
    st = 0.7 * st + 0.3 * torch.tanh(W @ st + Win * v)
    S.append(st)
S = torch.stack(S)[50:]
Yt = u[51:].unsqueeze(1)
Wout = torch.linalg.solve(S.T @ S + 1e-2 * torch.eye(n), S.T @ Yt)
print(
    "esn", f"{F.mse_loss(S @ Wout, Yt).sqrt():.4f}", torch.linalg.lstsq(S, Yt, driver="gelsd").solution.shape
)
logq, logr = torch.zeros(1, requires_grad=True), torch.zeros(1, requires_grad=True)
A = torch.tensor([[1.0, 1.0], [0.0, 1.0]])
C = torch.tensor([[1.0, 0.0]])
o = torch.optim.Adam([logq, logr], lr=0.2)
for i in range(4):
    mu, P, nll = torch.zeros(2), torch.eye(2), 0.0
    for z in u[:30]:
        mu = A @ mu
        P = A @ P @ A.T + logq.exp() * torch.eye(2)
        r = z - C @ mu
        Sg = C @ P @ C.T + logr.exp()
        K = P @ C.T / Sg
        mu = mu + (K @ r)
        P = (torch.eye(2) - K @ C) @ P
        nll = nll + 0.5 * (torch.log(Sg) + r**2 / Sg).sum()
    o.zero_grad()
    nll.backward()
    o.step()
    print(f"kalman {nll.item():.4f}", logq.item(), logr.item())
