"""Parametrized weights, initialisation, clipping, fusion and pruning."""

import torch
import torch.nn as nn
import torch.nn.utils.parametrize as P
from torch.nn.utils import (
    parametrizations as Z,
    weight_norm,
    remove_weight_norm,
    spectral_norm,
    remove_spectral_norm,
    parameters_to_vector,
    vector_to_parameters,
    clip_grad_norm_,
    clip_grad_value_,
    fuse_conv_bn_eval,
    skip_init,
)

torch.manual_seed(1)


class Symmetric(nn.Module):
    def forward(self, X):
        return X.triu() + X.triu(1).transpose(-1, -2)

    def right_inverse(self, A):
        return A.triu()


class MatrixExponential(nn.Module):
    def forward(self, X):
        return torch.matrix_exp(X)


class Skew(nn.Module):
    def forward(self, X):
        A = X.triu(1)
        return A - A.transpose(-1, -2)


layer = nn.Linear(3, 3)
P.register_parametrization(layer, "weight", Symmetric())
print(layer)
print(
    torch.allclose(layer.weight, layer.weight.T),
    P.is_parametrized(layer, "weight"),
    P.is_parametrized(layer, "bias"),
)
print(layer.parametrizations.weight, [n for n, _ in layer.named_parameters()], list(layer.state_dict()))
A = torch.rand(3, 3)
A = A + A.T
layer.weight = A
print(torch.allclose(layer.weight, A))
P.remove_parametrizations(layer, "weight", leave_parametrized=True)
print(layer, layer.weight)
o = nn.Linear(3, 3)
P.register_parametrization(o, "weight", Skew())
P.register_parametrization(o, "weight", MatrixExponential())
X = o.weight
print(torch.dist(X.T @ X, torch.eye(3)) < 1e-5, torch.linalg.det(X))
print(o.parametrizations.weight)
with P.cached():
    print(o.weight is o.weight)
print(o.weight is o.weight, P.type_before_parametrizations(o) is nn.Linear)
on = Z.orthogonal(nn.Linear(4, 3))
print(on)
print((on.weight @ on.weight.T - torch.eye(3)).abs().max() < 1e-5, on.weight)
sn = Z.spectral_norm(nn.Linear(5, 4), n_power_iterations=2)
print(sn, torch.linalg.matrix_norm(sn.weight, 2))
sn(torch.ones(1, 5))
print(sn.parametrizations.weight[0]._u.shape, list(sn.state_dict()))
wn = Z.weight_norm(nn.Conv1d(2, 3, 2))
print(wn, wn.parametrizations.weight.original0.flatten(), wn(torch.ones(1, 2, 4)))
old = weight_norm(nn.Linear(4, 2), name="weight")
print(old, old.weight_g, sorted(dict(old.named_parameters())))
remove_weight_norm(old)
print(list(old.state_dict()))
olds = spectral_norm(nn.Linear(4, 2))
print(olds(torch.ones(1, 4)), sorted(olds.state_dict()))
remove_spectral_norm(olds)
v = parameters_to_vector(layer.parameters())
print(v.shape)
vector_to_parameters(torch.zeros_like(v), layer.parameters())
print(layer.bias)
conv, bn = nn.Conv2d(2, 3, 3).eval(), nn.BatchNorm2d(3).eval()
bn.running_mean.uniform_()
bn.running_var.uniform_(0.5, 2)
f = fuse_conv_bn_eval(conv, bn)
i = torch.randn(1, 2, 5, 5)
print(torch.allclose(f(i), bn(conv(i)), atol=1e-5), f)
net = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 1))
(net(torch.ones(2, 4)) * 100).sum().backward()
print(
    clip_grad_norm_(net.parameters(), 1.0),
    clip_grad_norm_(net.parameters(), max_norm=0.5, norm_type="inf"),
    torch.nn.utils.get_total_norm([p.grad for p in net.parameters()]),
)
clip_grad_value_(net.parameters(), 0.01)
print(net[2].weight.grad)
print(skip_init(nn.Linear, 2, 3).weight.shape)
for fn, args in [
    ("uniform_", (0, 1)),
    ("normal_", (0, 0.02)),
    ("constant_", (0.3,)),
    ("ones_", ()),
    ("zeros_", ()),
    ("eye_", ()),
    ("xavier_uniform_", ()),
    ("xavier_normal_", (2.0,)),
    ("kaiming_uniform_", ()),
    ("kaiming_normal_", ()),
    ("orthogonal_", ()),
    ("trunc_normal_", ()),
    ("sparse_", (0.5,)),
]:
    w = torch.empty(3, 4)
    print(fn, getattr(nn.init, fn)(w, *args).flatten()[:4])
print(
    nn.init.dirac_(torch.empty(2, 2, 3)),
    nn.init.calculate_gain("leaky_relu", 0.2),
    nn.init.calculate_gain("tanh"),
    nn.init.kaiming_normal_(torch.empty(2, 2), mode="fan_out", nonlinearity="relu"),
)
import torch.nn.utils.prune as prune

m = nn.Linear(4, 3)
prune.random_unstructured(m, name="weight", amount=0.3)
print(list(m.named_buffers()), m.weight)
prune.l1_unstructured(m, "bias", amount=1)
print(m.bias)
prune.remove(m, "weight")
print(prune.is_pruned(m), sorted(m.state_dict()))
prune.ln_structured(m, "weight", amount=0.33, n=2, dim=0)
print(m.weight)
prune.global_unstructured(
    [(net[0], "weight"), (net[2], "weight")], pruning_method=prune.L1Unstructured, amount=0.5
)
print(sum((l.weight == 0).sum() for l in (net[0], net[2])))
