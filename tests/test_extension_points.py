"""What packages that are built on PyTorch take hold of: inner names, subclasses, odd states."""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import pytest

import backprop_ext as bx
from backprop_ext import nn
from backprop_ext.distributions import Distribution
from backprop_ext.nn.utils import stateless
from backprop_ext.utils.data import DataLoader, TensorDataset


def through_a_file(obj: Any) -> Any:
    file = io.BytesIO()
    bx.save(obj, file)
    file.seek(0)
    return bx.load(file, weights_only=False)


class Named(bx.Tensor):
    label: str

    @staticmethod
    def __new__(cls, data: Any, label: str) -> Any:
        made = bx.Tensor._make_subclass(cls, data, True)
        made.label = label
        return made


def test_a_tensor_of_a_class_of_ones_own() -> None:
    values = bx.ones(2)
    point = Named(values, "p")
    assert type(point) is Named
    assert point.label == "p"
    assert point.requires_grad
    assert point.data_ptr() == values.data_ptr()
    (point * 2).sum().backward()
    assert point.grad is not None
    assert point.grad.tolist() == [2.0, 2.0]


class OnSphere(nn.Parameter):
    def __new__(cls, data: Any, radius: float = 1.0) -> Any:
        return super().__new__(cls, data * (radius / data.norm()))


def test_a_parameter_of_a_class_of_ones_own() -> None:
    assert OnSphere(bx.ones(4), radius=2.0).tolist() == [1.0] * 4


def test_set_moves_a_tensor_onto_other_memory() -> None:
    x, source = bx.zeros(2), bx.arange(6.0)
    assert x.set_(source) is x
    assert x.data_ptr() == source.data_ptr()
    assert x.shape == (6,)
    assert x.set_(source.storage(), 1, (2, 2)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.set_(source, 1, (2, 2), (2, 1)).tolist() == [[1.0, 2.0], [3.0, 4.0]]
    assert x.set_().shape == (0,)
    weight = bx.zeros(2, requires_grad=True)
    with pytest.raises(RuntimeError, match="requires grad"):
        weight.set_(source)
    with bx.no_grad():
        weight.set_(source)
    assert weight.tolist() == source.tolist()
    assert weight.requires_grad
    with pytest.raises(RuntimeError, match="float32"):
        bx.zeros(2).set_(bx.arange(3))
    with pytest.raises(TypeError):
        bx.zeros(2).set_(3)


def test_the_size_of_a_storage_counts_its_bytes() -> None:
    assert sys.getsizeof(bx.zeros(1000).untyped_storage()) >= 4000


class Renamed(nn.Module):
    """A property under the name that a parameter was given first."""

    def __init__(self) -> None:
        super().__init__()
        self.k = nn.Parameter(bx.ones(1))
        self.register_parameter("log_k", self._parameters.pop("k"))

    @property
    def k(self) -> Any:
        return self.log_k.exp()

    @k.setter
    def k(self, value: Any) -> None:
        raise AssertionError


def test_a_parameter_may_have_the_name_of_a_property() -> None:
    module = Renamed()
    assert [name for name, _ in module.named_parameters()] == ["log_k"]
    assert module.k.item() == pytest.approx(np.e)


def test_a_block_with_other_parameters() -> None:
    net = nn.Linear(2, 1)
    before = net.weight
    with stateless._reparametrize_module(net, {"weight": bx.zeros(1, 2)}):
        assert net.weight.tolist() == [[0.0, 0.0]]
    assert net.weight is before
    block = stateless._reparametrize_module(net, {"weight": before}, strict=True)
    with pytest.raises(RuntimeError, match="bias"), block:
        pass


class WholeBatches(DataLoader[Any]):
    """Asks the dataset for a batch at a time."""

    @property
    def _auto_collation(self) -> bool:
        return False

    @property
    def _index_sampler(self) -> Any:
        return self.batch_sampler


def test_a_loader_that_does_not_collate() -> None:
    data = TensorDataset(bx.arange(5))
    loader = WholeBatches(data, 2, collate_fn=lambda batch: batch)
    assert [batch[0].tolist() for batch in loader] == [[0, 1], [2, 3], [4]]
    assert len(loader) == 3


class Counted(nn.Module):
    """With a __new__ of its own, which its state does not need."""

    def __new__(cls, count: int = 0) -> Any:
        return super().__new__(cls)

    def __init__(self, count: int = 0) -> None:
        super().__init__()
        self.count = count


class Wanting:
    def __new__(cls, value: int) -> Any:
        return super().__new__(cls)

    def __getnewargs__(self) -> tuple[int]:
        return (1,)


def test_an_object_is_loaded_without_its_new() -> None:
    assert through_a_file(Counted(3)).count == 3
    with pytest.raises(TypeError, match="state alone"):
        bx.save(Wanting(1), io.BytesIO())


@pytest.mark.parametrize(
    "array",
    [
        np.arange(3, dtype="u4"),
        np.array(["a", "bc"]),
        np.array([["2020-01-01"]], "M8[D]"),
        np.uint64(2**63),
        np.array(3, "u2"),
    ],
)
def test_arrays_of_types_that_tensors_do_not_have_survive(array: Any) -> None:
    loaded = through_a_file({"array": array})["array"]
    assert type(loaded) is type(array)
    assert loaded.dtype == array.dtype
    assert np.array_equal(loaded, array)
    state = np.random.get_state()
    for mine, theirs in zip(through_a_file(state), state, strict=True):
        assert np.array_equal(mine, theirs)


def test_arrays_of_objects_are_not_saved() -> None:
    with pytest.raises(TypeError, match="ndarray"):
        bx.save(np.array([None]), io.BytesIO())


class Odd(Distribution):
    arg_constraints: Any = {}  # noqa: RUF012


def test_shapes_of_a_distribution_are_kept_as_they_are_given() -> None:
    assert Odd((2,), ((3,),), validate_args=False).event_shape == ((3,),)  # type: ignore[arg-type]


def test_draws_by_their_inner_names() -> None:
    shape = bx.ones(2, 3, requires_grad=True)
    assert bx._standard_gamma(shape).requires_grad
    assert bx.allclose(bx._sample_dirichlet(shape).sum(-1), bx.ones(2))


def test_types_that_nothing_is_of() -> None:
    assert not isinstance(bx.jit.script(abs), bx.jit.ScriptFunction)
    assert not bx._C._is_tracing()
    assert bx._C._get_default_device() == "cpu"
    with pytest.raises(RuntimeError, match="no GPU"):
        bx.cuda.CUDAGraph()
    assert issubclass(bx.jit.TracerWarning, Warning)
    assert not bx.onnx.is_in_onnx_export()
    with pytest.raises(NotImplementedError, match="graph"):
        bx.onnx.export(nn.Linear(1, 1), bx.ones(1))


def test_modules_of_names() -> None:
    from backprop_ext.jit.annotations import BroadcastingList2, List
    from backprop_ext.nn.modules.utils import _ntuple
    from backprop_ext.serialization import DEFAULT_PROTOCOL
    from backprop_ext.utils.data._utils.collate import collate_tensor_fn, np_str_obj_array_pattern
    from backprop_ext.utils.data._utils.worker import get_worker_info
    from backprop_ext.utils.data.dataloader import _collate_fn_t, _worker_init_fn_t

    assert BroadcastingList2[int] is None
    assert all((List, _collate_fn_t, _worker_init_fn_t))
    assert _ntuple(5, "_penta")(1) == (1,) * 5
    assert DEFAULT_PROTOCOL == 2
    assert get_worker_info() is None
    assert collate_tensor_fn([bx.ones(2), bx.zeros(2)]).shape == (2, 2)
    assert np_str_obj_array_pattern.search(np.array(["a"]).dtype.str)


def test_modules_one_after_the_other() -> None:
    double, shift = (lambda x: 2 * x), (lambda x, by=0: x + by)
    out = nn.parallel.parallel_apply([double, shift], [bx.ones(1), (bx.ones(1),)], [{}, {"by": 3}])
    assert [float(value) for value in out] == [2.0, 4.0]
    with pytest.raises(AssertionError, match="as many"):
        nn.parallel.parallel_apply([double], [])


@pytest.mark.parametrize(("set_to", "mode"), [("warn", 1), (2, 2), ("default", 0)])
def test_the_mode_that_was_set_is_told(set_to: Any, mode: int) -> None:
    bx.set_deterministic_debug_mode(set_to)
    assert bx.get_deterministic_debug_mode() == mode


def test_a_print_of_a_class_of_ones_own() -> None:
    from backprop_ext._tensor_str import PRINT_OPTS, _add_suffixes, _tensor_str

    text = _add_suffixes("Index(" + _tensor_str(bx.arange(3), 6), ["sorted=True"], 6)
    assert text == "Index([0, 1, 2], sorted=True)"
    with bx.printoptions(precision=2):
        assert PRINT_OPTS.precision == 2
    assert PRINT_OPTS.edgeitems == 3


def test_rows_by_their_ends_and_one_by_one() -> None:
    rows, columns = bx.tensor([0, 0, 2, 3, 3]), bx.tensor([1, 2, 3, 4, 0])
    ends = bx._convert_indices_from_coo_to_csr(rows, 5)
    assert ends.tolist() == [0, 2, 2, 3, 5, 5]
    both = bx._convert_indices_from_csr_to_coo(ends, columns, out_int32=True)
    assert both.dtype == bx.int32
    assert both.tolist() == [rows.tolist(), columns.tolist()]
    turned = bx._convert_indices_from_csr_to_coo(ends, columns, transpose=True)
    assert turned.tolist() == [columns.tolist(), rows.tolist()]
    assert bx._segment_reduce(bx.arange(4.0), "amax", offsets=bx.tensor([0, 1, 4])).tolist() == [
        0,
        3,
    ]


def test_products_of_a_sparse_matrix_may_be_compared() -> None:
    a, b = bx.tensor([[1.0, 2.0], [0.0, 3.0]]), bx.tensor([[1.0], [-1.0]])
    assert bx.sparse.mm(a.to_sparse(), b, "max").tolist() == [[1.0], [-3.0]]
    assert bx.sparse.mm(a.to_sparse(), b, "min").tolist() == [[-2.0], [-3.0]]


def test_flags_are_told_to_be_frozen() -> None:
    assert not bx.backends.flags_frozen()
    bx.backends.disable_global_flags()
    assert bx.backends.flags_frozen()
    bx.backends._state["frozen"] = False


@pytest.mark.parametrize("workers", [0, 1])
def test_the_pass_of_a_loader_may_be_made_otherwise(workers: int) -> None:
    from backprop_ext.utils.data import dataloader

    class Twice(DataLoader[Any]):
        def _get_iterator(self) -> Any:
            yield from super()._get_iterator()
            yield from super()._get_iterator()

    loader = Twice(TensorDataset(bx.arange(2)), num_workers=workers)
    assert [batch[0].item() for batch in loader] == [0, 1, 0, 1]
    kinds = (dataloader._SingleProcessDataLoaderIter, dataloader._MultiProcessingDataLoaderIter)
    one = DataLoader.__iter__(DataLoader(TensorDataset(bx.arange(2)), num_workers=workers))
    assert isinstance(one, dataloader._BaseDataLoaderIter)
    assert isinstance(one, kinds[workers])


def test_two_tensors_change_places() -> None:
    a, b = bx.arange(2), bx.arange(3.0)
    bx.utils.swap_tensors(a, b)
    assert a.tolist() == [0, 1, 2]
    assert b.dtype == bx.int64
    layer = bx.nn.Linear(2, 1, bias=False)
    optimizer = bx.optim.SGD(layer.parameters(), lr=0.5)
    other = bx.nn.Parameter(bx.full((1, 2), 5.0))
    other.mark = 1  # type: ignore[attr-defined]
    bx.utils.swap_tensors(layer.weight, other)
    layer(bx.ones(1, 2)).sum().backward()
    optimizer.step()
    assert layer.weight.tolist() == [[4.5, 4.5]]
    assert layer.weight.mark == 1
    assert not hasattr(other, "mark")
    bx.__future__.set_swap_module_params_on_conversion(True)
    assert bx.__future__.get_swap_module_params_on_conversion()
    bx.__future__.set_swap_module_params_on_conversion(False)


def test_a_function_with_a_forward_derivative_alone() -> None:
    class Square(bx.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any, k: float) -> Any:
            ctx.save_for_forward(x)
            ctx.k = k
            return x * x * k

        @staticmethod
        def jvp(ctx: Any, t: Any, _: Any) -> Any:
            return 2 * ctx.saved_tensors[0] * t * ctx.k

    x = bx.tensor([1.0, 2.0], requires_grad=True)
    with bx.autograd.forward_ad.dual_level():
        dual = bx.autograd.forward_ad.make_dual(x.detach(), bx.tensor([1.0, 10.0]))
        out = bx.autograd.forward_ad.unpack_dual(Square.apply(dual, 3.0))
    assert out.tangent is not None
    assert out.tangent.tolist() == [6, 120]
    with pytest.raises(NotImplementedError, match="backward"):
        Square.apply(x, 3.0).sum().backward()
