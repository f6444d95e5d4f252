"""A siamese network on pairs of patterns: shared weights, contrastive and triplet losses."""

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.optim.lr_scheduler import StepLR
from torch.utils.data import DataLoader, Dataset


class Pairs(Dataset):
    def __init__(self, n, seed):
        g = torch.Generator().manual_seed(seed)
        self.prototypes = torch.randn(5, 1, 12, 12, generator=torch.Generator().manual_seed(0))
        self.labels = torch.randint(0, 5, (n,), generator=g)
        self.images = self.prototypes[self.labels] + 0.6 * torch.randn(n, 1, 12, 12, generator=g)
        self.groups = {k: torch.nonzero(self.labels == k).flatten().tolist() for k in range(5)}
        self.partner = torch.randint(0, n, (n,), generator=g)

    def __len__(self):
        return len(self.images)

    def __getitem__(self, index):
        label = self.labels[index].item()
        if index % 2:
            other = self.groups[label][index % len(self.groups[label])]
        else:
            other = self.partner[index].item()
        same = float(self.labels[other] == label)
        return self.images[index], self.images[other], torch.tensor(same, dtype=torch.float)


class SiameseNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(inplace=True), nn.MaxPool2d(2),
            nn.Conv2d(8, 8, 3, padding=1), nn.InstanceNorm2d(8), nn.ReLU(inplace=True), nn.AdaptiveAvgPool2d(3),
        )
        self.fc = nn.Sequential(nn.Linear(2 * 72, 32), nn.ReLU(inplace=True), nn.Linear(32, 1))
        self.sigmoid = nn.Sigmoid()
        self.features.apply(self.init_weights)
        self.fc.apply(self.init_weights)

    def init_weights(self, m):
        if isinstance(m, nn.Linear):
            nn.init.xavier_uniform_(m.weight)
            m.bias.data.fill_(0.01)

    def forward_once(self, x):
        return self.features(x).view(x.size(0), -1)

    def forward(self, a, b):
        a, b = self.forward_once(a), self.forward_once(b)
        return self.sigmoid(self.fc(torch.cat((a, b), 1))), F.pairwise_distance(a, b)


torch.manual_seed(1)
model = SiameseNetwork()
print(model)
optimizer = optim.Adadelta(model.parameters(), lr=1.0)
scheduler = StepLR(optimizer, step_size=1, gamma=0.7)
criterion = nn.BCELoss()
train = DataLoader(Pairs(96, 1), batch_size=16, shuffle=True)
test = DataLoader(Pairs(32, 2), batch_size=16)
for epoch in range(1, 5):
    model.train()
    for batch_idx, (a, b, targets) in enumerate(train):
        optimizer.zero_grad()
        outputs, distance = model(a, b)
        contrastive = (targets * distance.pow(2) + (1 - targets) * F.relu(2.0 - distance).pow(2)).mean()
        loss = criterion(outputs.squeeze(), targets) + 0.1 * contrastive
        loss.backward()
        optimizer.step()
    model.eval()
    test_loss, correct = 0, 0
    with torch.no_grad():
        for a, b, targets in test:
            outputs = model(a, b)[0].squeeze()
            test_loss += criterion(outputs, targets).sum().item()
            pred = torch.where(outputs > 0.5, 1, 0)
            correct += pred.eq(targets.view_as(pred)).sum().item()
    scheduler.step()
    print("Epoch {} loss {:.4f} test {:.4f} accuracy {}/{} lr {}".format(
        epoch, loss.item(), test_loss / 2, correct, 32, round(scheduler.get_last_lr()[0], 4)))
anchor, positive, negative = (model.forward_once(torch.randn(4, 1, 12, 12)) for _ in range(3))
triplet = nn.TripletMarginLoss(margin=1.0)(anchor, positive, negative)
print(triplet, F.cosine_similarity(anchor, positive))
