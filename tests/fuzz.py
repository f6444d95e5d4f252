"""Calls everything with wrong arguments: run by test_fuzz.py in a process of its own.

Each line of the output is a call about to be made, so that the last one names a crash. Exceptions
of other classes than the allowed ones are printed as lines that begin with "BAD".
"""

from __future__ import annotations

import contextlib
import copy
import faulthandler
import random
import sys
import warnings
from typing import Any

import numpy as np

import backprop_ext as bx

# AssertionError: PyTorch's answer to "cuda" without a GPU; ZeroDivisionError: to a norm of 0.
ALLOWED = (
    TypeError, RuntimeError, ValueError, IndexError, BufferError, AssertionError, OverflowError,
    ZeroDivisionError,
)  # fmt: skip
HUGE = 10**15  # elements that no machine has room for


def pool() -> list[Any]:
    """Fresh arguments of every kind."""
    base = bx.arange(24.0).reshape(2, 3, 4)
    grad = bx.ones(2, 3, requires_grad=True)
    return [
        None,
        True,
        0,
        1,
        -1,
        3,
        -7,
        HUGE,
        2**62,
        -(2**63),
        2**70,
        0.5,
        float("nan"),
        float("-inf"),
        1j,
        "x",
        "mean",
        "tanh",
        "",
        b"x",
        (),
        [],
        (0,),
        (1, -1),
        (2, 3),
        [0, 1],
        (HUGE, HUGE),
        (2**62, 4),
        (0, HUGE),
        (1.5,),
        ("a",),
        [None],
        [[1, 2], [3]],
        tuple(range(20)),
        {},
        set(),
        object(),
        slice(1, None),
        Ellipsis,
        bx.float32,
        bx.int64,
        int,
        np.float32,
        np.zeros((2, 3)),
        np.int64(2),
        np.float32(0.5),
        np.array(["a"]),
        bx.default_generator,
        bx.Tensor,
        bx.tensor(2.0),
        bx.tensor(1),
        bx.tensor(True),
        bx.tensor([0, 1]),
        bx.tensor([5, -9]),
        bx.tensor([1, 0], dtype=bx.int32),
        bx.tensor([[True, False, True], [False, False, True]]),
        bx.zeros(0),
        bx.zeros(2, 0),
        bx.ones(3),
        bx.ones(2, 3),
        bx.ones(3, 2, dtype=bx.float64),
        bx.ones(2, 3, dtype=bx.int64),
        bx.ones(1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1),
        base,
        base.permute(2, 0, 1),
        base[:, ::2],
        bx.ones(1).expand(2, 3),
        bx.ones(3, 1).expand(3, 4),
        grad,
        grad * 2,
        (grad * 2)[0],
        [bx.ones(2), bx.ones(3)],
        (bx.ones(2, 3), bx.ones(2, 3)),
        [bx.tensor([0]), None],
        [None, bx.tensor([True, False, True])],
        [grad, bx.ones(2, 3)],
    ]


SKIPPED = {"__class__", "__init_subclass__", "__subclasshook__", "__reduce_ex__", "__dir__"}


def targets() -> list[tuple[str, Any, list[str]]]:
    """(name, callable, keywords) of every operation, tensor method and function of nn."""
    found = []
    for op in bx._core._operations():
        home = bx._core if op["function"] else bx.Tensor
        home = getattr(bx._core, "_" + op["namespace"]) if op["namespace"] else home
        keywords = sorted({a["name"] for o in op["overloads"] for a in o["arguments"]})
        found.append((op["name"], getattr(home, op["name"]), keywords))
    names = [
        n for n in dir(bx.Tensor) if n not in SKIPPED and callable(getattr(bx.Tensor, n, None))
    ]
    found += [(f"Tensor.{n}", getattr(bx.Tensor, n), ["dtype", "dim", "gradient"]) for n in names]
    found += [(f"F.{n}", getattr(bx.nn.functional, n), []) for n in bx.nn.functional.__all__]
    plain = ("tensor", "as_tensor", "from_numpy", "Tensor", "result_type", "promote_types")
    found += [(n, getattr(bx, n), ["dtype", "requires_grad"]) for n in plain]
    found += [("grad", bx.autograd.grad, ["grad_outputs", "allow_unused", "create_graph"])]
    found += [("backward", bx.autograd.backward, ["grad_tensors", "inputs"])]
    for module in (bx.nn.init, bx.nn.utils):
        found += [(f"F.{n}", getattr(module, n), []) for n in module.__all__]
    found += [
        (f"Generator.{n}", getattr(bx.Generator(), n), []) for n in ("manual_seed", "set_state")
    ]
    for name in ("data", "grad", "requires_grad"):
        found.append((f"Tensor.{name} =", lambda t, v, name=name: setattr(t, name, v), []))
    found += [("Parameter", bx.nn.Parameter, []), ("Buffer", bx.nn.Buffer, [])]
    found += [("_make_subclass", bx._core._make_subclass, [])]
    found += [("set_default_dtype", bx.set_default_dtype, [])]
    found += [("_run_backward", bx._core._run_backward, [])]
    found += [("_update", bx._core._update, [])]
    return found


def shown(value: Any) -> str:
    """An argument, short, without reading its elements."""
    if isinstance(value, bx.Tensor):
        return f"{str(value.dtype)[6:]}{tuple(value.shape)}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(shown, value))}]"
    return repr(value)[:40].replace("\n", " ")


def main(rounds: int, seed: int) -> None:
    faulthandler.enable()
    warnings.simplefilter("ignore")
    choose = random.Random(seed)
    registered = {op["name"] for op in bx._core._operations()}
    for name, function, keywords in targets():
        for args in ((None,), (bx.ones(2), None), (None, bx.ones(2)), ([None],), (bx.Tensor, None)):
            print(name, shown(args))
            sys.stdout.flush()
            with contextlib.suppress(*ALLOWED, AttributeError, LookupError):
                function(*args)
            bx.set_default_dtype(bx.float32)
        for _ in range(rounds):
            values = pool()
            first = [v for v in values if isinstance(v, bx.Tensor)]
            likely = 1.0 if name.startswith("Tensor.") else 0.8
            count = choose.choice((0, 1, 1, 2, 2, 2, 3, 3, 4, 7))
            args = [choose.choice(values) for _ in range(count)]
            if args and choose.random() < likely:
                args[0] = choose.choice(first)
            named = choose.sample(keywords, min(len(keywords), choose.choice((0, 0, 1, 2))))
            kwargs = {key: choose.choice(values) for key in named}
            print(name, shown(args), {k: shown(v) for k, v in kwargs.items()})
            sys.stdout.flush()
            before = bx.is_grad_enabled()
            try:
                result = function(*args, **kwargs)
                if isinstance(result, bx.Tensor) and 0 < result.numel() < 100:
                    copy.copy(result)
                    repr(result)
            except ALLOWED:
                pass
            except AttributeError:
                if name in registered:
                    print("BAD AttributeError")
            except BaseException as error:
                print("BAD", type(error).__name__, error)
            if bx.is_grad_enabled() != before:
                print("BAD grad mode was left changed")
                bx.set_grad_enabled(before)
            bx.set_default_dtype(bx.float32)
    print("DONE")


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
