"""nn.LSTM on a sine wave, with a rolled forecast."""

import numpy as np
import torch
import torch.nn as nn

torch.manual_seed(5)
t = np.linspace(0, 8 * np.pi, 200)
series = torch.from_numpy(np.sin(t)).float()
window = 16
X = torch.stack([series[i : i + window] for i in range(len(series) - window)]).unsqueeze(-1)
Y = series[window:].unsqueeze(-1)


class Forecaster(nn.Module):
    def __init__(self, hidden=16, layers=2):
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, layers, batch_first=True)
        self.head = nn.Linear(hidden, 1)

    def forward(self, x):
        out, (h, c) = self.lstm(x)
        return self.head(out[:, -1, :])


model = Forecaster()
print({k: tuple(v.shape) for k, v in model.named_parameters()})
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(12):
    optimizer.zero_grad()
    loss = nn.functional.mse_loss(model(X), Y)
    loss.backward()
    optimizer.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch:2d} mse {loss.item():.5f}")
model.eval()
seq = X[-1:].clone()
preds = []
with torch.no_grad():
    for _ in range(5):
        p = model(seq)
        preds.append(p.item())
        seq = torch.cat([seq[:, 1:], p.unsqueeze(1)], dim=1)
print(np.round(preds, 3))
gru = nn.GRU(3, 4, bidirectional=True)
out, h = gru(torch.ones(5, 2, 3))
print(out.shape, h.shape, round(out.sum().item(), 4))
