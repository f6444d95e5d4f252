"""Soft actor-critic on a one-dimensional task: squashed Gaussian, twin critics, temperature."""
import copy
import random
from collections import deque

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import distributions as pyd
from torch.distributions.transforms import TanhTransform


class SquashedNormal(pyd.transformed_distribution.TransformedDistribution):
    def __init__(self, loc, scale):
        self.loc, self.scale = loc, scale
        self.base_dist = pyd.Normal(loc, scale)
        super().__init__(self.base_dist, [TanhTransform(cache_size=1)])

    @property
    def mean(self):
        mu = self.loc
        for tr in self.transforms:
            mu = tr(mu)
        return mu


def mlp(sizes, activation, output_activation=nn.Identity):
    layers = []
    for j in range(len(sizes) - 1):
        act = activation if j < len(sizes) - 2 else output_activation
        layers += [nn.Linear(sizes[j], sizes[j + 1]), act()]
    return nn.Sequential(*layers)


class Actor(nn.Module):
    def __init__(self, obs, act):
        super().__init__()
        self.trunk = mlp([obs, 32, 2 * act], nn.ReLU)

    def forward(self, obs):
        mu, log_std = self.trunk(obs).chunk(2, dim=-1)
        log_std = torch.tanh(log_std)
        log_std = -5 + 0.5 * (2 + 5) * (log_std + 1)
        return SquashedNormal(mu, log_std.exp())


class Critic(nn.Module):
    def __init__(self, obs, act):
        super().__init__()
        self.q1, self.q2 = mlp([obs + act, 32, 1], nn.ReLU), mlp([obs + act, 32, 1], nn.ReLU)

    def forward(self, obs, action):
        x = torch.cat([obs, action], dim=-1)
        return self.q1(x), self.q2(x)


torch.manual_seed(0)
np.random.seed(0)
random.seed(0)
actor, critic = Actor(2, 1), Critic(2, 1)
target = copy.deepcopy(critic).requires_grad_(False)
log_alpha = torch.tensor(np.log(0.1), dtype=torch.float32, requires_grad=True)
opts = [torch.optim.Adam(p, lr=3e-3) for p in (actor.parameters(), critic.parameters(), [log_alpha])]
buffer = deque(maxlen=500)


def env_step(s, a):
    x, v = s
    v = 0.8 * v + 0.3 * a
    x = x + v
    return np.array([x, v], dtype=np.float32), -float(x * x) - 0.1 * float(a * a)


state, total = np.array([1.0, 0.0], dtype=np.float32), 0.0
for step in range(1, 241):
    with torch.no_grad():
        action = actor(torch.as_tensor(state)).sample().clamp(-1, 1).numpy()
    nxt, reward = env_step(state, float(action[0]))
    done = step % 40 == 0
    buffer.append((state, action, reward, nxt, float(done)))
    total += reward
    state = np.random.uniform(-1, 1, 2).astype(np.float32) if done else nxt
    if len(buffer) >= 64:
        batch = random.sample(buffer, 32)
        s, a, r, s2, d = (torch.as_tensor(np.array(c), dtype=torch.float32) for c in zip(*batch))
        r, d = r.unsqueeze(1), d.unsqueeze(1)
        alpha = log_alpha.exp()
        with torch.no_grad():
            dist = actor(s2)
            a2 = dist.rsample()
            logp2 = dist.log_prob(a2).sum(-1, keepdim=True)
            q = torch.min(*target(s2, a2)) - alpha * logp2
            backup = r + 0.95 * (1 - d) * q
        q1, q2 = critic(s, a)
        critic_loss = F.mse_loss(q1, backup) + F.mse_loss(q2, backup)
        opts[1].zero_grad()
        critic_loss.backward()
        opts[1].step()
        dist = actor(s)
        new = dist.rsample()
        logp = dist.log_prob(new).sum(-1, keepdim=True)
        for p in critic.parameters():
            p.requires_grad = False
        actor_loss = (alpha.detach() * logp - torch.min(*critic(s, new))).mean()
        opts[0].zero_grad()
        actor_loss.backward()
        opts[0].step()
        for p in critic.parameters():
            p.requires_grad = True
        alpha_loss = -(log_alpha * (logp + 1.0).detach()).mean()
        opts[2].zero_grad()
        alpha_loss.backward()
        opts[2].step()
        with torch.no_grad():
            for p, tp in zip(critic.parameters(), target.parameters()):
                tp.data.mul_(0.99)
                tp.data.add_(0.01 * p.data)
    if step % 40 == 0:
        extra = "" if len(buffer) < 64 else f" critic {critic_loss.item():.4f} actor {actor_loss.item():.4f} alpha {alpha.item():.4f}"
        print(f"step {step} return {total:.3f}{extra}")
        total = 0.0
print(actor(torch.tensor([[1.0, 0.0]])).mean)
print(actor(torch.tensor([[1.0, 0.0]])))
