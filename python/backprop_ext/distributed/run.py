"""Starts a script in several processes: `python -m backprop_ext.distributed.run --nproc_per_node=2
train.py ...`, as torchrun does.

Each finds RANK, LOCAL_RANK, WORLD_SIZE, MASTER_ADDR and the rest in its environment. Where one
fails the others are ended, and all begin again up to --max_restarts times.
Source of the names: https://docs.pytorch.org/docs/stable/elastic/run.html
"""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
import time
from typing import Any

from .store import TCPStore

__all__ = ["main"]

_GRACE = 30.0  # seconds between SIGTERM and SIGKILL


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("backprop_ext.distributed.run", description=__doc__)

    def option(name: str, help: str = "taken, and not used", **rest: Any) -> None:
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", help=help, **rest)

    option("nproc_per_node", "processes here: a number, auto or cpu", default="1")
    option("nnodes", "machines", default="1")
    option("node_rank", "which of them this is", type=int, default=0)
    option("standalone", "one machine, a free port", action="store_true")
    option("master_addr", "the machine of node_rank 0", default="127.0.0.1")
    option("master_port", "its port", type=int)
    option("rdzv_endpoint", "host:port of it", default="")
    option("rdzv_id", "the name of the run", default="none")
    option("max_restarts", "how often all begin again", type=int, default=0)
    option("no_python", "the script is a program", action="store_true")
    option("use_env", "launch: give no --local-rank", action="store_true")
    for name in ("rdzv_backend", "rdzv_conf", "monitor_interval", "redirects", "tee", "log_dir"):
        option(name)
    parser.add_argument("-m", "--module", action="store_true", help="the script is a module")
    parser.add_argument("script")
    parser.add_argument("args", nargs=argparse.REMAINDER)
    return parser


def main(args: list[str] | None = None, pass_rank: bool = False) -> None:
    """The command. Ends with exit code 1 where a process failed."""
    given = _parser().parse_args(args)
    each = given.nproc_per_node
    local = len(os.sched_getaffinity(0)) if each in ("auto", "cpu") else int(each)
    nodes = int(given.nnodes.split(":")[-1])
    host, _, port = given.rdzv_endpoint.rpartition(":")
    host = host or given.master_addr
    at = int(port or 0) or given.master_port or (0 if nodes == 1 else 29500)
    if given.standalone:
        host, at = "127.0.0.1", 0
    store = TCPStore(host, at, is_master=given.node_rank == 0, wait_for_workers=False)
    command = [] if given.no_python else [sys.executable, "-u"]
    command += ["-m"] if given.module else []
    shared = {
        "GROUP_RANK": given.node_rank,
        "GROUP_WORLD_SIZE": nodes,
        "LOCAL_WORLD_SIZE": local,
        "MASTER_ADDR": host,
        "MASTER_PORT": store.port,
        "ROLE_WORLD_SIZE": local * nodes,
        "TORCHELASTIC_MAX_RESTARTS": given.max_restarts,
        "TORCHELASTIC_RUN_ID": given.rdzv_id,
        "TORCHELASTIC_USE_AGENT_STORE": True,
        "WORLD_SIZE": local * nodes,
    }
    if local > 1:
        shared |= {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", 1)}
    for attempt in range(given.max_restarts + 1):
        processes = []
        for i in range(local):
            rank = given.node_rank * local + i
            own = {"RANK": rank, "ROLE_RANK": rank, "LOCAL_RANK": i}
            own |= {"TORCHELASTIC_RESTART_COUNT": attempt} | shared
            script = [given.script, *given.args]
            if pass_rank and not given.use_env:
                script.insert(1, f"--local-rank={i}")
            env = os.environ | {name: str(value) for name, value in own.items()}
            processes.append(subprocess.Popen([*command, *script], env=env))
        if (failed := _wait(processes)) is None:
            return
        code = processes[failed].returncode
        how = f"exit code {code}" if code > 0 else f"signal {signal.Signals(-code).name}"
        print(
            f"[run] local rank {failed} of {local} (pid {processes[failed].pid}) ended with {how} "
            f"in attempt {attempt + 1} of {given.max_restarts + 1}; its traceback is above",
            file=sys.stderr,
        )
    sys.exit(1)


def _wait(processes: list[subprocess.Popen[bytes]]) -> int | None:
    """The place of the first that failed, after the end of all."""
    try:
        while True:
            codes = [process.poll() for process in processes]
            failed = [i for i, code in enumerate(codes) if code]
            if failed or None not in codes:
                return failed[0] if failed else None
            time.sleep(0.1)
    finally:
        for process in processes:
            if process.poll() is None:
                process.terminate()
        end = time.monotonic() + _GRACE
        for process in processes:
            try:
                process.wait(max(0.0, end - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


if __name__ == "__main__":
    main()
