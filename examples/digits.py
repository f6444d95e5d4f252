"""Train a network on scikit-learn's handwritten digits: 1797 pictures of 8 x 8 pixels.

    python examples/digits.py [--epochs 30] [--seed 0] [--out examples/out]

A fifth of the pictures is held out. Each epoch prints its loss, the accuracies and its seconds; at
the end the loss curve is in `digits_loss.png` and the weights are in `digits.pt`, from where they
are loaded into a second network that has to predict the same.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from sklearn.datasets import load_digits
from tqdm import tqdm

import backprop_ext as torch
from backprop_ext import nn

BATCH = 32


def make_model():
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Dropout(0.3), nn.Linear(256, 10))


def load_data():
    """(train x, train y, held-out x, held-out y), the pixels scaled to [0, 1]."""
    digits = load_digits()
    x = torch.tensor(digits.data / 16, dtype=torch.float32)
    y = torch.tensor(digits.target, dtype=torch.int64)
    order = torch.randperm(len(x))
    held_out, train = order[: len(x) // 5], order[len(x) // 5 :]
    return x[train], y[train], x[held_out], y[held_out]


def predict(model, x):
    model.eval()  # no dropout
    with torch.no_grad():
        return model(x).argmax(dim=1)


def accuracy(model, x, y):
    return (predict(model, x) == y).float().mean().item()


def train(model, x, y, optimizer, criterion, progress):
    """One pass over the data in random mini-batches; the mean loss."""
    model.train()
    total = 0.0
    for batch in torch.randperm(len(x)).split(BATCH):
        loss = criterion(model(x[batch]), y[batch])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += loss.item() * len(batch)
        progress.update()
    return total / len(x)


def plot(losses, accuracies, path):
    figure, left = plt.subplots(figsize=(7, 4.2), layout="constrained")
    right = left.twinx()
    epochs = range(1, len(losses) + 1)
    (loss,) = left.plot(epochs, losses, "o-", color="tab:blue", ms=4, label="training loss")
    train, held_out = zip(*accuracies, strict=True)
    (a,) = right.plot(epochs, [100 * x for x in train], "--", color="tab:gray", label="train")
    (b,) = right.plot(epochs, [100 * x for x in held_out], color="tab:orange", label="held out")
    left.set(xlabel="epoch", ylabel="cross entropy", title="Handwritten digits", yscale="log")
    left.xaxis.get_major_locator().set_params(integer=True)
    right.set(ylabel="accuracy in %")
    left.legend(handles=[loss, a, b], loc="center right")
    figure.savefig(path, dpi=120)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent / "out")
    options = parser.parse_args()
    if options.epochs < 1:
        parser.error("--epochs: at least 1")
    options.out.mkdir(parents=True, exist_ok=True)

    torch.manual_seed(options.seed)
    x, y, held_out_x, held_out_y = load_data()
    model = make_model()
    criterion = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, options.epochs)
    print(model)
    print(f"{len(x)} pictures to train on, {len(held_out_x)} held out")

    losses, accuracies, seconds = [], [], []
    batches = -(-len(x) // BATCH)
    with tqdm(total=options.epochs * batches, unit="batch", leave=False) as progress:
        for epoch in range(1, options.epochs + 1):
            start = time.perf_counter()
            losses.append(train(model, x, y, optimizer, criterion, progress))
            schedule.step()
            seconds.append(time.perf_counter() - start)
            accuracies.append((accuracy(model, x, y), accuracy(model, held_out_x, held_out_y)))
            progress.write(
                f"epoch {epoch:2}  loss {losses[-1]:.4f}  train {accuracies[-1][0]:7.2%}  "
                f"held out {accuracies[-1][1]:7.2%}  {seconds[-1]:.3f} s",
                file=sys.stdout,
            )
    print(f"{sum(seconds) / len(seconds):.3f} s per epoch")

    picture = options.out / "digits_loss.png"
    plot(losses, accuracies, picture)
    weights = options.out / "digits.pt"
    torch.save(model.state_dict(), weights)
    again = make_model()
    again.load_state_dict(torch.load(weights))
    same = bool((predict(again, held_out_x) == predict(model, held_out_x)).all())
    print(f"loss curve in {picture}")
    print(f"weights in {weights}; loaded again, the predictions are the same: {same}")
    print(f"held-out accuracy: {accuracies[-1][1]:.2%}")
    return 0 if same else 1


if __name__ == "__main__":
    sys.exit(main())
