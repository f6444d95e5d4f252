"""Write python/backprop_ext/_torch_names.txt: public names of the installed PyTorch, but for those
that the installed package has too.

    python tools/torch_names.py

What is missing here is told from what PyTorch has not either by this list: see `_names.py` and
`doctor.py`. It has one section per namespace, the methods and attributes of Tensor among them.
"""

from __future__ import annotations

import importlib
import pkgutil
import textwrap
import types
import warnings
from pathlib import Path
from typing import Final

from backprop_ext import Tensor

TARGET: Final = Path(__file__).resolve().parent.parent / "python/backprop_ext/_torch_names.txt"
NAMESPACES: Final = (
    "torch",
    "torch.Tensor",
    "torch.nn",
    "torch.nn.functional",
    "torch.nn.init",
    "torch.nn.attention",
    "torch.nn.parallel",
    "torch.nn.parameter",
    "torch.nn.utils",
    "torch.nn.utils.parametrizations",
    "torch.nn.utils.parametrize",
    "torch.nn.utils.prune",
    "torch.nn.utils.rnn",
    "torch.optim",
    "torch.optim.lr_scheduler",
    "torch.optim.swa_utils",
    "torch.linalg",
    "torch.special",
    "torch.fft",
    "torch.autograd",
    "torch.autograd.functional",
    "torch.autograd.forward_ad",
    "torch.autograd.graph",
    "torch.autograd.profiler",
    "torch.utils",
    "torch.utils._pytree",
    "torch.utils.checkpoint",
    "torch.utils.data",
    "torch.distributed",
    "torch.distributions",
    "torch.distributions.constraints",
    "torch.distributions.kl",
    "torch.distributions.transforms",
    "torch.distributions.utils",
    "torch.cpu",
    "torch.cpu.amp",
    "torch.cuda",
    "torch.cuda.amp",
    "torch.amp",
    "torch.mps",
    "torch.accelerator",
    "torch.backends",
    "torch.backends.cuda",
    "torch.backends.cudnn",
    "torch.backends.mps",
    "torch.random",
    "torch.testing",
    "torch.func",
    "torch.futures",
    "torch.fx",
    "torch.hub",
    "torch.compiler",
    "torch.jit",
    "torch.profiler",
    "torch.sparse",
)


def main() -> None:
    """Write the list."""
    warnings.simplefilter("ignore")
    lines = [f"# PyTorch {importlib.import_module('torch').__version__}: tools/torch_names.py"]
    for namespace in NAMESPACES:
        lines += ["", f"[{namespace}]"]
        names = [name for name in public_names(namespace) if not is_here(namespace, name)]
        lines += textwrap.wrap(" ".join(names), 100, break_on_hyphens=False)
    TARGET.write_text("\n".join(lines) + "\n")


def public_names(namespace: str) -> list[str]:
    """What a user may take from a namespace: no underscore, nothing of another library."""
    parent, _, last = namespace.rpartition(".")
    try:
        found = importlib.import_module(namespace)
    except ModuleNotFoundError:
        found = getattr(importlib.import_module(parent), last)
    names = {name for name in dir(found) if own(getattr(found, name, None))}
    # What is imported only when it is asked for, as torch.onnx.
    names |= {module.name for module in pkgutil.iter_modules(getattr(found, "__path__", ()))}
    return sorted(name for name in names if name[0] != "_")


def is_here(namespace: str, name: str) -> bool:
    """Whether the package has it under that name."""
    if namespace == "torch.Tensor":
        return hasattr(Tensor, name)
    try:
        found = importlib.import_module(namespace.replace("torch", "backprop_ext", 1))
    except ModuleNotFoundError:
        return False
    return hasattr(found, name)


def own(value: object) -> bool:
    """Whether a value is PyTorch's, or of no module, as numbers are."""
    if isinstance(value, types.ModuleType):
        return value.__name__.startswith("torch.")
    module = getattr(value, "__module__", None) or "torch"
    return module.split(".")[0] in ("torch", "builtins")


if __name__ == "__main__":
    main()
