"""One process for each entry: what crashes or hangs is entered as that, and loses nothing else."""

from __future__ import annotations

import multiprocessing
import random
import time
import warnings
from multiprocessing.connection import Connection, wait
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from tables import Entry

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS: Final = 300  # of an entry; the slowest needs a tenth of them


def run(suite: Any, names: list[str], jobs: int) -> Iterator[Entry]:
    """The entries of all names, in their order."""
    suite.names()  # the database is read once, before the forks
    context = multiprocessing.get_context("fork")
    waiting: list[str] = list(reversed(names))
    done: dict[str, Entry] = {}
    running: dict[Connection, tuple[str, Any, float]] = {}
    shown = 0
    while waiting or running:
        while waiting and len(running) < jobs:
            ours, theirs = context.Pipe(duplex=False)
            name = waiting.pop()
            process = context.Process(target=work, args=(suite, name, theirs))
            process.start()
            theirs.close()
            running[ours] = name, process, time.monotonic() + SECONDS
        next_end = min(end for _, _, end in running.values())
        ready = wait(list(running), max(0.0, next_end - time.monotonic()))
        for pipe, (name, process, end) in list(running.items()):
            if pipe in ready or time.monotonic() > end:
                done[name] = result(name, pipe, process, pipe in ready)
                del running[pipe]
        while shown < len(names) and names[shown] in done:
            yield done[names[shown]]
            shown += 1


def result(name: str, pipe: Connection, process: Any, ready: bool) -> Entry:
    """What a worker sent, or what became of it."""
    entry = Entry(name)
    try:
        if ready:
            entry = pipe.recv()
        else:
            process.kill()
            entry.count("forward", f"no answer within {SECONDS} s")
    except EOFError:
        process.join()
        entry.count("forward", f"the process ended with {process.exitcode}")
    process.join()
    pipe.close()
    return entry


def work(suite: Any, name: str, pipe: Connection) -> None:
    """One entry, in a process of its own."""
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    torch.manual_seed(0)  # the samples are drawn from all three
    np.random.seed(0)
    random.seed(0)
    try:
        entry = suite.check(name)
    except Exception as error:  # in the comparison itself
        entry = Entry(name)
        entry.count("forward", f"not compared: {type(error).__name__}: {error}")
    pipe.send(entry)
    pipe.close()
