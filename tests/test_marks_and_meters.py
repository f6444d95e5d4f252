"""What scripts say to a compiler or a GPU that are not here, to a profiler; odd names beside."""

from __future__ import annotations

import copy
import importlib
import io
import json
import warnings
from pathlib import Path
from typing import Any, List  # noqa: UP035 (scripts annotate so)

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import jit, multiprocessing, nn, profiler
from backprop_ext.nn.attention import SDPBackend, sdpa_kernel


def same(x: bx.Tensor) -> bx.Tensor:
    return x + 1


class Doubled(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Sequential(nn.Linear(2, 3), nn.Dropout(0.5))

    def forward(self, x: bx.Tensor) -> bx.Tensor:
        return 2 * self.layer(x)  # type: ignore[no-any-return]

    @jit.export
    def four_times(self, x: bx.Tensor) -> bx.Tensor:
        return 2 * self(x)  # type: ignore[no-any-return]


SCRIPTED = """RecursiveScriptModule(
  original_name=Doubled
  (layer): RecursiveScriptModule(
    original_name=Sequential
    (0): RecursiveScriptModule(original_name=Linear)
    (1): RecursiveScriptModule(original_name=Dropout)
  )
)"""


TRACED = """Doubled(
  original_name=Doubled
  (layer): Sequential(
    original_name=Sequential
    (0): Linear(original_name=Linear)
    (1): Dropout(original_name=Dropout)
  )
)"""


def test_a_scripted_module_shares_all_with_its_own() -> None:
    net, x = Doubled(), bx.ones(1, 2)
    scripted = jit.script(net)
    assert repr(scripted) == SCRIPTED  # PyTorch's
    traced = jit.trace(net, x)
    assert repr(traced) == TRACED
    for made in (scripted, traced):
        assert isinstance(made, jit.ScriptModule)
        assert made.original_name == "Doubled"
        assert [*made.state_dict()] == [*net.state_dict()]
        assert jit.script(made) is made
    scripted.eval()
    assert not net.training
    assert not traced.layer[1].training
    assert scripted(x).tolist() == traced(x).tolist() == net(x).tolist()
    assert scripted.four_times(x).tolist() == (2 * net(x)).tolist()
    assert jit.freeze(scripted) is jit.optimize_for_inference(scripted) is scripted
    before = net.layer[0].weight.clone()
    scripted(x).sum().backward()
    bx.optim.SGD(scripted.parameters(), lr=0.5).step()
    assert net.layer[0].weight.tolist() == (before - 1).tolist()
    twin = copy.deepcopy(scripted)
    assert type(twin) is type(scripted)
    assert twin.layer is not net.layer
    with pytest.raises(NotImplementedError, match=r"\[graph\] there are no programs here"):
        _ = scripted.graph


def test_a_scripted_module_is_saved_as_its_class_and_state(tmp_path: Path) -> None:
    x, path, texts = bx.ones(1, 2), tmp_path / "m.pt", {"a": "", "b": "", "c": b"z"}
    net = jit.script(Doubled()).eval()
    net.save(path, {"a": "text", "b": b"bytes"})
    loaded = jit.load(path, map_location="cpu", _extra_files=texts)
    assert repr(loaded) == SCRIPTED
    assert not loaded.training
    assert loaded(x).tolist() == net(x).tolist()
    assert texts == {"a": b"text", "b": b"bytes", "c": b""}
    buffer = io.BytesIO()
    jit.save(jit.trace(net, x), buffer)
    buffer.seek(0)
    assert jit.load(buffer).four_times(x).tolist() == net.four_times(x).tolist()
    other = tmp_path / "other.pt"
    bx.save({"w": x}, other)
    for file, kind, part in (
        (tmp_path / "none", ValueError, "there is no file"),
        (other, RuntimeError, r"\[jit.load\] .*was not written by jit.save"),
    ):
        with pytest.raises(kind, match=part):
            jit.load(file)
    other.write_bytes(b"hello")
    with pytest.raises(RuntimeError, match="damaged"):
        jit.load(other)


def test_marks_leave_functions_as_they_are() -> None:
    for mark in (jit.script, jit.export, jit.ignore, jit.unused, jit.script_if_tracing):
        assert mark(same) is same
    assert jit.ignore(drop=True)(same) is same
    assert jit.annotate(List[int], [1]) == [1]  # noqa: UP006
    assert jit.isinstance([1], List[int])  # noqa: UP006
    assert not jit.isinstance(1, (str, float))
    assert (jit.is_scripting(), jit.is_tracing()) == (False, False)
    with jit.optimized_execution(True):
        pass

    class Cell(jit.ScriptModule):
        @jit.script_method
        def forward(self, x: bx.Tensor) -> bx.Tensor:
            return 2 * x

    assert Cell()(bx.ones(1)).item() == 2.0


@pytest.mark.parametrize(
    ("call", "kind", "part"),
    [
        (lambda: jit.script(3), TypeError, "int cannot be called"),
        (lambda: jit.save(nn.ReLU(), "f"), AttributeError, r"a ReLU is no ScriptModule"),
        (lambda: jit.freeze(nn.ReLU()), RuntimeError, "a ReLU is no ScriptModule"),
        (lambda: jit.freeze(jit.script(nn.ReLU())), RuntimeError, r"eval\(\)"),
        (lambda: sdpa_kernel("math").__enter__(), AssertionError, "SDPBackend"),  # type: ignore[arg-type]
        (lambda: profiler.schedule(wait=1, warmup=0, active=0), AssertionError, "from 1"),
        (lambda: bx.autograd.Function()(1), RuntimeError, r"Function.apply\(...\)"),
        (lambda: nn.parallel.DistributedDataParallel(nn.ReLU()), ValueError, "there is no group"),
        (lambda: bx.cuda.FloatTensor(2), TypeError, "use torch.FloatTensor"),
        (lambda: multiprocessing.set_sharing_strategy("x"), AssertionError, "'x'"),
        (lambda: bx.func.functionalize(same, remove="all"), RuntimeError, "mutations_and_views"),
    ],
)
def test_what_cannot_be_done_is_told(call: Any, kind: type[Exception], part: str) -> None:
    with pytest.raises(kind, match=part):
        call()


def test_marks_for_a_compiler_change_nothing() -> None:
    assert bx.compiler.disable(same) is bx.compiler.disable()(same) is same
    assert bx.compiler.allow_in_graph(same) is same
    assert (bx.compiler.is_compiling(), bx.compiler.is_exporting()) == (False, False)
    bx.compiler.reset()
    with sdpa_kernel(SDPBackend.MATH), sdpa_kernel([SDPBackend.FLASH_ATTENTION]):
        assert str(SDPBackend.MATH) == "SDPBackend.MATH"
    flags = bx.backends.cuda
    flags.enable_flash_sdp(False)
    assert (flags.flash_sdp_enabled(), flags.math_sdp_enabled()) == (False, True)
    flags.enable_flash_sdp(True)
    assert bx.amp.custom_fwd(same) is bx.amp.custom_fwd(device_type="cuda")(same) is same
    assert bx.amp.custom_bwd(same) is same


def test_blocks_and_operations_are_timed_with_those_inside_them(tmp_path: Any) -> None:
    @profiler.record_function("inner")
    def work() -> None:
        bx.ones(10).sum()

    options: Any = {"activities": [profiler.ProfilerActivity.CPU]}
    with profiler.profile(**options) as prof, profiler.record_function("outer"):
        work()
        work()
    found = {event.key: event for event in prof.key_averages()}
    assert {key: event.count for key, event in found.items()} == {
        "outer": 1, "inner": 2, "aten::ones": 2, "aten::sum": 2,
    }  # fmt: skip
    outer, inner = found["outer"], found["inner"]
    assert 0 < inner.cpu_time < inner.cpu_time_total < outer.cpu_time_total
    assert outer.self_cpu_time_total == pytest.approx(outer.cpu_time_total - inner.cpu_time_total)
    operations = found["aten::ones"].cpu_time_total + found["aten::sum"].cpu_time_total
    assert inner.self_cpu_time_total == pytest.approx(inner.cpu_time_total - operations)
    assert prof.key_averages().self_cpu_time_total == pytest.approx(outer.cpu_time_total)
    table = prof.key_averages().table(sort_by="cpu_time_total", row_limit=2)
    assert [line.split()[0] for line in table.split("\n")[3:5]] == ["outer", "inner"]
    prof.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    once = ["aten::ones", "aten::sum", "inner"]
    assert [event["name"] for event in events] == [*once, *once, "outer"]
    with bx.autograd.profiler.profile(enabled=False) as off:
        work()
    assert off.total_average().count == 0


def test_a_training_step_is_timed_by_its_operations() -> None:
    net, x = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), bx.ones(3, 4)
    optimizer = bx.optim.SGD(net.parameters(), 0.1)
    with profiler.profile(record_shapes=True) as prof:
        loss = (net(x) + 1)[0].sum()
        loss.backward()
        optimizer.step()
    counts = {event.key: event.count for event in prof.key_averages()}
    node = "autograd::engine::evaluate_function: "
    assert counts.pop("aten::ones_like", 1) == 1
    assert counts == {
        "aten::linear": 2, "aten::relu": 1, "aten::add": 1, "aten::index": 1, "aten::sum": 1,
        f"{node}AddmmBackward0": 2, f"{node}ReluBackward0": 1, f"{node}AddBackward0": 1,
        f"{node}SelectBackward0": 1, f"{node}SumBackward0": 1, "Optimizer.step#SGD.step": 1,
    }  # fmt: skip
    by_shape = prof.key_averages(group_by_input_shape=True)
    shapes = [event.input_shapes for event in by_shape if event.key == "aten::linear"]
    assert shapes == [[[3, 4], [8, 4], [8]], [[3, 8], [2, 8], [2]]]
    assert "Input Shapes" in by_shape.table()
    assert prof.key_averages()[0].cpu_time_str[-1] == "s"
    before = len(prof.events())
    (net(x).sum() + loss.detach()).backward()
    optimizer.step()
    assert len(prof.events()) == before


def test_profiles_may_overlap() -> None:
    first, second = profiler.profile(), profiler.profile(record_shapes=True)
    first.start()
    second.start()
    bx.ones(2).sum()
    first.stop()
    bx.ones(3).sum()
    second.stop()
    bx.ones(4).sum()
    assert [event.count for event in first.key_averages()] == [1, 1]
    assert [event.count for event in second.key_averages()] == [2, 2]
    by_shape = second.key_averages(group_by_input_shape=True)
    assert [event.input_shapes for event in by_shape if event.key == "aten::sum"] == [[[2]], [[3]]]


def test_a_profile_follows_its_schedule(tmp_path: Any) -> None:
    saved = []
    plan = profiler.schedule(wait=1, warmup=1, active=2, repeat=1, skip_first=1)
    assert [plan(step).name for step in range(6)] == [
        "NONE", "NONE", "WARMUP", "RECORD", "RECORD_AND_SAVE", "NONE",
    ]  # fmt: skip
    handler = profiler.tensorboard_trace_handler(str(tmp_path))

    def ready(prof: Any) -> None:
        saved.append((prof.step_num, prof.key_averages()[0].count))
        handler(prof)

    with profiler.profile(schedule=plan, on_trace_ready=ready) as prof:
        for _ in range(7):
            with profiler.record_function("step"):
                pass
            prof.step()
    assert saved == [(4, 2)]
    assert [path.name for path in tmp_path.iterdir()] == ["step_4.pt.trace.json"]


def test_a_tensor_may_show_other_memory() -> None:
    t, other = bx.ones(3), bx.arange(4.0)
    assert t.set_(other) is t
    assert t.data_ptr() == other.data_ptr()
    assert t.set_(other.storage(), 1, (2,)).tolist() == [1.0, 2.0]
    assert t.set_(other.untyped_storage(), 1, (2, 1), (2, 1)).tolist() == [[1.0], [3.0]]
    assert t.set_(other, 2, (2,)).tolist() == [2.0, 3.0]
    assert t.set_(other[1:].storage()).tolist() == [0.0, 1.0, 2.0, 3.0]
    t.add_(1)
    assert other.tolist() == [1.0, 2.0, 3.0, 4.0]
    for wrong, kind in (
        ((bx.arange(3),), RuntimeError),
        ((3,), TypeError),
        ((other.storage(), 3, (2,)), (RuntimeError, IndexError)),
        ((other, 0, (2, 2), (4, 1)), RuntimeError),
    ):
        with pytest.raises(kind):  # type: ignore[call-overload]
            t.set_(*wrong)
        assert t.tolist() == other.tolist()
    assert t.is_set_to(other)
    assert t.is_set_to(t.view(4))
    assert not t.is_set_to(t.view(2, 2))
    assert not t.is_set_to(t.clone())
    assert not t.is_set_to(t[1:])
    assert t.set_().shape == (0,)
    x = bx.ones(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="requires grad"):
        x.set_(other)
    with bx.no_grad():
        assert x.set_(other).requires_grad
        assert x.shape == (4,)


def test_a_storage_is_the_memory_of_its_views() -> None:
    x = bx.tensor([[4.0, 1], [5, 3]])
    row = x[1].storage()
    assert repr(row) == (
        " 4.0\n 1.0\n 5.0\n 3.0\n"
        "[torch.storage.TypedStorage(dtype=torch.float32, device=cpu) of size 4]"
    )
    row[0] = 2.0
    assert x[0, 0].item() == 2.0
    assert list(row) == x.flatten().tolist() == [2.0, 1.0, 5.0, row[3]]
    memory = x.t().untyped_storage()
    assert memory.data_ptr() == row.data_ptr() == x.data_ptr()
    assert memory.nbytes() == len(memory) == row.nbytes() == row.untyped().size() == 16
    assert repr(memory[:2]) == " 0\n 0\n[torch.storage.UntypedStorage(device=cpu) of size 2]"
    assert memory.tolist() == [*x.numpy().tobytes()]
    memory[4:8] = 0
    assert x[0, 1].item() == 0
    twin = row.clone().fill_(7)
    assert x[0, 0].item() == 2.0
    assert x.storage().copy_(twin).tolist() == [7.0] * 4
    assert x[1, 1].item() == 7.0
    assert (row.type(), row.element_size(), row.int().dtype) == ("torch.FloatStorage", 4, bx.int32)
    assert isinstance(row, bx.FloatStorage)
    assert not isinstance(memory, bx.FloatStorage)


def test_storages_are_made_of_a_size_or_of_numbers() -> None:
    assert len(bx.UntypedStorage()) == 0
    assert bx.UntypedStorage(3).nbytes() == 3
    assert bx.UntypedStorage([1, 2]).tolist() == [1, 2]
    assert bx.TypedStorage([1.0, 2.0]).dtype == bx.float32
    assert bx.LongStorage([1, 2]).tolist() == [1, 2]
    assert bx.TypedStorage(3, dtype=bx.int64).nbytes() == 24
    assert bx.tensor([]).set_(bx.FloatStorage([1.0, 2.0])).tolist() == [1.0, 2.0]
    for wrong, kind, part in (
        (lambda: bx.FloatStorage("a"), TypeError, "are no size"),
        (lambda: bx.FloatStorage(2)[5], IndexError, "index 5 is not in a storage of size 2"),
        (lambda: bx.FloatStorage(2)[0:1], RuntimeError, "a slice as an index"),
    ):
        with pytest.raises(kind, match=part):
            wrong()


@pytest.mark.parametrize(
    "text",
    [
        "make(2, 3, dtype=torch.float32, device='cpu')",
        "make((4,), dtype=torch.float64, device='cpu', low=-1, high=1, noncontiguous=True)",
        "make([2, 2], dtype=torch.int64, device='cpu', low=0.5, high=3)",
        "make(30, dtype=torch.int32, device='cpu', exclude_zero=True)",
        "make(5, dtype=torch.bool, device='cpu')",
        "make(3, dtype=torch.float32, device='cpu', low=-float('inf'), high=float('inf'))",
        "torch.pca_lowrank(torch.randn(8, 5), q=3)[1]",
        "torch.svd_lowrank(torch.randn(3, 6), q=2, niter=3)[1]",
        "torch.svd_lowrank(torch.ones(4, 3), q=2, M=torch.eye(4, 3))[1]",
        "torch.convolution(torch.ones(1, 2, 4), torch.ones(3, 2, 2), None, [1], [1], [1], False,"
        " [0], 1)",
        "torch.convolution(torch.ones(1, 2, 4, 4), torch.ones(2, 1, 2, 2), torch.ones(2), [2, 2],"
        " [0, 0], [1, 1], True, [1, 1], 2)",
        "torch.clamp_(torch.arange(4.0), 1, 2)",
        "torch.nan_to_num_(torch.tensor([float('nan'), 1]))",
        "torch.index_put_(torch.zeros(3), (torch.tensor([1]),), torch.ones(1))",
        "torch.func.linearize(lambda x: x.sin() * 2, torch.ones(3))[1](torch.ones(3))",
        "torch.func.linearize(lambda x: x.sin() * 2, torch.ones(3))[0]",
    ],
)
def test_odd_names_give_what_pytorch_gives(text: str) -> None:
    def run(lib: Any) -> Any:
        lib.manual_seed(3)
        make = importlib.import_module(f"{lib.__name__}.testing").make_tensor
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return eval(text, {"torch": lib, "make": make})

    ours = run(bx)
    theirs = run(pytest.importorskip("torch"))
    assert str(ours.dtype) == str(theirs.dtype)
    assert ours.is_contiguous() == theirs.is_contiguous()
    np.testing.assert_allclose(ours.numpy(), theirs.numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ({"dtype": bx.int64, "requires_grad": True}, "floats"),
        ({"dtype": bx.float32, "low": 2, "high": 1}, "the lesser"),
        ({"dtype": bx.bool, "low": 5, "high": 6}, "outside"),
        ({"dtype": bx.float32, "noncontiguous": True, "memory_format": 1}, "exclude"),
    ],
)
def test_make_tensor_says_what_does_not_fit(options: Any, part: str) -> None:
    with pytest.raises(ValueError, match=part):
        bx.testing.make_tensor(2, device="cpu", **options)


def test_names_are_also_where_pytorch_keeps_them() -> None:
    from backprop_ext.amp.autocast_mode import autocast
    from backprop_ext.nn.common_types import _size_2_t
    from backprop_ext.nn.modules.flatten import Flatten
    from backprop_ext.nn.modules.loss import CTCLoss
    from backprop_ext.optim.adamw import AdamW

    assert (Flatten, CTCLoss, AdamW) == (nn.Flatten, nn.CTCLoss, bx.optim.AdamW)
    assert autocast is bx.amp.autocast
    assert _size_2_t is not None
    shown = [bx.Size, bx.dtype, bx.device, bx.FloatTensor]
    assert [str(kind) for kind in shown] == [
        f"<class 'backprop_ext.{name}'>" for name in ("Size", "dtype", "device", "FloatTensor")
    ]


def test_what_libraries_ask_of_gpus_and_processes_is_there() -> None:
    from backprop_ext.cuda.random import manual_seed
    from backprop_ext.nn.parallel.scatter_gather import gather, scatter
    from backprop_ext.utils.checkpoint import get_device_states, set_device_states

    manual_seed(0)
    assert not bx.cuda._initialized
    for share in (gather, scatter):
        with pytest.raises(RuntimeError, match="no GPU"):
            share(bx.ones(2), [0])
    set_device_states(*get_device_states(bx.ones(2)))
    assert bx.distributed.ReduceOp.SUM is not bx.distributed.ReduceOp.MAX
    assert bx.ones(2, dtype=bx.bool).type(bx.Tensor).dtype == bx.float32


def greet(rank: int, answers: Any) -> None:
    answers.put(rank)
    if rank > 1:
        raise SystemExit(3)


def test_spawn_runs_a_function_in_processes() -> None:
    answers = multiprocessing.get_context("fork").Queue()
    multiprocessing.spawn(greet, (answers,), nprocs=2, start_method="fork")
    assert sorted(answers.get() for _ in range(2)) == [0, 1]
    with pytest.raises(multiprocessing.ProcessExitedException, match=r"process 2 .* exit code 3"):
        multiprocessing.spawn(greet, (answers,), nprocs=3, start_method="fork")


def test_scalars_are_written_for_tensorboard(tmp_path: Any) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_file_loader import EventFileLoader

    from backprop_ext.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", bx.tensor(0.5), 7)
        writer.add_histogram("weights", bx.arange(4.0), 8)
        for name in ("add_graph", "add_custom_scalars"):
            with pytest.warns(UserWarning, match=f"{name} writes nothing"):
                getattr(writer, name)(None)
    (path,) = tmp_path.iterdir()
    values = [(v.tag, e.step) for e in EventFileLoader(str(path)).Load() for v in e.summary.value]
    assert values == [("loss", 7), ("weights", 8)]


def test_forked_function_is_run_at_once() -> None:
    assert jit.wait(jit.fork(same, bx.ones(2))).tolist() == [2.0, 2.0]


def test_gpu_that_is_not_there_says_so() -> None:
    assert (bx.cuda.get_rng_state_all(), bx.cuda.memory_stats()) == ([], {})
    bx.cuda.set_rng_state_all([])
    with bx.cuda.stream(None), bx.cuda.device(None), bx.cuda.device_of(bx.ones(1)):
        pass
    for asked in (bx.cuda.get_device_capability, bx.cuda.current_stream, bx.cuda.mem_get_info):
        with pytest.raises(AssertionError, match="cuda"):
            asked()
    with pytest.raises(AssertionError, match="cuda"), bx.cuda.device(0):
        pass
    for kind in (bx.cuda.Event, bx.cuda.Stream):
        with pytest.raises(RuntimeError, match="there is no GPU"):
            kind(enable_timing=True)
    assert bx.set_flush_denormal(True) is False
    assert bx.is_storage(bx.ones(1).storage())


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: bx.meshgrid(bx.ones(2), bx.ones(2)), UserWarning),
        (lambda: nn.KLDivLoss()(bx.zeros(2, 2), bx.ones(2, 2)), UserWarning),
        (lambda: bx.ones(1, 2, 3).T, UserWarning),
        (lambda: nn.functional.upsample(bx.ones(1, 1, 2), 4), UserWarning),
        (lambda: nn.functional.affine_grid(bx.ones(1, 2, 3), (1, 1, 2, 2)), UserWarning),
        (lambda: nn.utils.weight_norm(nn.Linear(1, 1)), FutureWarning),
    ],
)
def test_what_pytorch_warns_of(call: Any, kind: type[Warning]) -> None:
    with pytest.warns(kind):
        call()
