"""A small convolutional net with batch norm, pooling, dropout and a scheduler."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, TensorDataset

torch.manual_seed(3)
n = 96
labels = torch.arange(n) % 3
images = 0.3 * torch.randn(n, 1, 12, 12)
for i, c in enumerate(labels.tolist()):
    if c == 0:
        images[i, 0, 5:7, :] += 1
    elif c == 1:
        images[i, 0, :, 5:7] += 1
    else:
        images[i, 0, range(12), range(12)] += 2


class CNN(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 6, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(6)
        self.conv2 = nn.Conv2d(6, 8, kernel_size=3, stride=1)
        self.pool = nn.MaxPool2d(2, 2)
        self.drop = nn.Dropout2d(0.1)
        self.fc = nn.Linear(8 * 2 * 2, 3)

    def forward(self, x):
        x = self.pool(F.relu(self.bn1(self.conv1(x))))
        x = self.drop(self.pool(F.relu(self.conv2(x))))
        x = torch.flatten(x, 1)
        return F.log_softmax(self.fc(x), dim=1)


model = CNN()
loader = DataLoader(TensorDataset(images, labels), batch_size=16, shuffle=True)
optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
for epoch in range(5):
    model.train()
    total = 0.0
    for x, y in loader:
        optimizer.zero_grad()
        loss = F.nll_loss(model(x), y)
        loss.backward()
        optimizer.step()
        total += loss.item() * x.size(0)
    scheduler.step()
    model.eval()
    with torch.no_grad():
        correct = model(images).argmax(dim=1, keepdim=True).eq(labels.view(-1, 1)).sum().item()
    print(f"epoch {epoch}: loss {total / n:.4f}, correct {correct}/{n}, lr {scheduler.get_last_lr()[0]:.4f}")
print("running mean", [round(v, 3) for v in model.bn1.running_mean.tolist()])
print(model.bn1.num_batches_tracked)
