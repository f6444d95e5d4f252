"""A table's net: embeddings for categories, batch-normed numbers, focal loss, mixup, one-cycle, SWA."""

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.optim.swa_utils import SWALR, AveragedModel, update_bn
from torch.utils.data import DataLoader, Dataset, random_split

torch.manual_seed(28)
rng = np.random.default_rng(28)
table = {"city": rng.integers(0, 5, 160), "job": rng.integers(0, 3, 160), "age": rng.normal(40, 9, 160)}
table["pay"] = 1000 * table["job"] + 20 * table["age"] + rng.normal(0, 50, 160)
rich = (table["pay"] > np.median(table["pay"])).astype(np.int64) + (table["city"] == 2)


class Table(Dataset):
    def __init__(self):
        self.kinds = torch.from_numpy(np.stack([table["city"], table["job"]], axis=1))
        numbers = torch.as_tensor(np.stack([table["age"], table["pay"]], 1), dtype=torch.float32)
        self.numbers = (numbers - numbers.mean(0)) / numbers.std(0)
        self.target = torch.from_numpy(rich)

    def __len__(self):
        return len(self.target)

    def __getitem__(self, i):
        return {"kinds": self.kinds[i], "numbers": self.numbers[i]}, self.target[i]


class Net(nn.Module):
    def __init__(self, sizes=((5, 3), (3, 2))):
        super().__init__()
        self.embeds = nn.ModuleList([nn.Embedding(n, d) for n, d in sizes])
        self.bn = nn.BatchNorm1d(2)
        self.layers = nn.Sequential(nn.Linear(7, 16), nn.GELU(), nn.LayerNorm(16), nn.Dropout(0.1), nn.Linear(16, 3))

    def forward(self, batch):
        kinds = [e(batch["kinds"][:, i]) for i, e in enumerate(self.embeds)]
        return self.layers(torch.cat([*kinds, self.bn(batch["numbers"])], dim=1))


def focal(logits, target, gamma=2.0):
    ce = F.cross_entropy(logits, target, reduction="none", label_smoothing=0.05)
    return ((1 - torch.exp(-ce)) ** gamma * ce).mean()


train, test = random_split(Table(), [0.8, 0.2], generator=torch.Generator().manual_seed(1))
loader = DataLoader(train, batch_size=32, shuffle=True, drop_last=True)
print(len(train), len(test), test.indices[:6])
net = Net()
print(net)
opt = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, nesterov=True)
once = torch.optim.lr_scheduler.OneCycleLR(opt, max_lr=0.2, epochs=4, steps_per_epoch=len(loader))
swa = AveragedModel(net)
for epoch in range(6):
    net.train()
    if epoch == 4:
        slow = SWALR(opt, swa_lr=0.05, anneal_epochs=2)
    for batch, target in loader:
        opt.zero_grad()
        loss = focal(net(batch), target)
        loss.backward()
        opt.step()
        if epoch < 4:
            once.step()
    if epoch >= 4:
        swa.update_parameters(net)
        slow.step()
    print(f"{epoch} {loss.item():.4f} {opt.param_groups[0]['lr']:.5f}")
update_bn((b for b, _ in DataLoader(train, batch_size=64)), swa)
swa.eval()
confusion = torch.zeros(3, 3, dtype=torch.int64)
with torch.no_grad():
    for batch, target in DataLoader(test, batch_size=16):
        guess = swa(batch).argmax(1)
        for t, p in zip(target, guess):
            confusion[t, p] += 1
print(confusion.sum(), swa.n_averaged, swa.module.bn.running_mean)
print(f"{net.embeds[0].weight.std():.4f}", net.bn.num_batches_tracked)
