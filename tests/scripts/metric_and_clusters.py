"""Triplet and contrastive losses on a shared encoder, weight-normed; then k-means on its outputs."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import parametrizations, parametrize

torch.manual_seed(27)
centres = torch.randn(4, 6) * 2
labels = torch.randint(0, 4, (80,))
points = centres[labels] + 0.7 * torch.randn(80, 6)


class Unit(nn.Module):
    def forward(self, w):
        return w / w.norm(dim=1, keepdim=True).clamp_min(1e-12)


encoder = nn.Sequential(
    parametrizations.weight_norm(nn.Linear(6, 16)),
    nn.PReLU(),
    parametrizations.spectral_norm(nn.Linear(16, 8)),
    nn.ELU(),
    nn.Linear(8, 2),
)
parametrize.register_parametrization(encoder[4], "weight", Unit())
print(encoder)
print([name for name, _ in encoder.named_parameters()])


def triplets(n=32):
    anchor = torch.randint(0, 80, (n,))
    same = labels[anchor][:, None] == labels[None, :]
    same[torch.arange(n), anchor] = False
    return anchor, same.float().multinomial(1).squeeze(1), (labels[anchor][:, None] != labels).float().multinomial(1)[:, 0]


opt = torch.optim.NAdam(encoder.parameters(), lr=1e-2)
loss_fn = nn.TripletMarginLoss(margin=1.0, swap=True)
for step in range(31):
    a, p, n = triplets()
    za, zp, zn = encoder(points[a]), encoder(points[p]), encoder(points[n])
    gap = F.pairwise_distance(za, zn)
    loss = loss_fn(za, zp, zn) + 0.1 * F.relu(1.0 - gap).pow(2).mean()
    loss = loss + 0.1 * F.cosine_embedding_loss(za, zp, torch.ones(len(a)))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 10 == 0:
        print(f"{step} {loss.item():.4f}")
print(encoder[4].weight.norm(dim=1))
parametrize.remove_parametrizations(encoder[4], "weight")
print(encoder[4], type(encoder[4].weight).__name__ == "Parameter")

encoder.eval()
with torch.no_grad():
    z = encoder(points)
means = z[torch.stack([(labels == c).nonzero()[0, 0] for c in range(4)])].clone()
for _ in range(5):
    near = torch.cdist(z, means).argmin(dim=1)
    sums = torch.zeros_like(means).index_add_(0, near, z)
    count = torch.bincount(near, minlength=4)
    means = sums / count.clamp(min=1).unsqueeze(1)
print(count.sum(), f"{(near == labels).float().mean():.2f}", f"{torch.cdist(z, means).min(1).values.mean():.3f}")
clusters, sizes = torch.unique(near, return_counts=True)
print(clusters, torch.equal(sizes, count[count > 0]))
