"""A denoising autoencoder in modules within modules, with ModuleList and hooks."""

import torch
import torch.nn as nn

torch.manual_seed(8)


class Block(nn.Module):
    def __init__(self, i, o, act=nn.Tanh):
        super().__init__()
        self.lin, self.act = nn.Linear(i, o), act()
        self.register_buffer("calls", torch.zeros((), dtype=torch.int64))

    def forward(self, x):
        self.calls += 1
        return self.act(self.lin(x))


class AE(nn.Module):
    def __init__(self, sizes):
        super().__init__()
        self.encoder = nn.ModuleList(Block(a, b) for a, b in zip(sizes, sizes[1:]))
        back = sizes[::-1]
        self.decoder = nn.Sequential(*[Block(a, b, nn.GELU) for a, b in zip(back, back[1:])])

    def forward(self, x):
        for layer in self.encoder:
            x = layer(x)
        return self.decoder(x)


model = AE([10, 6, 3])
shapes = {}
handles = [
    m.register_forward_hook(lambda mod, inp, out, name=name: shapes.__setitem__(name, tuple(out.shape)))
    for name, m in model.named_modules()
    if isinstance(m, Block)
]
x = torch.randn(64, 3) @ torch.randn(3, 10)
opt = torch.optim.RMSprop(model.parameters(), lr=5e-3)
for step in range(60):
    noisy = x + 0.1 * torch.randn_like(x)
    loss = (model(noisy) - x).pow(2).mean()
    opt.zero_grad()
    loss.backward()
    opt.step()
    if step % 20 == 0:
        print(step, round(loss.item(), 4))
for h in handles:
    h.remove()
print(shapes)
print(sorted(model.state_dict().keys()))
print(model.encoder[0].calls, model.decoder[-1].calls.item())
