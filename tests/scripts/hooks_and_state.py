"""Hooks of modules and tensors, state dicts, containers and their prints."""

import torch
import torch.nn as nn
import torch.nn.functional as F
from collections import OrderedDict, defaultdict
from functools import partial

torch.manual_seed(3)
net = nn.Sequential(
    OrderedDict(
        [
            ("conv", nn.Conv2d(1, 4, 3, padding=1)),
            ("bn", nn.BatchNorm2d(4)),
            ("act", nn.ReLU(inplace=True)),
            ("pool", nn.AdaptiveAvgPool2d(1)),
            ("flat", nn.Flatten()),
            ("fc", nn.Linear(4, 3)),
        ]
    )
)
print(net)
acts = {}


def get_activation(name):
    def hook(model, input, output):
        acts[name] = output.detach()

    return hook


handles = [m.register_forward_hook(get_activation(n)) for n, m in net.named_modules() if n]
grads = defaultdict(list)


def bh(name, module, gin, gout):
    grads[name].append(
        (tuple(None if g is None else tuple(g.shape) for g in gin), tuple(tuple(g.shape) for g in gout))
    )


net.act.inplace = False
bhs = [m.register_full_backward_hook(partial(bh, n)) for n, m in net.named_modules() if n]
x = torch.randn(2, 1, 6, 6)
out = net(x)
F.cross_entropy(out, torch.tensor([0, 2])).backward()
for k, v in acts.items():
    print(k, tuple(v.shape), f"{v.float().mean():.4f}")
for k, v in grads.items():
    print(k, v)
for h in handles + bhs:
    h.remove()
print(len(net.conv._forward_hooks), len(net.conv._backward_hooks))
pre = net.fc.register_forward_pre_hook(lambda m, args: (args[0] * 2,))
print(net(x)[0])
pre.remove()
kw = net.register_forward_pre_hook(lambda m, args, kwargs: (args, kwargs), with_kwargs=True)
net(x)
kw.remove()
h = net.fc.register_forward_hook(lambda m, i, o: o + 100)
print(net(x)[0])
h.remove()
bpre = net.fc.register_full_backward_pre_hook(lambda m, g: (g[0] * 10,))
net.zero_grad()
net(x).sum().backward()
print(net.fc.bias.grad, net.conv.bias.grad.abs().sum() < 1e-3)
bpre.remove()
# tensor hooks
t = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
u = t * 2
u.retain_grad()
hh = u.register_hook(lambda g: g * 0.5)
u.register_hook(print)
u.sum().backward()
print(t.grad, u.grad)
hh.remove()
t.register_post_accumulate_grad_hook(lambda p: print("acc", p.grad))
(t * t).sum().backward()


# state dict hooks
class M(nn.Module):
    def __init__(self):
        super().__init__()
        self.lin = nn.Linear(2, 2)
        self.register_buffer("steps", torch.zeros(1, dtype=torch.long))
        self.register_buffer("tmp", torch.ones(2), persistent=False)
        self.register_parameter("none", None)

    def forward(self, x):
        self.steps += 1
        return self.lin(x) * self.tmp

    def get_extra_state(self):
        return {"k": 1}

    def set_extra_state(self, s):
        print("extra", s)


m = M()
print(m.state_dict().keys())
print(m.load_state_dict(m.state_dict()))
sd = m.state_dict()
sd.pop("lin.bias")
sd["foo"] = torch.ones(1)
sd["lin.weight"] = torch.ones(3, 3)
try:
    m.load_state_dict(sd)
except RuntimeError:
    print("RuntimeError")
del sd["lin.weight"]
print(m.load_state_dict(sd, strict=False))
m.register_load_state_dict_post_hook(lambda mod, inc: inc.missing_keys.clear())
print(m.load_state_dict(sd, strict=False).missing_keys)
print(
    [n for n, _ in m.named_buffers()],
    [n for n, _ in m.named_parameters()],
    dict(m.named_children()),
    [type(k).__name__ for k in m.modules()],
)
try:
    m.nothing
except AttributeError:
    print("AttributeError")
try:
    m.register_buffer("lin", torch.ones(1))
except KeyError:
    print("KeyError")
try:
    m.lin = 3
except TypeError:
    print("TypeError")


def init(mod):
    if isinstance(mod, nn.Linear):
        nn.init.constant_(mod.weight, 0.1)
        mod.bias.data.fill_(0.01)


print(m.apply(init))
print(m.lin.weight, m.lin.bias)
print(m.get_parameter("lin.weight").shape, m.get_submodule("lin"), m.get_buffer("steps"))
print(
    m.training,
    m.eval().training,
    m.train(),
    m.requires_grad_(False).lin.weight.requires_grad,
    m.double().lin.weight.dtype,
    m.to("cpu", torch.float32).tmp.dtype,
)
from torch.nn.modules.module import register_module_forward_hook

g = register_module_forward_hook(lambda mod, i, o: print("global", type(mod).__name__))
m(torch.ones(1, 2))
g.remove()
try:
    net(torch.ones(2))
except RuntimeError:
    print("RuntimeError")
print(
    nn.Module.__call__ is not None, m._get_name(), m.extra_repr() == "", len(net), net[0], net[-1], net[1:3]
)
net.add_module("extra", nn.Identity())
net.append(nn.Tanh())
del net[0]
print(net)
md = nn.ModuleDict({"a": nn.Linear(1, 2), "b": nn.ReLU()})
md["c"] = nn.Dropout(0.2)
print(md, list(md.keys()), "a" in md, md.pop("b"))
ml = nn.ModuleList([nn.Linear(i, i + 1) for i in range(1, 4)])
ml.extend([nn.ReLU()])
ml.insert(0, nn.Softmax(dim=-1))
print(ml)
pl = nn.ParameterList([nn.Parameter(torch.zeros(2)), torch.ones(1, 2)])
print(pl)
pd = nn.ParameterDict({"w": nn.Parameter(torch.zeros(2, 3)), "b": nn.Parameter(torch.zeros(3))})
print(pd, sorted(pd.keys()))
