"""Meta-learning by cloned modules whose weights are results, as libraries for it clone them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


def clone_module(module):
    clone = type(module).__new__(type(module))
    clone.__dict__ = module.__dict__.copy()
    clone._parameters = clone._parameters.copy()
    clone._buffers = clone._buffers.copy()
    clone._modules = clone._modules.copy()
    for name, parameter in module._parameters.items():
        if parameter is not None:
            clone._parameters[name] = parameter.clone()
    for name, buffer in module._buffers.items():
        if buffer is not None:
            clone._buffers[name] = buffer.clone()
    for name, child in module._modules.items():
        clone._modules[name] = clone_module(child)
    return clone


def update_module(module, gradients, lr):
    for name, parameter in module._parameters.items():
        if parameter is not None:
            module._parameters[name] = parameter - lr * next(gradients)
    for child in module._modules.values():
        update_module(child, gradients, lr)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(1, 16)
        self.norm = nn.BatchNorm1d(16)
        self.out = nn.Linear(16, 1)
        self.scale = nn.Parameter(torch.ones(1))

    def forward(self, x):
        return self.scale * self.out(torch.tanh(self.norm(self.hidden(x))))


torch.manual_seed(0)
torch.set_default_dtype(torch.float64)
net = Net()
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(5):
    total = 0.0
    for task in range(3):
        amplitude, phase = torch.rand(2).tolist()
        x = torch.rand(10, 1) * 4 - 2
        y = (1 + amplitude) * torch.sin(x + phase)
        fast = clone_module(net)
        for _ in range(2):
            loss = F.mse_loss(fast(x[:5]), y[:5])
            gradients = torch.autograd.grad(loss, list(fast.parameters()), create_graph=True)
            update_module(fast, iter(gradients), 0.1)
        total = total + F.mse_loss(fast(x[5:]), y[5:])
    optimizer.zero_grad()
    total.backward()
    optimizer.step()
    print(step, "%.4f" % total.item(), "%.4f" % net.hidden.weight.grad.abs().sum().item())
print([name for name, _ in fast.named_parameters()], list(fast.state_dict()))
print(net.norm.num_batches_tracked, fast.norm.num_batches_tracked, type(net.scale).__name__)
