"""A forecasting transformer: convolutional embeddings, transposed, under dropout in training."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F


class TokenEmbedding(nn.Module):
    def __init__(self, c_in, d_model):
        super().__init__()
        padding = 1 if torch.__version__ >= "1.5.0" else 2
        self.tokenConv = nn.Conv1d(
            c_in, d_model, kernel_size=3, padding=padding, padding_mode="circular", bias=False
        )
        for m in self.modules():
            if isinstance(m, nn.Conv1d):
                nn.init.kaiming_normal_(m.weight, mode="fan_in", nonlinearity="leaky_relu")

    def forward(self, x):
        return self.tokenConv(x.permute(0, 2, 1)).transpose(1, 2)


class PositionalEmbedding(nn.Module):
    def __init__(self, d_model, max_len=50):
        super().__init__()
        pe = torch.zeros(max_len, d_model).float()
        pe.requires_grad = False
        position = torch.arange(0, max_len).float().unsqueeze(1)
        div_term = (torch.arange(0, d_model, 2).float() * -(math.log(10000.0) / d_model)).exp()
        pe[:, 0::2] = torch.sin(position * div_term)
        pe[:, 1::2] = torch.cos(position * div_term)
        self.register_buffer("pe", pe.unsqueeze(0))

    def forward(self, x):
        return self.pe[:, : x.size(1)]


class Embedding(nn.Module):
    def __init__(self, c_in, d_model, marks, dropout):
        super().__init__()
        self.value, self.position = TokenEmbedding(c_in, d_model), PositionalEmbedding(d_model)
        self.temporal = nn.Linear(marks, d_model, bias=False)
        self.dropout = nn.Dropout(p=dropout)

    def forward(self, x, x_mark):
        return self.dropout(self.value(x) + self.temporal(x_mark) + self.position(x))


class EncoderLayer(nn.Module):
    def __init__(self, d_model, heads, d_ff, dropout):
        super().__init__()
        self.attention = nn.MultiheadAttention(d_model, heads, batch_first=True)
        self.conv1 = nn.Conv1d(d_model, d_ff, kernel_size=1)
        self.conv2 = nn.Conv1d(d_ff, d_model, kernel_size=1)
        self.norm1, self.norm2 = nn.LayerNorm(d_model), nn.LayerNorm(d_model)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x):
        x = self.norm1(x + self.dropout(self.attention(x, x, x, need_weights=False)[0]))
        y = self.dropout(F.gelu(self.conv1(x.transpose(-1, 1))))
        y = self.dropout(self.conv2(y).transpose(-1, 1))
        return self.norm2(x + y)


class Forecaster(nn.Module):
    def __init__(self, c=3, d_model=16, horizon=6):
        super().__init__()
        self.horizon = horizon
        self.embedding = Embedding(c, d_model, 4, 0.2)
        self.layers = nn.ModuleList([EncoderLayer(d_model, 2, 32, 0.2) for _ in range(2)])
        self.projection = nn.Linear(d_model, c)

    def forward(self, x, x_mark):
        means = x.mean(1, keepdim=True).detach()
        stdev = torch.sqrt(torch.var(x - means, dim=1, keepdim=True, unbiased=False) + 1e-5)
        y = self.embedding((x - means) / stdev, x_mark)
        for layer in self.layers:
            y = layer(y)
        return (self.projection(y) * stdev + means)[:, -self.horizon :, :]


torch.manual_seed(4)
t = torch.arange(60.0)
series = torch.stack([torch.sin(t / 3), torch.cos(t / 5), torch.sin(t / 7) + 0.01 * t], dim=-1)
marks = torch.stack([(t % k) / k - 0.5 for k in (24, 7, 12, 30)], dim=-1)
model = Forecaster()
optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
for step in range(6):
    starts = torch.randint(0, 30, (4,)).tolist()
    x, m = (torch.stack([s[i : i + 24] for i in starts]) for s in (series, marks))
    y = torch.stack([series[i + 24 : i + 30] for i in starts])
    loss = F.mse_loss(model(x, m), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(step, "%.4f" % loss.item())
model.eval()
print(model(series[None, :24], marks[None, :24])[0, -1].detach())
