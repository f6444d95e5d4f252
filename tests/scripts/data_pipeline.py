"""Datasets, samplers, collate functions, packed sequences, splits and streams."""

import torch
import math
import random
import numpy as np
from torch.utils.data import *
from torch.utils.data import (
    Dataset,
    DataLoader,
    IterableDataset,
    TensorDataset,
    ConcatDataset,
    ChainDataset,
    Subset,
    random_split,
    WeightedRandomSampler,
    SubsetRandomSampler,
    BatchSampler,
    SequentialSampler,
    RandomSampler,
    Sampler,
    default_collate,
    get_worker_info,
    StackDataset,
)
from torch.nn.utils.rnn import (
    pad_sequence,
    pack_padded_sequence,
    pad_packed_sequence,
    pack_sequence,
    unpad_sequence,
    PackedSequence,
    unpack_sequence,
)

torch.manual_seed(0)


class Toy(Dataset):
    def __init__(self, n, transform=None):
        self.n, self.transform = n, transform

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        s = {
            "x": torch.full((2,), float(i)),
            "y": i % 3,
            "name": f"item{i}",
            "z": np.float64(i) / 2,
            "pair": (i, float(i)),
            "arr": np.arange(2) + i,
        }
        return self.transform(s) if self.transform else s


ds = Toy(7)
for b in DataLoader(ds, batch_size=3, shuffle=True, drop_last=True):
    print(b)
print(len(DataLoader(ds, 3)), len(DataLoader(ds, 3, drop_last=True)))
a, b = random_split(ds, [5, 2])
print(a.indices, list(b.indices), len(a), type(a).__name__)
a, b, c = random_split(range(10), [0.5, 0.3, 0.2], generator=torch.Generator().manual_seed(42))
print(list(a), list(b), list(c))
try:
    random_split(range(10), [5, 4])
except ValueError:
    print("ValueError")
w = [0.1, 0.1, 0.8]
s = WeightedRandomSampler(w, 10, replacement=True)
print(list(s), len(s))
print(
    list(
        WeightedRandomSampler(torch.ones(5), 5, replacement=False, generator=torch.Generator().manual_seed(1))
    )
)
print(
    list(SubsetRandomSampler([3, 5, 7])),
    list(BatchSampler(SequentialSampler(range(7)), 3, False)),
    list(RandomSampler(range(4), replacement=True, num_samples=6)),
    list(BatchSampler(RandomSampler(range(5)), batch_size=2, drop_last=True)),
)


class Stream(IterableDataset):
    def __init__(self, a, b):
        self.a, self.b = a, b

    def __iter__(self):
        info = get_worker_info()
        print("info", info)
        return iter(range(self.a, self.b))


print(list(DataLoader(Stream(0, 7), batch_size=3)))
print(list(DataLoader(ChainDataset([Stream(0, 2), Stream(5, 7)]), batch_size=None)))


class Buckets(Sampler):
    def __init__(self, lengths, bs):
        self.order = sorted(range(len(lengths)), key=lambda i: lengths[i])
        self.bs = bs

    def __iter__(self):
        for i in torch.randperm(len(self)).tolist():
            yield self.order[i * self.bs : (i + 1) * self.bs]

    def __len__(self):
        return math.ceil(len(self.order) / self.bs)


seqs = [torch.arange(n) + 1 for n in (5, 2, 3, 1, 4)]


def collate(batch):
    lens = torch.tensor([len(s) for s in batch])
    return pad_sequence(batch, batch_first=True, padding_value=0), lens


for xs, lens in DataLoader(seqs, batch_sampler=Buckets([len(s) for s in seqs], 2), collate_fn=collate):
    print(xs, lens)
p = pack_padded_sequence(pad_sequence(seqs), torch.tensor([5, 2, 3, 1, 4]), enforce_sorted=False)
print(p)
print(p.data, p.batch_sizes, p.sorted_indices, p.unsorted_indices)
print(pad_packed_sequence(p, batch_first=True, total_length=6))
print(pack_sequence(sorted(seqs, key=len, reverse=True)))
print(
    unpad_sequence(pad_sequence(seqs), torch.tensor([5, 2, 3, 1, 4]))[1],
    [u.tolist() for u in unpack_sequence(p)],
)
print(pad_sequence([torch.ones(1, 2), torch.ones(3, 2)], padding_side="left").shape)
print(
    default_collate([1, 2]),
    default_collate([1.5, 2.5]),
    default_collate(["a", "b"]),
    default_collate([(1, 2), (3, 4)]),
    default_collate([[1, 2], [3, 4]]),
    default_collate([{"a": 1}, {"a": 2}]),
    default_collate([np.array([1.0]), np.array([2.0])]),
    default_collate([True, False]),
)
try:
    default_collate([object()])
except TypeError:
    print("TypeError")
try:
    default_collate([torch.ones(2), torch.ones(3)])
except RuntimeError:
    print("RuntimeError")
cd = ConcatDataset([TensorDataset(torch.arange(3)), TensorDataset(torch.arange(4) + 10)])
print(len(cd), cd[4], cd.cumulative_sizes, cd[-1])
td = TensorDataset(torch.arange(6).view(3, 2), torch.tensor([0, 1, 0]))
print(td[0], td[1:], len(td), td.tensors[0].shape)
print([b for b in DataLoader(td, batch_size=2)])
print(StackDataset(a=range(3), b=range(3, 6))[1], Subset(td, [2])[0])
try:
    TensorDataset(torch.ones(2), torch.ones(3))
except AssertionError:
    print("AssertionError")


def seed_worker(worker_id):
    np.random.seed(torch.initial_seed() % 2**32)
    random.seed(0)


g = torch.Generator()
g.manual_seed(0)
dl = DataLoader(
    td,
    batch_size=2,
    shuffle=True,
    num_workers=0,
    worker_init_fn=seed_worker,
    generator=g,
    pin_memory=False,
    persistent_workers=False,
)
for _ in range(2):
    print([x[1].tolist() for x in dl])
print(
    next(iter(dl))[0].shape,
    dl.batch_size,
    dl.dataset is td,
    type(dl.sampler).__name__,
    type(dl.batch_sampler).__name__,
    dl.drop_last,
    dl.num_workers,
)
for i, (x, y) in enumerate(dl, 1):
    print(i, x.shape, y)
try:
    DataLoader(td, batch_size=0)
except ValueError:
    print("ValueError")
try:
    DataLoader(td, shuffle=True, sampler=SequentialSampler(td))
except ValueError:
    print("ValueError")
it = iter(DataLoader(range(3), batch_size=1))
print(next(it), next(it), next(it))
try:
    next(it)
except StopIteration:
    print("stop")
