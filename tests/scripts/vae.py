"""A variational autoencoder with the reparametrisation trick."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(7)
data = (torch.rand(128, 2) @ torch.rand(2, 16)).clamp(0, 1)
loader = DataLoader(TensorDataset(data), batch_size=32, shuffle=True, drop_last=True)


class VAE(nn.Module):
    def __init__(self):
        super(VAE, self).__init__()
        self.enc = nn.Linear(16, 12)
        self.mu = nn.Linear(12, 2)
        self.logvar = nn.Linear(12, 2)
        self.dec = nn.Sequential(nn.Linear(2, 12), nn.ReLU(), nn.Linear(12, 16), nn.Sigmoid())

    def reparameterize(self, mu, logvar):
        std = torch.exp(0.5 * logvar)
        eps = torch.randn_like(std)
        return mu + eps * std

    def forward(self, x):
        h = F.elu(self.enc(x))
        mu, logvar = self.mu(h), self.logvar(h)
        return self.dec(self.reparameterize(mu, logvar)), mu, logvar


def loss_function(recon, x, mu, logvar):
    bce = F.binary_cross_entropy(recon, x, reduction="sum")
    kld = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
    return bce + kld, kld


model = VAE()
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
for epoch in range(6):
    total = kl = 0
    for (x,) in loader:
        recon, mu, logvar = model(x)
        loss, kld = loss_function(recon, x, mu, logvar)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        total += loss.item()
        kl += kld.item()
    print(f"epoch {epoch} loss {total / len(data):.4f} kl {kl / len(data):.5f}")
with torch.inference_mode():
    print(model.dec(torch.zeros(1, 2)).mean().item())
