"""A layered layout: inputs above, results below, as few crossings as a few sweeps find.

Layers are longest paths; orders within a layer follow the mean of the neighbours [Sugiyama, Tagawa
and Toda 1981]; coordinates are the nearest to the neighbours that keep the order and the distances,
by pooling adjacent violators [Ayer et al. 1955].
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final

__all__ = ["Placed", "Vertex", "place"]

GAP_X: Final = 26.0
GAP_Y: Final = 34.0
SWEEPS: Final = 12


@dataclass
class Vertex:
    """Something to place: how far it reaches from its anchor, and what it stands below."""

    left: float
    right: float
    height: float
    sources: list[int]
    floats: bool = False  # stands just above its first use, not as high as it can
    layer: int = 0
    x: float = 0.0
    y: float = 0.0


@dataclass
class Placed:
    """A picture's size, and the points that each edge (source, target) goes through."""

    width: float
    height: float
    edges: dict[tuple[int, int], list[tuple[float, float]]] = field(default_factory=dict)


def place(vertices: list[Vertex]) -> Placed:
    """Give each vertex x and y. Sources must come before what uses them, unless they float."""
    _layers(vertices)
    edges = sorted({(s, t) for t, v in enumerate(vertices) for s in v.sources})
    count = len(vertices)
    all_ = list(vertices)
    chains: dict[tuple[int, int], list[int]] = {}
    for s, t in edges:
        chain = [s]
        for layer in range(vertices[s].layer + 1, vertices[t].layer):
            all_.append(Vertex(4, 4, 0, [], layer=layer))
            chain.append(len(all_) - 1)
        chains[s, t] = [*chain, t]
    above: list[list[int]] = [[] for _ in all_]
    below: list[list[int]] = [[] for _ in all_]
    for chain in chains.values():
        for a, b in pairwise(chain):
            below[a].append(b)
            above[b].append(a)
    rows: list[list[int]] = [[] for _ in range(1 + max((v.layer for v in all_), default=0))]
    for k in _depth_first(all_, above, count):
        rows[all_[k].layer].append(k)
    _order(rows, above, below)
    _coordinates(all_, rows, above, below)
    return _finish(all_, rows, chains)


def _layers(vertices: list[Vertex]) -> None:
    for v in vertices:
        v.layer = max((vertices[s].layer + 1 for s in v.sources), default=0)
    uses: list[list[int]] = [[] for _ in vertices]
    for t, v in enumerate(vertices):
        for s in v.sources:
            uses[s].append(t)
    for k, v in enumerate(vertices):
        if v.floats and uses[k]:
            v.layer = max(0, min(vertices[t].layer for t in uses[k]) - 1)


def _depth_first(all_: list[Vertex], above: list[list[int]], count: int) -> list[int]:
    """From the results upwards, so that what belongs together starts side by side."""
    order: list[int] = []
    seen = [False] * len(all_)
    for start in range(count - 1, -1, -1):
        stack = [start]
        while stack:
            k = stack.pop()
            if not seen[k]:
                seen[k] = True
                order.append(k)
                stack += above[k][::-1]
    return order


def _order(rows: list[list[int]], above: list[list[int]], below: list[list[int]]) -> None:
    place_ = {k: float(i) for row in rows for i, k in enumerate(row)}
    for sweep in range(SWEEPS):
        near = above if sweep % 2 == 0 else below
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            keys = {
                k: sum(place_[n] for n in near[k]) / len(near[k]) if near[k] else place_[k]
                for k in row
            }
            row.sort(key=keys.__getitem__)
            for i, k in enumerate(row):
                place_[k] = float(i)


def _coordinates(
    all_: list[Vertex], rows: list[list[int]], above: list[list[int]], below: list[list[int]]
) -> None:
    for row in rows:
        _settle(all_, row, [0.0] * len(row), [1.0] * len(row))
    for sweep in range(2 * SWEEPS):
        for row in rows if sweep % 2 == 0 else rows[::-1]:
            wanted, weights = [], []
            for k in row:
                near = above[k] + below[k]
                # A floating box follows what it feeds; the row of operations stays straight.
                pull = [(0.01 if all_[n].floats else 1.0, all_[n].x) for n in near]
                weight = sum(w for w, _ in pull)
                wanted.append(sum(w * x for w, x in pull) / weight if pull else all_[k].x)
                weights.append((weight or 0.1) * (0.01 if all_[k].floats else 1.0))
            _settle(all_, row, wanted, weights)


def _settle(all_: list[Vertex], row: list[int], wanted: list[float], weights: list[float]) -> None:
    """The least sum of w (x - wanted)^2 with the vertices of a row side by side in their order."""
    offset, offsets = 0.0, []
    for i, k in enumerate(row):
        if i:
            offset += all_[row[i - 1]].right + GAP_X + all_[k].left
        offsets.append(offset)
    blocks: list[list[float]] = []  # mean, weight, count
    for x, w, o in zip(wanted, weights, offsets, strict=True):
        blocks.append([x - o, w, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            x2, w2, n2 = blocks.pop()
            x1, w1, n1 = blocks.pop()
            blocks.append([(x1 * w1 + x2 * w2) / (w1 + w2), w1 + w2, n1 + n2])
    means = [mean for mean, _, n in blocks for _ in range(int(n))]
    for k, mean, o in zip(row, means, offsets, strict=True):
        all_[k].x = mean + o


def _finish(
    all_: list[Vertex], rows: list[list[int]], chains: dict[tuple[int, int], list[int]]
) -> Placed:
    if not all_:
        return Placed(0, 0)
    left = min(v.x - v.left for v in all_)
    y = 0.0
    for row in rows:
        tall = max((all_[k].height for k in row), default=0.0)
        for k in row:
            all_[k].y = y + tall / 2
        y += tall + GAP_Y
    for v in all_:
        v.x -= left
    edges = {}
    for (s, t), chain in chains.items():
        points = [(all_[k].x, all_[k].y) for k in chain]
        points[0] = (points[0][0], points[0][1] + all_[s].height / 2)
        points[-1] = (points[-1][0], points[-1][1] - all_[t].height / 2)
        edges[s, t] = points
    width = max(v.x + v.right for v in all_)
    return Placed(width, y - GAP_Y, edges)
