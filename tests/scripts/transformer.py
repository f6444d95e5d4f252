"""nn.TransformerEncoder on a copy task, and scaled_dot_product_attention against its formula."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(25)


class PositionalEncoding(nn.Module):
    def __init__(self, d_model, max_len=20):
        super().__init__()
        position = torch.arange(max_len).unsqueeze(1)
        div_term = torch.exp(torch.arange(0, d_model, 2) * (-math.log(10000.0) / d_model))
        pe = torch.zeros(1, max_len, d_model)
        pe[0, :, 0::2] = torch.sin(position * div_term)
        pe[0, :, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe)

    def forward(self, x):
        return x + self.pe[:, : x.size(1)]


class Model(nn.Module):
    def __init__(self, vocab=8, d=16):
        super().__init__()
        self.emb, self.pos = nn.Embedding(vocab, d), PositionalEncoding(d)
        layer = nn.TransformerEncoderLayer(d, nhead=2, dim_feedforward=32, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, num_layers=2)
        self.out = nn.Linear(d, vocab)

    def forward(self, x, mask=None):
        return self.out(self.encoder(self.pos(self.emb(x)), mask=mask))


model = Model()
opt = torch.optim.Adam(model.parameters(), lr=5e-3)
mask = nn.Transformer.generate_square_subsequent_mask(6)
for step in range(15):
    x = torch.randint(0, 8, (16, 6))
    y = torch.roll(x, 1, dims=1)
    logits = model(x, mask)
    loss = F.cross_entropy(logits[:, 1:].reshape(-1, 8), y[:, 1:].reshape(-1))
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 5 == 0:
        print(f"{step} {loss.item():.4f}")
q, k, v = torch.randn(3, 2, 4, 5, 8).unbind(0)
a = F.scaled_dot_product_attention(q, k, v, is_causal=True)
bias = torch.full((5, 5), float("-inf")).triu(1)
b = ((q @ k.transpose(-2, -1)) / math.sqrt(8) + bias).softmax(-1) @ v
print(torch.allclose(a, b, atol=1e-6), a.shape)
mha = nn.MultiheadAttention(8, 2, batch_first=True)
out, w = mha(q[:, 0], k[:, 0], v[:, 0])
print(out.shape, w.shape, w.sum(-1).mean().item())
print(torch.einsum("bij,bjk->bik", a[0], a[0].transpose(1, 2)).shape)
