"""How results lie in memory, which draws follow: dropout and *_like on what was transposed."""

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(0)
a = torch.arange(24.0).view(2, 3, 4).transpose(1, 2)  # as a convolution's channels, put last
c = torch.ones(2, 4, 3)
w = torch.ones(3)
for name, value in [
    ("a + c", a + c), ("c + a", c + a), ("a + w", a + w), ("w + a", w + a), ("a * 2", a * 2),
    ("relu", F.relu(a)), ("where", torch.where(a > 5, a, c)), ("mask", a > c), ("a ** 2", a**2),
    ("one first", a[:1] + c), ("middle", c[:, :1] + a), ("square", (a / a.norm()).square()),
    ("lerp", torch.lerp(a, c, 0.5)), ("clamp", a.clamp(1, 5)), ("heads", a.unsqueeze(1) + w),
]:  # fmt: skip
    print(name, tuple(value.shape), value.stride(), value.is_contiguous())
print(F.dropout(a + c, 0.5)[0])
print(F.dropout(a * 1.0, 0.5)[1])
print(torch.rand_like(a + w)[0], torch.randn_like(a / 2)[0, 0])
print(torch.bernoulli(torch.sigmoid(a - 12))[0])
try:
    print((a + c).view(2, -1).shape)
except RuntimeError:
    print("a view of what is not row-major: RuntimeError")
print((a + c).reshape(2, -1)[0, :5], (a + c).contiguous().view(2, -1)[1, :5])

# A vision transformer's beginning: patches by convolution, flattened, transposed, dropped.
patches = nn.Conv2d(3, 8, kernel_size=4, stride=4)
position = nn.Parameter(torch.zeros(1, 16, 8))
tokens = patches(torch.randn(2, 3, 16, 16)).flatten(2).transpose(1, 2) + position
tokens = F.dropout(tokens, 0.1)
print(tokens[0, :3], tokens.sum())
layer = nn.TransformerEncoderLayer(8, 2, 16, dropout=0.2, batch_first=True)
head = nn.Linear(8, 2)
optimizer = torch.optim.SGD([position, *layer.parameters(), *head.parameters()], lr=0.1)
x = torch.randn(4, 8, 16)
for step in range(4):
    out = layer(F.dropout(x.transpose(1, 2) + position, 0.3)).mean(1)
    loss = F.cross_entropy(head(out), torch.tensor([0, 1, 0, 1]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, "%.4f" % loss.item(), "%.4f" % position.grad.abs().sum().item())
