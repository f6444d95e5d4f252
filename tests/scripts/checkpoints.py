"""Train, save, load, resume and fine-tune: the recipes for checkpoints, with their errors."""

import os
import tempfile
from collections import OrderedDict

import torch
import torch.nn as nn
import torch.nn.functional as F


class TheModelClass(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 6, 5)
        self.pool = nn.MaxPool2d(2, 2)
        self.fc1 = nn.Linear(6 * 6 * 6, 20)
        self.bn = nn.BatchNorm1d(20)
        self.fc2 = nn.Linear(20, 10)

    def forward(self, x):
        x = self.pool(F.relu(self.conv1(x)))
        x = torch.flatten(x, 1)
        return self.fc2(F.relu(self.bn(self.fc1(x))))


torch.manual_seed(0)
model = TheModelClass()
optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)
scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=12)
x, y = torch.randn(32, 3, 16, 16), torch.randint(10, (32,))


def train(model, optimizer, scheduler, steps):
    model.train()
    for _ in range(steps):
        loss = F.cross_entropy(model(x), y)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        scheduler.step()
    return loss


print("Model's state_dict:")
for param_tensor in model.state_dict():
    print(param_tensor, "\t", model.state_dict()[param_tensor].size())
loss = train(model, optimizer, scheduler, 5)
folder = tempfile.mkdtemp()
PATH = os.path.join(folder, "model.pt")
torch.save({"epoch": 5, "model_state_dict": model.state_dict(), "optimizer_state_dict": optimizer.state_dict(),
            "scheduler": scheduler.state_dict(), "loss": loss.detach()}, PATH)
straight = train(model, optimizer, scheduler, 5)

again = TheModelClass()
optimizer2 = torch.optim.SGD(again.parameters(), lr=0.01, momentum=0.9, nesterov=True)
scheduler2 = torch.optim.lr_scheduler.OneCycleLR(optimizer2, max_lr=0.1, total_steps=12)
checkpoint = torch.load(PATH, weights_only=True)
print(again.load_state_dict(checkpoint["model_state_dict"]))
optimizer2.load_state_dict(checkpoint["optimizer_state_dict"])
scheduler2.load_state_dict(checkpoint["scheduler"])
print(checkpoint["epoch"], checkpoint["loss"])
resumed = train(again, optimizer2, scheduler2, 5)
print(torch.equal(straight, resumed), straight.item(), scheduler2.get_last_lr())

state = OrderedDict((k.replace("fc2", "head"), v) for k, v in model.state_dict().items())
print(model.load_state_dict(state, strict=False))
try:
    model.load_state_dict(state)
except RuntimeError as error:
    print(*str(error).splitlines()[1:], sep="\n")
try:
    nn.Linear(3, 4).load_state_dict({"weight": torch.ones(5, 3), "bias": torch.ones(4)})
except RuntimeError as error:
    print(*str(error).splitlines()[1:], sep="\n")
for name, p in model.named_parameters():
    p.requires_grad = name.startswith("fc2")
print([n for n, p in model.named_parameters() if p.requires_grad])
model.fc2 = nn.Linear(20, 3)
head = torch.optim.AdamW([{"params": model.fc2.parameters()}, {"params": model.bn.parameters(), "lr": 1e-4}], lr=1e-2)
print(head)
logits = model.eval()(x)
loss = F.cross_entropy(logits, y % 3)
loss.backward()
head.step()
print(loss, model.conv1.weight.grad is None, model.fc2.weight.grad.abs().sum())
os.remove(PATH)
os.rmdir(folder)
