"""DQN on a cart-pole written here: replay memory, a masked target, soft updates of the target."""

import math
import random
from collections import deque, namedtuple

import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim

torch.manual_seed(21)
random.seed(21)
Transition = namedtuple("Transition", ("state", "action", "next_state", "reward"))


class CartPole:
    def reset(self):
        self.s = [random.uniform(-0.05, 0.05) for _ in range(4)]
        return torch.tensor(self.s, dtype=torch.float32).unsqueeze(0)

    def step(self, action):
        x, v, a, w = self.s
        force = 10.0 if action == 1 else -10.0
        push = (force + 0.05 * w * w * math.sin(a)) / 1.1
        acc = (9.8 * math.sin(a) - math.cos(a) * push) / (0.5 * (4 / 3 - 0.1 * math.cos(a) ** 2 / 1.1))
        pull = push - 0.05 * acc * math.cos(a) / 1.1
        self.s = [x + 0.02 * v, v + 0.02 * pull, a + 0.02 * w, w + 0.02 * acc]
        done = abs(self.s[0]) > 2.4 or abs(self.s[2]) > 0.21
        return torch.tensor(self.s, dtype=torch.float32).unsqueeze(0), 1.0, done


class DQN(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer1, self.layer2 = nn.Linear(4, 32), nn.Linear(32, 2)

    def forward(self, x):
        return self.layer2(F.relu(self.layer1(x)))


env, memory = CartPole(), deque([], maxlen=500)
policy, target = DQN(), DQN()
print(target.load_state_dict(policy.state_dict()))
optimizer = optim.AdamW(policy.parameters(), lr=1e-3, amsgrad=True)
criterion = nn.SmoothL1Loss()


def select(state, eps):
    if random.random() > eps:
        with torch.no_grad():
            return policy(state).max(1).indices.view(1, 1)
    return torch.tensor([[random.randrange(2)]], dtype=torch.long)


def optimize():
    if len(memory) < 32:
        return None
    batch = Transition(*zip(*random.sample(memory, 32)))
    mask = torch.tensor(tuple(map(lambda s: s is not None, batch.next_state)), dtype=torch.bool)
    following = torch.cat([s for s in batch.next_state if s is not None])
    values = policy(torch.cat(batch.state)).gather(1, torch.cat(batch.action))
    best = torch.zeros(32)
    with torch.no_grad():
        best[mask] = target(following).max(1).values
    loss = criterion(values, (best * 0.99 + torch.cat(batch.reward)).unsqueeze(1))
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(policy.parameters(), 100)
    optimizer.step()
    return loss.item()


for episode in range(8):
    state, loss = env.reset(), None
    for t in range(40):
        action = select(state, eps=0.9 * math.exp(-episode / 4))
        after, reward, done = env.step(action.item())
        memory.append(Transition(state, action, None if done else after, torch.tensor([reward])))
        state = after
        loss = optimize()
        weights = target.state_dict()
        for key, value in policy.state_dict().items():
            weights[key] = value * 0.05 + weights[key] * 0.95
        target.load_state_dict(weights)
        if done:
            break
    print(episode, t + 1, loss)
print(memory[-1].state, memory[-1].action, memory[-1].reward)
