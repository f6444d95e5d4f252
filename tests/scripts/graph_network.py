"""Graph networks without a library: GCN, GAT and message passing by scatter and index_add."""
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn import Parameter, init


def add_self_loops(edge_index, n):
    loops = torch.arange(n).unsqueeze(0).repeat(2, 1)
    return torch.cat([edge_index, loops], dim=1)


def degree(index, n):
    return torch.zeros(n).scatter_add_(0, index, torch.ones(index.size(0)))


def scatter_softmax(src, index, n):
    peak = torch.full((n, src.size(1)), float("-inf")).scatter_reduce(
        0, index.unsqueeze(-1).expand_as(src), src, reduce="amax", include_self=True
    )
    e = (src - peak.index_select(0, index)).exp()
    total = torch.zeros(n, src.size(1)).index_add_(0, index, e)
    return e / (total.index_select(0, index) + 1e-16)


class GCNConv(nn.Module):
    def __init__(self, i, o):
        super().__init__()
        self.lin = nn.Linear(i, o, bias=False)
        self.bias = Parameter(torch.empty(o))
        self.reset_parameters()

    def reset_parameters(self):
        self.lin.reset_parameters()
        init.zeros_(self.bias)

    def forward(self, x, edge_index):
        edge_index = add_self_loops(edge_index, x.size(0))
        row, col = edge_index
        d = degree(col, x.size(0)).pow(-0.5)
        d[d == float("inf")] = 0
        norm = d[row] * d[col]
        x = self.lin(x)
        return torch.zeros_like(x).index_add(0, col, norm.view(-1, 1) * x[row]) + self.bias


class GATConv(nn.Module):
    def __init__(self, i, o, heads):
        super().__init__()
        self.heads, self.o = heads, o
        self.lin = nn.Linear(i, heads * o, bias=False)
        self.att = Parameter(torch.empty(1, heads, 2 * o))
        init.xavier_uniform_(self.att)

    def forward(self, x, edge_index):
        row, col = edge_index
        h = self.lin(x).view(-1, self.heads, self.o)
        alpha = (torch.cat([h[row], h[col]], dim=-1) * self.att).sum(-1)
        alpha = scatter_softmax(F.leaky_relu(alpha, 0.2), col, x.size(0))
        out = torch.zeros(x.size(0), self.heads, self.o)
        out.index_add_(0, col, h[row] * alpha.unsqueeze(-1))
        return out.flatten(1)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = GCNConv(8, 16), GATConv(16, 4, heads=4)
        self.norm = nn.LayerNorm(16)
        self.out = nn.Linear(16, 3)

    def forward(self, x, edge_index):
        x = F.relu(self.conv1(x, edge_index))
        x = F.dropout(x, p=0.2, training=self.training)
        x = self.norm(F.elu(self.conv2(x, edge_index)) + x)
        return F.log_softmax(self.out(x), dim=1)


torch.manual_seed(12345)
n = 60
y = torch.arange(n) % 3
prob = torch.where(y[:, None] == y[None, :], 0.2, 0.03)
adjacency = torch.bernoulli(prob).triu(1)
adjacency = adjacency + adjacency.t()
edge_index = adjacency.nonzero().t().contiguous()
x = F.one_hot(y, 3).float() @ torch.randn(3, 8) + torch.randn(n, 8)
print(edge_index.shape, degree(edge_index[0], n)[:6])
train_mask = torch.zeros(n, dtype=torch.bool)
train_mask[torch.randperm(n)[:20]] = True
net = Net()
print(net)
optimizer = torch.optim.Adam(
    [{"params": net.conv1.parameters(), "weight_decay": 5e-3}, {"params": [*net.conv2.parameters(), *net.norm.parameters(), *net.out.parameters()]}],
    lr=0.02,
)
for epoch in range(1, 31):
    net.train()
    optimizer.zero_grad()
    out = net(x, edge_index)
    loss = F.nll_loss(out[train_mask], y[train_mask])
    loss.backward()
    optimizer.step()
    if epoch % 10 == 0:
        net.eval()
        with torch.no_grad():
            pred = net(x, edge_index).max(dim=1)[1]
        acc = [pred[m].eq(y[m]).sum().item() / m.sum().item() for m in (train_mask, ~train_mask)]
        print(f"epoch {epoch} loss {loss.item():.4f} train {acc[0]:.4f} test {acc[1]:.4f}")
batch = torch.arange(n) // 20
pooled = torch.zeros(3, 8).scatter_reduce(0, batch.unsqueeze(1).expand(-1, 8), x, "mean", include_self=False)
print(pooled[:, :3])
laplacian = torch.diag(adjacency.sum(1)) - adjacency
print(torch.linalg.eigvalsh(laplacian)[:4])
