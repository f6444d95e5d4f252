"""The shape of every MNIST tutorial: Dataset, DataLoader, train and test loops, a checkpoint."""

import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

torch.manual_seed(42)
device = "cuda" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
print(f"Using {device} device")


class Digits(Dataset):
    """Ten noisy prototypes."""

    def __init__(self, n, prototypes, generator=None, transform=None):
        self.labels = torch.randint(0, 10, (n,), generator=generator)
        self.images = prototypes[self.labels] + 0.5 * torch.randn(n, 1, 8, 8, generator=generator)
        self.transform = transform

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, idx):
        image = self.images[idx]
        if self.transform:
            image = self.transform(image)
        return image, self.labels[idx]


prototypes = torch.randn(10, 1, 8, 8)
g = torch.Generator()
g.manual_seed(0)
train = Digits(256, prototypes, g, transform=lambda t: (t - 0.1) / 1.2)
test = Digits(64, prototypes, g, transform=lambda t: (t - 0.1) / 1.2)
train_loader = DataLoader(train, batch_size=32, shuffle=True, num_workers=0)
test_loader = DataLoader(test, batch_size=64)
for X, y in test_loader:
    print(f"Shape of X [N, C, H, W]: {X.shape}")
    print(f"Shape of y: {y.shape} {y.dtype}")
    break


class NeuralNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.flatten = nn.Flatten()
        self.stack = nn.Sequential(
            nn.Linear(64, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 10)
        )

    def forward(self, x):
        return self.stack(self.flatten(x))


model = NeuralNetwork().to(device)
print(model)
loss_fn = nn.CrossEntropyLoss()
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)


def train_loop(dataloader):
    size = len(dataloader.dataset)
    model.train()
    for batch, (X, y) in enumerate(dataloader):
        X, y = X.to(device), y.to(device)
        pred = model(X)
        loss = loss_fn(pred, y)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        if batch % 4 == 0:
            loss, current = loss.item(), (batch + 1) * len(X)
            print(f"loss: {loss:>7f}  [{current:>5d}/{size:>5d}]")


def test_loop(dataloader):
    size, batches = len(dataloader.dataset), len(dataloader)
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for X, y in dataloader:
            pred = model(X.to(device))
            test_loss += loss_fn(pred, y).item()
            correct += (pred.argmax(1) == y).type(torch.float).sum().item()
    print(f"Test: accuracy {100 * correct / size:>0.1f}%, avg loss {test_loss / batches:>8f}")


for t in range(3):
    print(f"Epoch {t + 1}\n-----")
    train_loop(train_loader)
    test_loop(test_loader)

import os
import tempfile

path = os.path.join(tempfile.mkdtemp(), "model.pth")
torch.save(model.state_dict(), path)
model = NeuralNetwork().to(device)
print(model.load_state_dict(torch.load(path, weights_only=True)))
test_loop(test_loader)
