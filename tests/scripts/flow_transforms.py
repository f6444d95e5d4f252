"""A normalizing flow from transforms: affine coupling layers as Transforms of a distribution."""
import torch
import torch.nn as nn
from torch import distributions as dist
from torch.distributions import constraints
from torch.distributions.transforms import ComposeTransform, SigmoidTransform, AffineTransform, Transform


class Coupling(Transform):
    domain = constraints.real_vector
    codomain = constraints.real_vector
    bijective = True

    def __init__(self, net, flip, cache_size=0):
        super().__init__(cache_size=cache_size)
        self.net, self.flip = net, flip

    def _parts(self, x):
        a, b = x.chunk(2, dim=-1)
        return (b, a) if self.flip else (a, b)

    def _join(self, a, b):
        return torch.cat((b, a) if self.flip else (a, b), dim=-1)

    def _scale_shift(self, a):
        s, t = self.net(a).chunk(2, dim=-1)
        return torch.tanh(s), t

    def _call(self, x):
        a, b = self._parts(x)
        s, t = self._scale_shift(a)
        return self._join(a, b * s.exp() + t)

    def _inverse(self, y):
        a, b = self._parts(y)
        s, t = self._scale_shift(a)
        return self._join(a, (b - t) * (-s).exp())

    def log_abs_det_jacobian(self, x, y):
        s, _ = self._scale_shift(self._parts(x)[0])
        return s.sum(-1)


torch.manual_seed(3)
noise = torch.randn(512, 2)
data = torch.stack([noise[:, 0], noise[:, 0] ** 2 + 0.3 * noise[:, 1]], -1)

nets = nn.ModuleList(
    nn.Sequential(nn.Linear(1, 24), nn.ReLU(), nn.Linear(24, 2)) for _ in range(4)
)
base = dist.MultivariateNormal(torch.zeros(2), torch.eye(2))
flow = dist.TransformedDistribution(base, [Coupling(n, k % 2 == 1) for k, n in enumerate(nets)])
print(flow.batch_shape, flow.event_shape, flow.has_rsample)
optimizer = torch.optim.Adam(nets.parameters(), lr=5e-3)
for step in range(41):
    loss = -flow.log_prob(data).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 20 == 0:
        print(f"step {step:3d} nll {loss.item():.4f}")
with torch.no_grad():
    x = flow.sample((1000,))
    print("mean", x.mean(0), "std", x.std(0))
    x = flow.rsample((3,))
    print(flow.log_prob(x))

# the logistic distribution, and one on an interval
logistic = dist.TransformedDistribution(
    dist.Uniform(torch.zeros(2), torch.ones(2)),
    [SigmoidTransform().inv, AffineTransform(loc=torch.tensor([0.0, 2.0]), scale=torch.tensor([1.0, 0.5]))],
)
print(logistic.sample((2,)), logistic.log_prob(torch.tensor([0.5, 1.5])))
to_interval = dist.transform_to(constraints.interval(-2.0, 3.0))
z = torch.tensor([-1.0, 0.0, 4.0], requires_grad=True)
y = to_interval(z)
y.sum().backward()
print(y, z.grad, to_interval)
sorted_ = ComposeTransform([dist.ExpTransform(), dist.AffineTransform(1.0, 2.0)])
print(sorted_(torch.zeros(2)), sorted_.inv(torch.tensor([3.0, 5.0])))
print(dist.StickBreakingTransform()(torch.tensor([0.3, -0.2, 1.0])))
