"""A word language model: LSTM with tied weights, truncated backpropagation, annealed steps."""

import math

import torch
import torch.nn as nn
import torch.nn.functional as F

TEXT = """the cat sat on the mat and the dog sat on the log
a cat and a dog ran to the mat while the bird flew over the log
the bird sat on the cat and the cat ran over the dog""".split("\n")


class Corpus:
    def __init__(self, lines):
        self.word2idx, self.idx2word = {}, []
        ids = []
        for line in lines * 8:
            for word in line.split() + ["<eos>"]:
                if word not in self.word2idx:
                    self.idx2word.append(word)
                    self.word2idx[word] = len(self.idx2word) - 1
                ids.append(self.word2idx[word])
        self.train = torch.tensor(ids).type(torch.int64)


class RNNModel(nn.Module):
    def __init__(self, ntoken, ninp, nhid, nlayers, dropout=0.2, tie_weights=True):
        super(RNNModel, self).__init__()
        self.drop = nn.Dropout(dropout)
        self.encoder = nn.Embedding(ntoken, ninp)
        self.rnn = nn.LSTM(ninp, nhid, nlayers, dropout=dropout)
        self.decoder = nn.Linear(nhid, ntoken)
        if tie_weights:
            if nhid != ninp:
                raise ValueError("When using the tied flag, nhid must be equal to emsize")
            self.decoder.weight = self.encoder.weight
        self.init_weights()
        self.nhid, self.nlayers, self.ntoken = nhid, nlayers, ntoken

    def init_weights(self):
        initrange = 0.1
        nn.init.uniform_(self.encoder.weight, -initrange, initrange)
        nn.init.zeros_(self.decoder.bias)

    def forward(self, input, hidden):
        emb = self.drop(self.encoder(input))
        output, hidden = self.rnn(emb, hidden)
        decoded = self.decoder(self.drop(output)).view(-1, self.ntoken)
        return F.log_softmax(decoded, dim=1), hidden

    def init_hidden(self, bsz):
        weight = next(self.parameters())
        return (
            weight.new_zeros(self.nlayers, bsz, self.nhid),
            weight.new_zeros(self.nlayers, bsz, self.nhid),
        )


def repackage_hidden(h):
    if isinstance(h, torch.Tensor):
        return h.detach()
    return tuple(repackage_hidden(v) for v in h)


def batchify(data, bsz):
    nbatch = data.size(0) // bsz
    return data.narrow(0, 0, nbatch * bsz).view(bsz, -1).t().contiguous()


def get_batch(source, i, bptt=7):
    seq_len = min(bptt, len(source) - 1 - i)
    return source[i : i + seq_len], source[i + 1 : i + 1 + seq_len].view(-1)


torch.manual_seed(1111)
corpus = Corpus(TEXT)
ntokens = len(corpus.idx2word)
data = batchify(corpus.train, 4)
model = RNNModel(ntokens, 16, 16, 2)
print(model)
print("tied:", model.decoder.weight is model.encoder.weight, sum(p.numel() for p in model.parameters()))
criterion = nn.NLLLoss()
lr, best = 5.0, None
for epoch in range(1, 5):
    model.train()
    total, hidden = 0.0, model.init_hidden(4)
    for batch, i in enumerate(range(0, data.size(0) - 1, 7)):
        x, targets = get_batch(data, i)
        model.zero_grad()
        hidden = repackage_hidden(hidden)
        output, hidden = model(x, hidden)
        loss = criterion(output, targets)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 0.25)
        for p in model.parameters():
            p.data.add_(p.grad, alpha=-lr)
        total += loss.item()
    mean = total / (batch + 1)
    print("| epoch {:3d} | lr {:05.2f} | loss {:5.2f} | ppl {:8.2f}".format(epoch, lr, mean, math.exp(mean)))
    if best is None or mean < best:
        best = mean
    else:
        lr /= 4.0
model.eval()
with torch.no_grad():
    hidden, word = model.init_hidden(1), torch.zeros(1, 1, dtype=torch.long)
    words = []
    for _ in range(6):
        output, hidden = model(word, hidden)
        word.fill_(torch.multinomial(output.squeeze().div(0.5).exp().cpu(), 1)[0])
        words.append(corpus.idx2word[word])
    print(" ".join(words))
print(output.shape, output.exp().sum(-1), hidden[0].norm())
