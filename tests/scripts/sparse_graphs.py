"""Sparse tensors as graph nets, recommenders and word vectors use them."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(3)


def ring_with_chords(nodes: int, chords: int) -> torch.Tensor:
    """The edges of an undirected graph, each in both directions, loops included."""
    ring = torch.stack([torch.arange(nodes), (torch.arange(nodes) + 1) % nodes])
    chord = torch.randint(0, nodes, (2, chords))
    loops = torch.arange(nodes).repeat(2, 1)
    edges = torch.cat([ring, ring.flip(0), chord, chord.flip(0), loops], dim=1)
    return torch.unique(edges, dim=1)


edges = ring_with_chords(40, 25)
adjacency = torch.sparse_coo_tensor(edges, torch.ones(edges.shape[1]), (40, 40)).coalesce()
print(adjacency.is_sparse, adjacency.layout, adjacency._nnz(), tuple(adjacency.shape))

# Symmetric normalisation, D^-1/2 A D^-1/2.
degree = torch.sparse.sum(adjacency, dim=1).to_dense()
row, col = adjacency.indices()
weight = adjacency.values() / (degree[row] * degree[col]).sqrt()
normalised = torch.sparse.FloatTensor(adjacency.indices(), weight, torch.Size([40, 40]))
print(f"{torch.sparse.sum(normalised).item():.4f}")


class GraphConvolution(nn.Module):
    def __init__(self, n_in: int, n_out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(n_in, n_out))
        self.bias = nn.Parameter(torch.zeros(n_out))
        bound = 1.0 / math.sqrt(n_out)
        self.weight.data.uniform_(-bound, bound)

    def forward(self, x: torch.Tensor, adj: torch.Tensor) -> torch.Tensor:
        return torch.spmm(adj, torch.mm(x, self.weight)) + self.bias


class GCN(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = GraphConvolution(6, 12)
        self.second = GraphConvolution(12, 3)
        self.register_buffer("adj", normalised)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = F.dropout(F.relu(self.first(x, self.adj)), 0.3, self.training)
        return F.log_softmax(self.second(x, self.adj), dim=1)


features = torch.randn(40, 6)
labels = torch.arange(40) * 3 // 40
net = GCN()
optimizer = optim.Adam(net.parameters(), lr=0.02, weight_decay=5e-4)
for epoch in range(30):
    net.train()
    optimizer.zero_grad()
    loss = F.nll_loss(net(features)[::2], labels[::2])
    loss.backward()
    optimizer.step()
    if epoch % 10 == 9:
        print(f"epoch {epoch + 1}: {loss.item():.4f}")
net.eval()
print(f"accuracy {(net(features).argmax(1) == labels).float().mean().item():.3f}")
print([(name, tuple(t.shape), t.is_sparse) for name, t in net.state_dict().items()])

# Attention over edges: weights of a sparse matrix that are learned.
score = torch.zeros(edges.shape[1], requires_grad=True)
learner = optim.SGD([score], lr=1.0)
target = torch.roll(features, 1, 0)
for _ in range(20):
    attention = torch.sparse.softmax(torch.sparse_coo_tensor(edges, score, (40, 40)), dim=1)
    error = (torch.sparse.mm(attention, features) - target).pow(2).mean()
    learner.zero_grad()
    error.backward()
    learner.step()
print(f"attention {error.item():.4f} {score.grad.abs().sum().item():.5f}")

# Light graph convolution of users and items: powers of one sparse matrix.
embedding = nn.Embedding(40, 8)
nn.init.normal_(embedding.weight, std=0.1)
recommender = optim.Adam(embedding.parameters(), lr=0.01)
for _ in range(15):
    layers = [embedding.weight]
    for _ in range(2):
        layers.append(torch.sparse.mm(normalised, layers[-1]))
    final = torch.stack(layers, 1).mean(1)
    users, liked, other = (torch.randint(0, 40, (32,)) for _ in range(3))
    gain = (final[users] * (final[liked] - final[other])).sum(1)
    bpr = -F.logsigmoid(gain).mean() + 1e-3 * embedding.weight.pow(2).sum()
    recommender.zero_grad()
    bpr.backward()
    recommender.step()
print(f"bpr {bpr.item():.4f}")

# Skip-gram with negative samples: only the rows that were looked up change.
centre = nn.Embedding(50, 8, sparse=True)
context = nn.Embedding(50, 8, sparse=True)
nn.init.uniform_(centre.weight, -0.5 / 8, 0.5 / 8)
nn.init.zeros_(context.weight)
sparse_adam = optim.SparseAdam([*centre.parameters(), *context.parameters()], lr=0.05)
for _ in range(40):
    c = torch.randint(0, 50, (16,))
    near, far = (c + 1) % 50, torch.randint(0, 50, (16, 4))
    v = centre(c)
    positive = F.logsigmoid((v * context(near)).sum(1))
    negative = F.logsigmoid(-torch.bmm(context(far), v.unsqueeze(2)).squeeze(2)).sum(1)
    nce = -(positive + negative).mean()
    sparse_adam.zero_grad()
    nce.backward()
    sparse_adam.step()
print(f"skip-gram {nce.item():.4f} {centre.weight.detach().norm().item():.3f}")
print(context.weight.grad.layout, context.weight.grad.coalesce().shape)
try:
    optim.Adam(centre.parameters()).step()
except RuntimeError as error:
    print(type(error).__name__)

small = torch.tensor([[0.0, 2.0, 0.0], [1.5, 0.0, -1.0]])
print(small.to_sparse())
print(small.to_sparse_csr())
print(small.to_sparse() * 2 + small.to_sparse())
print((small.to_sparse() @ small.t()).tolist())
