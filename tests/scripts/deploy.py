"""Deploying a model: script, trace, compile, profile, attention kernels, checkpoints, devices."""

import os
import tempfile
import io
import copy
import torch
import torch.nn as nn
import torch.nn.functional as F
from torch import Tensor
from typing import Optional, Tuple, List
from torch.profiler import profile, record_function, ProfilerActivity, schedule
from torch.nn.attention import sdpa_kernel, SDPBackend
from torch.utils.checkpoint import checkpoint, checkpoint_sequential

torch.manual_seed(5)


class Cell(nn.Module):
    __constants__ = ["hidden"]
    hidden: torch.jit.Final[int]

    def __init__(self, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.gate = nn.Linear(2 * hidden, hidden)

    def forward(self, x: Tensor, h: Optional[Tensor] = None) -> Tuple[Tensor, Tensor]:
        if h is None:
            h = torch.zeros_like(x)
        h = torch.tanh(self.gate(torch.cat([x, h], dim=-1)))
        return h, h

    @torch.jit.export
    def reset(self) -> int:
        return self.hidden

    @torch.jit.ignore
    def debug(self, x):
        print("debug", x.shape)

    @torch.jit.unused
    def old(self, x: Tensor) -> Tensor:
        return x


@torch.jit.script
def fused_gelu(x: Tensor, scale: float = 1.0) -> Tensor:
    return scale * x * 0.5 * (1.0 + torch.erf(x / 1.41421))


@torch.jit.script_if_tracing
def loop(x: Tensor, n: int) -> Tensor:
    for _ in range(n):
        x = x + 1
    return x


x = torch.randn(3, 4)
cell = Cell(4)
scripted = torch.jit.script(cell)
with torch.no_grad():
    print(
        torch.allclose(scripted(x)[0], cell(x)[0]),
        fused_gelu(x).sum(),
        fused_gelu(x, 2.0).mean(),
        loop(x, 3).mean(),
    )
traced = torch.jit.trace(nn.Sequential(nn.Linear(4, 3), nn.ReLU()).eval(), x)
print(traced(x).shape, isinstance(traced, nn.Module), torch.jit.is_scripting(), torch.jit.is_tracing())
print([n for n, _ in scripted.named_parameters()], scripted.reset())
net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 2))
fast = torch.compile(net)
print(torch.allclose(fast(x), net(x)), [k for k in net.state_dict()])


@torch.compile
def mish(x):
    return x * torch.tanh(F.softplus(x))


@torch.compile(mode="reduce-overhead", fullgraph=True, dynamic=False)
def sq(x):
    return x**2


print(mish(x).sum(), sq(x).sum(), torch.compiler.is_compiling())

with profile(activities=[ProfilerActivity.CPU], record_shapes=True) as prof:
    with record_function("model_inference"):
        net(x)
print("profiled", isinstance(prof.key_averages().table(sort_by="cpu_time_total", row_limit=3), str))
with torch.autograd.profiler.profile() as p:
    net(x)
with torch.autograd.profiler.record_function("x"):
    pass
q = k = v = torch.randn(1, 2, 5, 4)
with sdpa_kernel(SDPBackend.MATH):
    print(F.scaled_dot_product_attention(q, k, v, is_causal=True).shape)
with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
    print(F.scaled_dot_product_attention(q, k, v).mean())
a = torch.randn(3, 4, requires_grad=True)
out = checkpoint(net, a, use_reentrant=False)
out.sum().backward()
print(a.grad.norm())
print(checkpoint_sequential(net, 2, a, use_reentrant=False).shape)
with tempfile.TemporaryDirectory() as d:
    path = os.path.join(d, "m.pt")
    torch.save({"model": net.state_dict(), "epoch": 3, "loss": 0.5}, path)
    ck = torch.load(path, map_location=torch.device("cpu"), weights_only=True)
    net.load_state_dict(ck["model"])
    print(ck["epoch"], ck["loss"], sorted(ck))
buf = io.BytesIO()
torch.save(x, buf)
buf.seek(0)
print(torch.equal(torch.load(buf), x))
device = torch.device(
    "cuda:0" if torch.cuda.is_available() else "mps" if torch.backends.mps.is_available() else "cpu"
)
print(
    device,
    device.type,
    device.index,
    torch.cuda.device_count(),
    torch.backends.cudnn.enabled,
    torch.get_num_threads() >= 1,
)
torch.backends.cudnn.deterministic = True
torch.backends.cudnn.benchmark = False
torch.use_deterministic_algorithms(True)
torch.set_num_threads(1)
torch.set_num_interop_threads(1) if False else None
torch.set_float32_matmul_precision("high")
print(torch.get_float32_matmul_precision(), torch.are_deterministic_algorithms_enabled())
scaler = torch.amp.GradScaler("cuda", enabled=False)
sc2 = torch.cuda.amp.GradScaler(enabled=torch.cuda.is_available())
with torch.autocast(device_type="cpu", enabled=False):
    l = net(x).sum()
scaler.scale(l).backward()
opt = torch.optim.SGD(net.parameters(), lr=0.1)
scaler.unscale_(opt)
scaler.step(opt)
scaler.update()
print(scaler.get_scale(), scaler.is_enabled())
with torch.random.fork_rng():
    torch.manual_seed(9)
    torch.rand(3)
print(torch.rand(2))
print(
    torch.cuda.is_bf16_supported() if torch.cuda.is_available() else "no bf16",
    torch.cuda.current_device() if torch.cuda.is_available() else None,
)
torch.cuda.empty_cache()
torch.cuda.synchronize() if torch.cuda.is_available() else None
torch.cuda.manual_seed_all(1)
