"""A BiLSTM-CRF tagger: the forward algorithm by logsumexp, Viterbi by max and gather."""

import torch
import torch.nn as nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(22)
START, STOP, PAD = 3, 4, 0
sentences = [torch.randint(1, 20, (n,)) for n in (7, 5, 5, 3, 2)]
tags = [(s % 3).long() for s in sentences]


class BiLSTMCRF(nn.Module):
    def __init__(self, vocab=20, size=8, hidden=12, n_tags=5):
        super().__init__()
        self.embed = nn.Embedding(vocab, size, padding_idx=PAD)
        self.lstm = nn.LSTM(size, hidden // 2, bidirectional=True, batch_first=True)
        self.hidden2tag = nn.Linear(hidden, n_tags)
        self.transitions = nn.Parameter(torch.randn(n_tags, n_tags))
        self.transitions.data[START, :] = -10000
        self.transitions.data[:, STOP] = -10000

    def features(self, batch, lengths):
        packed = pack_padded_sequence(self.embed(batch), lengths, batch_first=True)
        out, _ = pad_packed_sequence(self.lstm(packed)[0], batch_first=True)
        return self.hidden2tag(out)

    def partition(self, feats):
        alpha = torch.full((5,), -10000.0)
        alpha[START] = 0.0
        for feat in feats:
            alpha = torch.logsumexp(alpha[None, :] + self.transitions + feat[:, None], dim=1)
        return torch.logsumexp(alpha + self.transitions[STOP], dim=0)

    def score(self, feats, tags):
        path = torch.cat([torch.tensor([START]), tags])
        steps = self.transitions[path[1:], path[:-1]] + feats[range(len(tags)), tags]
        return steps.sum() + self.transitions[STOP, path[-1]]

    def viterbi(self, feats):
        best, back = torch.full((5,), -10000.0), []
        best[START] = 0.0
        for feat in feats:
            best, where = (best[None, :] + self.transitions).max(dim=1)
            best = best + feat
            back.append(where)
        last = (best + self.transitions[STOP]).argmax().item()
        path = [last]
        for where in reversed(back):
            path.append(where[path[-1]].item())
        return path[-2::-1]


model = BiLSTMCRF()
print(model)
opt = torch.optim.SGD(model.parameters(), lr=0.05, weight_decay=1e-4)
batch = pad_sequence(sentences, batch_first=True, padding_value=PAD)
lengths = torch.tensor([len(s) for s in sentences])
print(batch)
for epoch in range(12):
    model.zero_grad()
    feats = model.features(batch, lengths)
    loss = sum(model.partition(f[:n]) - model.score(f[:n], t) for f, n, t in zip(feats, lengths, tags))
    loss.backward()
    opt.step()
    if epoch % 4 == 0:
        print(f"epoch {epoch}: {loss.item():.3f}, {model.transitions.grad[:3, :3].norm():.3f}")
print("padding's gradient", model.embed.weight.grad[PAD])
with torch.no_grad():
    feats = model.features(batch, lengths)
    for f, n, t in zip(feats, lengths, tags):
        print(model.viterbi(f[:n]), t.tolist())
