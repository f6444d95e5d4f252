"""Tensors of one's own classes: a log, units that must agree, a matrix kept as its diagonal."""

import torch
from torch.overrides import has_torch_function, is_tensor_like

torch.manual_seed(0)


class Logged(torch.Tensor):
    """A tensor that remembers by name what was done with it."""

    log: list = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.log.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


x = torch.randn(3, 2).as_subclass(Logged)
w = torch.randn(2, 2, requires_grad=True)
loss = torch.tanh(x @ w + 1).mean()
print(type(loss).__name__, Logged.log)
loss.backward()
print(type(w.grad).__name__, w.grad)
results = [x[0], torch.cat([x, x]), x.max(dim=0).values]
print(x.T, [type(r).__name__ for r in results])


class Metres(torch.Tensor):
    pass


class Seconds(torch.Tensor):
    pass


way = torch.tensor([100.0, 42195.0]).as_subclass(Metres)
time = torch.tensor([9.58, 7235.0]).as_subclass(Seconds)
print(way + way, 2 * time, way.sum())
try:
    print(way + time)
except TypeError as error:
    print(type(error).__name__)
with torch._C.DisableTorchFunctionSubclass():
    print(way / time, type(way / time).__name__)


HANDLED = {}


def implements(function):
    def register(own):
        HANDLED[function] = own
        return own

    return register


class Diagonal:
    """n numbers for an n x n matrix; operations that it does not know are refused."""

    def __init__(self, values):
        self.values = values

    def __repr__(self):
        return f"Diagonal({self.values.tolist()})"

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func not in HANDLED:
            return NotImplemented
        return HANDLED[func](*args, **(kwargs or {}))


@implements(torch.matmul)
def matmul(a, b):
    if isinstance(a, Diagonal) and isinstance(b, Diagonal):
        return Diagonal(a.values * b.values)
    return a.values[:, None] * b if isinstance(a, Diagonal) else a * b.values


@implements(torch.logdet)
def logdet(d):
    return d.values.log().sum()


@implements(torch.linalg.inv)
def inverse(d):
    return Diagonal(1 / d.values)


@implements(torch.stack)
def stack(parts, dim=0):
    return torch.stack([torch.diag(p.values) if isinstance(p, Diagonal) else p for p in parts], dim)


d = Diagonal(torch.tensor([1.0, 2.0, 4.0]))
m = torch.arange(9.0).reshape(3, 3)
print(torch.matmul(d, m), torch.matmul(m, d), torch.matmul(d, d))
print(torch.logdet(d), torch.linalg.inv(d), torch.stack([d, m]).shape)
print(has_torch_function((d, m)), has_torch_function((m,)), is_tensor_like(d), is_tensor_like(3))
try:
    torch.exp(d)
except TypeError as error:
    print(type(error).__name__)
