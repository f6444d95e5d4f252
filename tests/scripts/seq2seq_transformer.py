"""A transformer that learns to reverse sequences: masks, padding, label smoothing, Noam's steps."""

import math

import torch
import torch.nn as nn
from torch import Tensor
from torch.nn import Transformer
from torch.nn.utils.rnn import pad_sequence

PAD_IDX, BOS_IDX, EOS_IDX, VOCAB = 0, 1, 2, 12


class PositionalEncoding(nn.Module):
    def __init__(self, emb_size: int, dropout: float, maxlen: int = 50):
        super(PositionalEncoding, self).__init__()
        den = torch.exp(-torch.arange(0, emb_size, 2) * math.log(10000) / emb_size)
        pos = torch.arange(0, maxlen).reshape(maxlen, 1)
        pos_embedding = torch.zeros((maxlen, emb_size))
        pos_embedding[:, 0::2] = torch.sin(pos * den)
        pos_embedding[:, 1::2] = torch.cos(pos * den)
        self.dropout = nn.Dropout(dropout)
        self.register_buffer("pos_embedding", pos_embedding.unsqueeze(-2))

    def forward(self, token_embedding: Tensor):
        return self.dropout(token_embedding + self.pos_embedding[: token_embedding.size(0), :])


class Seq2SeqTransformer(nn.Module):
    def __init__(self, layers, emb_size, nhead, vocab, dim_feedforward=32, dropout=0.1):
        super().__init__()
        self.transformer = Transformer(d_model=emb_size, nhead=nhead, num_encoder_layers=layers,
                                       num_decoder_layers=layers, dim_feedforward=dim_feedforward, dropout=dropout)
        self.generator = nn.Linear(emb_size, vocab)
        self.tok_emb = nn.Embedding(vocab, emb_size, padding_idx=PAD_IDX)
        self.positional_encoding = PositionalEncoding(emb_size, dropout=dropout)
        self.emb_size = emb_size

    def embed(self, tokens):
        return self.positional_encoding(self.tok_emb(tokens.long()) * math.sqrt(self.emb_size))

    def forward(self, src, trg, src_mask, tgt_mask, src_pad, tgt_pad, mem_pad):
        outs = self.transformer(self.embed(src), self.embed(trg), src_mask, tgt_mask, None, src_pad, tgt_pad, mem_pad)
        return self.generator(outs)

    def encode(self, src, src_mask):
        return self.transformer.encoder(self.embed(src), src_mask)

    def decode(self, tgt, memory, tgt_mask):
        return self.transformer.decoder(self.embed(tgt), memory, tgt_mask)


def generate_square_subsequent_mask(sz):
    mask = (torch.triu(torch.ones((sz, sz))) == 1).transpose(0, 1)
    return mask.float().masked_fill(mask == 0, float("-inf")).masked_fill(mask == 1, float(0.0))


def create_mask(src, tgt):
    n, m = src.shape[0], tgt.shape[0]
    src_mask = torch.zeros((n, n)).type(torch.bool)
    return src_mask, generate_square_subsequent_mask(m), (src == PAD_IDX).transpose(0, 1), (tgt == PAD_IDX).transpose(0, 1)


def batch(n):
    lines = [torch.randint(3, VOCAB, (int(torch.randint(2, 6, ())),)) for _ in range(n)]
    wrap = lambda t: torch.cat((torch.tensor([BOS_IDX]), t, torch.tensor([EOS_IDX])))
    return (pad_sequence([wrap(t) for t in lines], padding_value=PAD_IDX),
            pad_sequence([wrap(t.flip(0)) for t in lines], padding_value=PAD_IDX))


torch.manual_seed(0)
model = Seq2SeqTransformer(1, 16, 2, VOCAB)
for p in model.parameters():
    if p.dim() > 1:
        nn.init.xavier_uniform_(p)
loss_fn = nn.CrossEntropyLoss(ignore_index=PAD_IDX, label_smoothing=0.1)
optimizer = torch.optim.Adam(model.parameters(), lr=1.0, betas=(0.9, 0.98), eps=1e-9)
scheduler = torch.optim.lr_scheduler.LambdaLR(
    optimizer, lambda step: 16**-0.5 * min((step + 1) ** -0.5, (step + 1) * 20**-1.5))
model.train()
losses = 0
for step in range(1, 31):
    src, tgt = batch(8)
    tgt_input, tgt_out = tgt[:-1, :], tgt[1:, :]
    masks = create_mask(src, tgt_input)
    logits = model(src, tgt_input, masks[0], masks[1], masks[2], masks[3], masks[2])
    optimizer.zero_grad()
    loss = loss_fn(logits.reshape(-1, logits.shape[-1]), tgt_out.reshape(-1))
    loss.backward()
    optimizer.step()
    scheduler.step()
    losses += loss.item()
    if step % 10 == 0:
        print(f"step {step}: train loss {losses / 10:.3f}, lr {scheduler.get_last_lr()[0]:.4f}")
        losses = 0
model.eval()
src = torch.tensor([[BOS_IDX, 5, 7, 9, EOS_IDX]]).T
with torch.no_grad():
    memory = model.encode(src, torch.zeros(5, 5).type(torch.bool))
    ys = torch.ones(1, 1).fill_(BOS_IDX).type(torch.long)
    for i in range(4):
        mask = generate_square_subsequent_mask(ys.size(0)).type(torch.bool)
        out = model.decode(ys, memory, mask).transpose(0, 1)
        _, next_word = torch.max(model.generator(out[:, -1]), dim=1)
        ys = torch.cat([ys, torch.ones(1, 1).type_as(src.data).fill_(next_word.item())], dim=0)
print(ys.flatten(), memory.shape, type(logits.grad_fn).__name__)
