"""Three spirals: an MLP, Adam, CrossEntropyLoss, mini-batches by randperm."""

import math

import torch
from torch import nn, optim
import torch.nn.functional as F

torch.manual_seed(1)
n, classes = 60, 3
points, labels = [], []
for c in range(classes):
    r = torch.linspace(0.1, 1, n)
    angle = torch.linspace(c * 4, (c + 1) * 4, n) + torch.randn(n) * 0.15
    points.append(torch.stack([r * torch.sin(angle), r * torch.cos(angle)], dim=1))
    labels.append(torch.full((n,), c, dtype=torch.long))
X, y = torch.cat(points), torch.cat(labels)


class Net(nn.Module):
    def __init__(self, hidden=32):
        super().__init__()
        self.fc1 = nn.Linear(2, hidden)
        self.fc2 = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, classes)

    def forward(self, x):
        x = F.relu(self.fc1(x))
        x = torch.tanh(self.fc2(x))
        return self.out(x)


net = Net()
print(net)
print("parameters:", sum(p.numel() for p in net.parameters() if p.requires_grad))
opt = optim.Adam(net.parameters(), lr=1e-2, weight_decay=1e-4)
for epoch in range(40):
    perm = torch.randperm(len(X))
    for i in range(0, len(X), 30):
        idx = perm[i : i + 30]
        logits = net(X[idx])
        loss = F.cross_entropy(logits, y[idx])
        opt.zero_grad()
        loss.backward()
        opt.step()
    if epoch % 10 == 0:
        with torch.no_grad():
            acc = (net(X).argmax(dim=1) == y).float().mean()
        print("epoch %d loss %.4f acc %.3f" % (epoch, loss.item(), acc))
with torch.no_grad():
    probs = F.softmax(net(X), dim=1)
print("accuracy", (probs.argmax(1) == y).float().mean().item() > 0.9, math.isclose(probs.sum().item(), len(X), rel_tol=1e-4))
