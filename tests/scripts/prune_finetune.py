"""The pruning tutorial: prune, look at masks and buffers, iterate, finetune, make permanent."""
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import prune

torch.manual_seed(0)


class LeNet(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(1, 4, 3)
        self.conv2 = nn.Conv2d(4, 8, 3)
        self.fc1 = nn.Linear(8 * 2 * 2, 24)
        self.fc2 = nn.Linear(24, 3)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.conv1(x)), (2, 2))
        x = F.relu(self.conv2(x))
        x = x.view(-1, int(x.nelement() / x.shape[0]))
        return self.fc2(F.relu(self.fc1(x)))


def sparsity(module):
    return 100.0 * float(torch.sum(module.weight == 0)) / float(module.weight.nelement())


model = LeNet()
images = torch.randn(96, 1, 10, 10)
targets = (images.mean((1, 2, 3)) * 60).round().clamp(-1, 1).long() + 1


def train(steps):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    for _ in range(steps):
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), targets)
        loss.backward()
        optimizer.step()
    return loss.item()


print(f"dense loss {train(15):.4f}")
module = model.conv1
prune.random_unstructured(module, name="weight", amount=0.3)
print([n for n, _ in module.named_parameters()], [n for n, _ in module.named_buffers()])
print(len(module._forward_pre_hooks), module.weight.shape)
prune.l1_unstructured(module, name="bias", amount=2)
print(module.bias)
prune.ln_structured(module, name="weight", amount=0.5, n=2, dim=0)
for hook in module._forward_pre_hooks.values():
    method = getattr(hook, "run", hook)
    if method._tensor_name == "weight":
        print([type(m).__name__ for m in method])
print(list(model.state_dict().keys())[:6])
for name in ("weight", "bias"):
    prune.remove(module, name)
print(sorted(n for n, _ in module.named_parameters()), f"{sparsity(module):.1f}%")

parameters_to_prune = ((model.conv2, "weight"), (model.fc1, "weight"), (model.fc2, "weight"))
prune.global_unstructured(parameters_to_prune, pruning_method=prune.L1Unstructured, amount=0.6)
for m, _ in parameters_to_prune:
    print(f"{type(m).__name__}: {sparsity(m):.2f}%")
print(f"pruned loss {F.cross_entropy(model(images), targets).item():.4f}")
print(f"finetuned loss {train(15):.4f}")


class EveryThird(prune.BasePruningMethod):
    PRUNING_TYPE = "unstructured"

    def compute_mask(self, t, default_mask):
        mask = default_mask.clone()
        mask.view(-1)[::3] = 0
        return mask


EveryThird.apply(model.fc2, "bias")
print(model.fc2.bias_mask, prune.is_pruned(model))
for m, n in parameters_to_prune:
    prune.remove(m, n)
print(f"{sum(int((p == 0).sum()) for p in model.parameters())} zeros of {sum(p.numel() for p in model.parameters())}")
