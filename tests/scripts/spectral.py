"""A Fourier neural operator, rotary embedding, FNet, Autoformer, spectrograms and a state space."""

import math

import torch
import torch.fft
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)


class SpectralConv2d(nn.Module):
    def __init__(self, in_channels, out_channels, modes1, modes2):
        super().__init__()
        self.out_channels, self.modes1, self.modes2 = out_channels, modes1, modes2
        scale = 1 / (in_channels * out_channels)
        shape = (in_channels, out_channels, modes1, modes2)
        self.weights1 = nn.Parameter(scale * torch.rand(*shape, dtype=torch.cfloat))
        self.weights2 = nn.Parameter(scale * torch.rand(*shape, dtype=torch.cfloat))

    def compl_mul2d(self, x, w):
        return torch.einsum("bixy,ioxy->boxy", x, w)

    def forward(self, x):
        x_ft = torch.fft.rfft2(x)
        out_ft = torch.zeros(
            x.shape[0], self.out_channels, x.size(-2), x.size(-1) // 2 + 1, dtype=torch.cfloat
        )
        m1, m2 = self.modes1, self.modes2
        out_ft[:, :, :m1, :m2] = self.compl_mul2d(x_ft[:, :, :m1, :m2], self.weights1)
        out_ft[:, :, -m1:, :m2] = self.compl_mul2d(x_ft[:, :, -m1:, :m2], self.weights2)
        return torch.fft.irfft2(out_ft, s=(x.size(-2), x.size(-1)))


class FNO2d(nn.Module):
    def __init__(self, modes=3, width=6):
        super().__init__()
        self.fc0 = nn.Linear(3, width)
        self.convs = nn.ModuleList(SpectralConv2d(width, width, modes, modes) for _ in range(2))
        self.ws = nn.ModuleList(nn.Conv2d(width, width, 1) for _ in range(2))
        self.fc1 = nn.Linear(width, 1)

    def forward(self, x):
        x = self.fc0(x).permute(0, 3, 1, 2)
        for conv, w in zip(self.convs, self.ws):
            x = F.gelu(conv(x) + w(x))
        return self.fc1(x.permute(0, 2, 3, 1)).squeeze(-1)


grid = torch.stack(torch.meshgrid(torch.linspace(0, 1, 8), torch.linspace(0, 1, 9), indexing="ij"), -1)
a = torch.randn(4, 8, 9, 1)
x = torch.cat([a, grid.expand(4, -1, -1, -1)], -1)
y = torch.cumsum(a.squeeze(-1), 1) / 4
model = FNO2d()
print(sum(p.numel() * (2 if p.is_complex() else 1) for p in model.parameters()))
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3, weight_decay=1e-4)
for step in range(6):
    loss = torch.norm((model(x) - y).reshape(4, -1), dim=1).div(torch.norm(y.reshape(4, -1), dim=1)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{step} {loss.item():.5f}")
print(model.convs[0].weights1.grad.abs().sum(), model.convs[0].weights1.dtype)


# LLaMA's rotary embedding


def precompute_freqs_cis(dim, end, theta=10000.0):
    freqs = 1.0 / (theta ** (torch.arange(0, dim, 2)[: (dim // 2)].float() / dim))
    freqs = torch.outer(torch.arange(end), freqs).float()
    return torch.polar(torch.ones_like(freqs), freqs)


def apply_rotary_emb(xq, xk, freqs_cis):
    xq_ = torch.view_as_complex(xq.float().reshape(*xq.shape[:-1], -1, 2))
    xk_ = torch.view_as_complex(xk.float().reshape(*xk.shape[:-1], -1, 2))
    freqs_cis = freqs_cis.view(1, xq_.shape[1], 1, xq_.shape[-1])
    xq_out = torch.view_as_real(xq_ * freqs_cis).flatten(3)
    xk_out = torch.view_as_real(xk_ * freqs_cis).flatten(3)
    return xq_out.type_as(xq), xk_out.type_as(xk)


freqs_cis = precompute_freqs_cis(8, 5)
print(freqs_cis[1])
q, k = torch.randn(2, 5, 2, 8, requires_grad=True), torch.randn(2, 5, 2, 8)
rq, rk = apply_rotary_emb(q, k, freqs_cis)
(rq * rk).sum().backward()
print(rq[0, 3, 1], q.grad.norm().item())

# FNet's mixing, and the auto-correlation of Autoformer

h = torch.randn(2, 6, 4, requires_grad=True)
mixed = torch.fft.fft(torch.fft.fft(h, dim=-1), dim=-2).real
print(mixed[0, 1])
q_fft = torch.fft.rfft(h.permute(0, 2, 1).contiguous(), dim=-1)
corr = torch.fft.irfft(q_fft * torch.conj(q_fft), dim=-1)
weights, delay = torch.topk(corr.mean(1), 2, dim=-1)
print(weights, delay[:, 0].tolist())
xf = torch.fft.rfft(h, dim=1)
frequency_list = abs(xf).mean(0).mean(-1)
frequency_list[0] = 0
print(torch.topk(frequency_list, 2)[1].tolist(), xf.angle()[0, 1])
(mixed.square().mean() + corr.mean()).backward()
print(h.grad.abs().sum().item())

# Spectrograms and a spectral loss

t = torch.arange(400) / 100
wave = torch.sin(2 * math.pi * 5 * t) + 0.5 * torch.sin(2 * math.pi * 12 * t)
window = torch.hann_window(64)
spec = torch.stft(wave, 64, hop_length=16, window=window, return_complex=True)
print(spec.shape, spec.dtype, spec.abs().pow(2).sum(1).argmax().item())
back = torch.istft(spec, 64, hop_length=16, window=window, length=400)
print(f"{(back - wave).abs().max().item():.3f}")
guess = nn.Parameter(torch.zeros(400))
opt = torch.optim.SGD([guess], lr=0.5)
for _ in range(3):
    found = torch.stft(guess + 0.1 * wave, 64, 16, 64, window, return_complex=True)
    loss = (spec.abs() - found.abs()).abs().mean() + F.mse_loss(torch.view_as_real(found), torch.view_as_real(spec))
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"{loss.item():.4f}")

# A diagonal state space: its kernel, and the convolution by transforms

log_dt = nn.Parameter(torch.tensor([-3.0, -2.0]))
C = nn.Parameter(torch.randn(2, 4, dtype=torch.cfloat))
A = -0.5 + 1j * math.pi * torch.arange(4)
dt = torch.exp(log_dt)
dtA = A * dt.unsqueeze(-1)
L = 16
K = dtA.unsqueeze(-1) * torch.arange(L)
kernel = 2 * torch.einsum("hn,hnl->hl", C * (torch.exp(dtA) - 1.0) / A, torch.exp(K)).real
u = torch.randn(3, 2, L)
out = torch.fft.irfft(torch.fft.rfft(u, n=2 * L) * torch.fft.rfft(kernel, n=2 * L), n=2 * L)[..., :L]
out.square().mean().backward()
print(out[0, :, -1], log_dt.grad, C.grad.abs().sum().item())
print(C.shape, torch.linalg.norm(C).item(), (C @ C.mH).shape, (C @ C.mH).real.diagonal())
z = torch.tensor([[1 + 2j, 3.5], [-1j, 4]])
print(z, z.T.conj(), z.abs(), 1j * z, z.real.sum(), z.sum())
