"""Names that are missing: what the errors say, and what the doctor finds in a script."""

from __future__ import annotations

from typing import Any

import pytest

import backprop_ext as bx
from backprop_ext import doctor
from backprop_ext._names import torch_names

SCRIPT = """
import torch
import torch.nn as nn, torch.nn.functional as F
from torch import optim, export
from torch.utils.data import DataLoader
import numpy as np

class Net(nn.Module):
    def to_sparse(self): ...
    def forward(self, x):
        x = F.relu(x)
        return x.to_mkldnn().strip()

alias = torch.nn
alias.Linear(1, 1).to_sparse()
nn.Linears(2)
optim.SGD.nothing
torch.sparse_bsr_tensor(
    torch.ones(2))
np.stft
nn = None
nn.Nothing
"""


def test_the_doctor_reads_a_script() -> None:
    findings, used = doctor.check(SCRIPT)
    assert [(f.line, f.name) for f in findings] == [
        (4, "torch.export"),
        (12, "Tensor.to_mkldnn"),
        (16, "torch.nn.Linears"),
        (17, "torch.optim.SGD.nothing"),
        (18, "torch.sparse_bsr_tensor"),
    ]
    reasons = {f.name: f.reason for f in findings}
    missing = "torch has it, backprop_ext does not (yet)"
    assert reasons["torch.sparse_bsr_tensor"].startswith(missing)
    assert reasons["torch.nn.Linears"] == "torch has none either; did you mean 'Linear'?"
    assert used > 8


def test_the_doctor_tells_types_that_are_names_alone() -> None:
    findings, _ = doctor.check(
        "import torch\nx = torch.ones(1).to(torch.uint16)\ny = torch.int64\n"
    )
    assert [(f.line, f.name) for f in findings] == [(2, "torch.uint16")]
    assert findings[0].reason == "[dtype] no tensor here is uint16; take int32"


def test_the_doctors_exit_codes(tmp_path: Any, capsys: Any) -> None:
    good, bad, broken = (tmp_path / name for name in ("good.py", "bad.py", "broken.py"))
    good.write_text("import backprop_ext as torch\nfrom backprop_ext.nn import *\nLinear(1, 1)\n")
    assert doctor.main([str(good)]) == 0
    assert "none of the uses missing" in capsys.readouterr().out
    bad.write_text("from torch.nn import Nothing\nimport torchvision.models\n")
    assert doctor.main([str(tmp_path)]) == 1
    out = capsys.readouterr().out
    assert f"{bad}:1: torch.nn.Nothing: torch has none either" in out
    assert f"{bad}:2: torchvision.models: it needs PyTorch itself" in out
    broken.write_text("import (")
    assert doctor.main([str(tmp_path)]) == 2
    assert doctor.main([]) == 2
    assert doctor.main(["--help"]) == 0


@pytest.mark.parametrize(
    "take",
    [
        lambda: bx.sparse_bsr_tensor,
        lambda: bx.ones(1).to_mkldnn,
        lambda: bx.Tensor.to_mkldnn,
        lambda: bx.nn.Parameter().to_mkldnn,
        lambda: bx.nn.CrossMapLRN2d,
        lambda: bx.cuda.nvtx,
        lambda: bx.export,
        lambda: bx.utils.cpp_extension,
        lambda: bx.autograd.profiler_legacy,
    ],
)
def test_an_error_says_that_torch_has_a_name(take: Any) -> None:
    with pytest.raises(AttributeError, match=r"torch has it, backprop_ext does not \(yet\)"):
        take()


@pytest.mark.parametrize(
    "module",
    [bx, bx.nn, bx.nn.functional, bx.nn.init, bx.optim, bx.linalg, bx.special, bx.autograd],
)
def test_an_error_says_that_no_one_has_a_name(module: Any) -> None:
    with pytest.raises(AttributeError, match="has no attribute 'qwerty'; torch has none either"):
        module.qwerty  # noqa: B018
    with pytest.raises(AttributeError, match=r"'_private'$"):
        module._private  # noqa: B018


def test_stand_ins_are_not_seen() -> None:
    t = bx.ones(1)
    assert not hasattr(t, "to_mkldnn")
    assert "to_mkldnn" not in dir(t)
    assert "relu" in dir(t)
    t.to_mkldnn = 1  # type: ignore[attr-defined]
    assert t.to_mkldnn == 1  # type: ignore[attr-defined]
    assert "to_mkldnn" in torch_names()["torch.Tensor"]
    with pytest.raises(ImportError):
        from backprop_ext.nn import Nothing  # noqa: F401


def test_what_needs_a_package_that_may_be_absent_is_not_missing() -> None:
    findings, used = doctor.check("from torch.utils.tensorboard import SummaryWriter")
    assert (findings, used) == ([], 1)


def test_the_doctor_knows_the_modules_that_are_imported_late() -> None:
    script = """
import torch
from torch.distributions.normal import Normal
from torch.distributions.transforms import TanhTransform, Nothing
from torch.distributions import kl_divergence, constraints, Normals
from torch.nn.utils import prune
from torch.cuda.amp import GradScaler, autocast
torch.distributions.studentT.StudentT
prune.l1_unstructured
torch.func.vmap(torch.vmap)
torch.func.debug_unwrap
if torch.distributed.is_available() and torch.distributed.is_initialized():
    torch.distributed.init_device_mesh
torch.binomial, torch.autocast, torch.Tensor.new, torch.nn.DataParallel
constraints.positive
"""
    findings, used = doctor.check(script)
    assert [f.name for f in findings] == [
        "torch.distributions.transforms.Nothing",
        "torch.distributions.Normals",
        "torch.func.debug_unwrap",
        "torch.distributed.init_device_mesh",
    ]
    assert not bx.distributed.is_initialized()
    assert findings[1].reason == "torch has none either; did you mean 'Normal'?"
    assert used > 15
    with pytest.raises(AttributeError, match="torch has none either; did you mean 'Normal'"):
        bx.distributions.Normals  # noqa: B018


@pytest.mark.parametrize(
    ("owner", "name", "nearest"),
    [
        (bx, "complex32", "complex64"),
        (bx, "chalf", "complex64"),
        (bx.Tensor, "chalf", "cfloat"),
    ],
)
def test_an_element_type_that_is_missing_names_the_nearest(
    owner: object, name: str, nearest: str
) -> None:
    with pytest.raises(AttributeError, match=rf"torch has it.*nearest: '{nearest}'"):
        getattr(owner, name)
