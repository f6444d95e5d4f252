"""A line through noisy points: nn.Linear, MSELoss, SGD."""

import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.linspace(-1, 1, 64).unsqueeze(1)
y = 3 * x - 0.5 + 0.1 * torch.randn(x.size())

model = nn.Linear(1, 1)
criterion = nn.MSELoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
for epoch in range(60):
    optimizer.zero_grad()
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
    if epoch % 20 == 0:
        print(f"epoch {epoch}: loss {loss.item():.5f}")
w, b = model.weight.item(), model.bias.item()
print(f"w = {w:.4f}, b = {b:.4f}")
print(model)
print(list(model.state_dict()))
