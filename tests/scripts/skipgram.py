"""Skip-gram with negative sampling; word analogies by cosine; a weighted sampler and a collate_fn."""

from collections import Counter

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.utils.data import DataLoader, Dataset, WeightedRandomSampler

torch.manual_seed(25)
text = ("the king rules the land and the queen rules the land while the man and the woman "
        "work the land for the king and the queen").split()
counts = Counter(text)
vocab = sorted(counts)
index = {word: i for i, word in enumerate(vocab)}
noise = torch.tensor([counts[w] for w in vocab], dtype=torch.float) ** 0.75


class Pairs(Dataset):
    def __init__(self, words, window=2):
        ids = [index[w] for w in words]
        self.pairs = [
            (ids[i], ids[j])
            for i in range(len(ids))
            for j in range(max(0, i - window), min(len(ids), i + window + 1))
            if i != j
        ]

    def __len__(self):
        return len(self.pairs)

    def __getitem__(self, i):
        return self.pairs[i]


def with_negatives(batch, k=4):
    centre, context = torch.tensor(batch).unbind(1)
    negative = torch.multinomial(noise, len(batch) * k, replacement=True).view(-1, k)
    return centre, context, negative


class SkipGram(nn.Module):
    def __init__(self, size=8):
        super().__init__()
        self.centre, self.context = nn.Embedding(len(vocab), size), nn.Embedding(len(vocab), size)
        nn.init.uniform_(self.centre.weight, -0.5 / size, 0.5 / size)
        nn.init.zeros_(self.context.weight)

    def forward(self, centre, context, negative):
        v, u, n = self.centre(centre), self.context(context), self.context(negative)
        right = F.logsigmoid((v * u).sum(1))
        wrong = F.logsigmoid(-torch.bmm(n, v.unsqueeze(2)).squeeze(2)).sum(1)
        return -(right + wrong).mean()


data = Pairs(text)
rare = [1 / counts[vocab[c]] for c, _ in data.pairs]
sampler = WeightedRandomSampler(rare, num_samples=64, replacement=True)
loader = DataLoader(data, batch_size=32, sampler=sampler, collate_fn=with_negatives)
model = SkipGram()
opt = torch.optim.Adagrad(model.parameters(), lr=0.3)
print(len(vocab), len(data), len(loader), model)
for epoch in range(6):
    total = 0.0
    for batch in loader:
        opt.zero_grad()
        loss = model(*batch)
        loss.backward()
        opt.step()
        total += loss.item()
    print(f"epoch {epoch}: {total / len(loader):.4f}")
with torch.no_grad():
    e = F.normalize(model.centre.weight, dim=1)
    near = e @ e.T
    near.fill_diagonal_(-float("inf"))
    score, which = near.max(dim=1)
    print(score[:3], which.shape)
frozen = nn.Embedding.from_pretrained(e, freeze=True)
print(frozen, frozen.weight.requires_grad, frozen(torch.tensor([[0, 1]])).shape)
bag = nn.EmbeddingBag.from_pretrained(e, mode="mean")
print(bag(torch.tensor([0, 1, 2, 3]), torch.tensor([0, 2])).sum(1) - e[:4].view(2, 2, -1).mean(1).sum(1))
