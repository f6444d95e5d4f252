"""A Wasserstein critic with a gradient penalty: gradients of gradients, RMSprop, moving averages."""

import torch
import torch.nn as nn
from torch.autograd import Variable, grad
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class Generator(nn.Module):
    def __init__(self, latent=4, hidden=32):
        super().__init__()

        def block(in_feat, out_feat, normalize=True):
            layers = [nn.Linear(in_feat, out_feat)]
            if normalize:
                layers.append(nn.BatchNorm1d(out_feat, 0.8))
            layers.append(nn.LeakyReLU(0.2, inplace=True))
            return layers

        self.model = nn.Sequential(*block(latent, hidden, normalize=False), *block(hidden, hidden), nn.Linear(hidden, 2))

    def forward(self, z):
        return self.model(z)


class Critic(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.model = nn.Sequential(
            nn.utils.parametrizations.spectral_norm(nn.Linear(2, hidden)), nn.ELU(inplace=True),
            nn.Linear(hidden, hidden), nn.Softplus(), nn.Linear(hidden, 1))

    def forward(self, x):
        return self.model(x)


def compute_gradient_penalty(D, real, fake):
    alpha = torch.rand(real.size(0), 1).expand_as(real)
    interpolates = (alpha * real + ((1 - alpha) * fake)).requires_grad_(True)
    d_interpolates = D(interpolates)
    ones = Variable(torch.ones_like(d_interpolates), requires_grad=False)
    gradients = grad(outputs=d_interpolates, inputs=interpolates, grad_outputs=ones,
                     create_graph=True, retain_graph=True, only_inputs=True)[0]
    return ((gradients.norm(2, dim=1) - 1) ** 2).mean()


def real_batch(n):
    angle = torch.randint(8, (n,)) * (2 * torch.pi / 8)
    return torch.stack([angle.cos(), angle.sin()], 1) * 2 + 0.05 * torch.randn(n, 2)


torch.manual_seed(42)
G, D = Generator(), Critic()
optimizer_G = torch.optim.RMSprop(G.parameters(), lr=2e-3)
optimizer_D = torch.optim.RMSprop(D.parameters(), lr=2e-3)
ema = AveragedModel(G, multi_avg_fn=get_ema_multi_avg_fn(0.9), use_buffers=True)
for step in range(40):
    real = real_batch(32)
    optimizer_D.zero_grad()
    fake = G(torch.randn(32, 4)).detach()
    penalty = compute_gradient_penalty(D, real, fake)
    d_loss = -torch.mean(D(real)) + torch.mean(D(fake)) + 10 * penalty
    d_loss.backward()
    optimizer_D.step()
    if step % 5 == 4:
        optimizer_G.zero_grad()
        g_loss = -D(G(torch.randn(32, 4))).mean()
        g_loss.backward()
        optimizer_G.step()
        ema.update_parameters(G)
    if step % 10 == 9:
        print(f"step {step}: D {d_loss.item():.4f} penalty {penalty.item():.4f} G {g_loss.item():.4f}")
ema.eval()
with torch.no_grad():
    points = ema(torch.randn(5, 4))
print(points, ema.n_averaged)
print(torch.linalg.matrix_norm(D.model[0].weight, 2).item(), d_loss)
