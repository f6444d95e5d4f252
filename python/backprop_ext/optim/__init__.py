"""Optimizers and learning rates. Source: https://docs.pytorch.org/docs/stable/optim.html"""

from __future__ import annotations

from .._names import keep_also
from . import lr_scheduler, swa_utils
from .adam import Adam, Adamax, AdamW, NAdam, RAdam
from .adaptive import Adadelta, Adagrad, RMSprop, Rprop
from .lbfgs import LBFGS
from .matrix import Adafactor, Muon
from .optimizer import Optimizer
from .sgd import ASGD, SGD
from .sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]

_by_name = (Adadelta, Adagrad, AdamW, Adamax, ASGD, NAdam, RAdam, RMSprop, Rprop)
keep_also(globals(), {kind.__name__.lower(): kind.__name__ for kind in _by_name})
# As in PyTorch: `from torch.optim.adam import Adam` works, and `optim.adam` for `optim.Adam` fails.
for _name in ("adam", "lbfgs", "sgd", *(kind.__name__.lower() for kind in _by_name)):
    del globals()[_name]
