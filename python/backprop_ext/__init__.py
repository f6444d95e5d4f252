"""PyTorch's training API for small networks on the CPU: `import backprop_ext as torch`."""

from __future__ import annotations

from math import e, inf, nan, pi
from sys import modules as _modules
from typing import TYPE_CHECKING

from . import (
    _core,
    _foreach,
    _samples,
    _shared,
    _switches,
    autograd,
    functional,
    linalg,
    nn,
    optim,
    random,
    special,
)
from ._core import *  # noqa: F403 (every registered op, under its own name)
from ._core import Tensor
from ._device import device
from ._foreach import *  # noqa: F403
from ._interop import asarray, from_dlpack, frombuffer
from ._layout import (
    channels_last,
    channels_last_3d,
    contiguous_format,
    layout,
    memory_format,
    preserve_format,
    sparse_coo,
    sparse_csc,
    sparse_csr,
    strided,
)
from ._legacy import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    range,
)
from ._lowrank import pca_lowrank, svd_lowrank
from ._names import guard_methods, guard_module, missing_from
from ._samples import *  # noqa: F403
from ._segments import segment_reduce
from ._shared import *  # noqa: F403
from ._size import Size
from ._switches import *  # noqa: F403
from ._tensor import is_tensor, numel
from ._tensor_kind import *  # noqa: F403 (attaches methods)
from ._tensor_str import get_printoptions, printoptions, set_printoptions
from .autograd.anomaly_mode import is_anomaly_enabled
from .autograd.grad_mode import (
    enable_grad,
    inference_mode,
    is_grad_enabled,
    is_inference_mode_enabled,
    no_grad,
    set_grad_enabled,
)
from .functional import (  # type: ignore[no-redef,assignment]
    broadcast_shapes,
    einsum,
    tensordot,
    unravel_index,
)
from .random import get_rng_state, initial_seed, manual_seed, seed, set_rng_state
from .serialization import load, save
from .storage import TypedStorage, UntypedStorage
from .torch_version import TorchVersion

if TYPE_CHECKING:
    from . import accelerator as accelerator
    from . import amp as amp
    from . import ao as ao
    from . import backends as backends
    from . import compiler as compiler
    from . import cpu as cpu
    from . import cuda as cuda
    from . import distributed as distributed
    from . import distributions as distributions
    from . import estimators as estimators
    from . import explain as explain
    from . import fft as fft
    from . import func as func
    from . import functorch as functorch
    from . import futures as futures
    from . import fx as fx
    from . import hub as hub
    from . import jit as jit
    from . import keras as keras
    from . import multiprocessing as multiprocessing
    from . import onnx as onnx
    from . import overrides as overrides
    from . import profiler as profiler
    from . import quantization as quantization
    from . import safetensors as safetensors
    from . import sparse as sparse
    from . import training as training
    from . import utils as utils
    from . import version as version
    from ._capture import capture as capture
    from ._vmap import vmap as vmap
    from .amp import GradScaler as GradScaler
    from .amp import autocast as autocast
    from .amp import get_autocast_dtype as get_autocast_dtype
    from .amp import is_autocast_enabled as is_autocast_enabled
    from .distributions._draws import binomial as binomial
    from .futures import Future as Future
    from .sparse._create import sparse_compressed_tensor as sparse_compressed_tensor
    from .sparse._create import sparse_coo_tensor as sparse_coo_tensor
    from .sparse._create import sparse_csc_tensor as sparse_csc_tensor
    from .sparse._create import sparse_csr_tensor as sparse_csr_tensor

# The interface is that of PyTorch 2.13; what follows is the package's own version.
__version__ = TorchVersion("2.13.0+bx0.1.0")

float = _core.float32  # PyTorch's names: from here on they hide the builtins
double = _core.float64
cfloat = _core.complex64
cdouble = _core.complex128
half = _core.float16
newaxis = None
# What PyTorch imports for itself, and scripts take from there: torch.torch, torch.functional.F.
_VF = torch = _modules[__name__]
functional.F = nn.functional  # type: ignore[attr-defined]
int = _core.int32
long = _core.int64
short = _core.int16

__all__ = [
    "BFloat16Tensor",
    "BoolTensor",
    "ByteTensor",
    "CharTensor",
    "DoubleTensor",
    "FloatTensor",
    "HalfTensor",
    "IntTensor",
    "LongTensor",
    "ShortTensor",
    "Size",
    "Tensor",
    "TypedStorage",
    "UntypedStorage",
    "asarray",
    "autograd",
    "broadcast_shapes",
    "cdouble",
    "cfloat",
    "channels_last",
    "channels_last_3d",
    "contiguous_format",
    "device",
    "double",
    "e",
    "einsum",
    "enable_grad",
    "float",
    "from_dlpack",
    "frombuffer",
    "functional",
    "get_printoptions",
    "get_rng_state",
    "half",
    "inf",
    "inference_mode",
    "initial_seed",
    "int",
    "is_anomaly_enabled",
    "is_grad_enabled",
    "is_inference_mode_enabled",
    "is_tensor",
    "layout",
    "linalg",
    "load",
    "long",
    "manual_seed",
    "memory_format",
    "nan",
    "newaxis",
    "nn",
    "no_grad",
    "numel",
    "optim",
    "pca_lowrank",
    "pi",
    "preserve_format",
    "printoptions",
    "random",
    "range",
    "save",
    "seed",
    "segment_reduce",
    "set_grad_enabled",
    "set_printoptions",
    "set_rng_state",
    "short",
    "sparse_coo",
    "sparse_csc",
    "sparse_csr",
    "special",
    "strided",
    "svd_lowrank",
    "tensordot",
    "unravel_index",
]
__all__ += _core.__all__
__all__ += _foreach.__all__
__all__ += _samples.__all__
__all__ += _shared.__all__
__all__ += _switches.__all__


# Imported when they are first asked for.
_lazy = [
    "_C",
    "_dynamo",
    "_jit_internal",
    "__config__",
    "__future__",
    "accelerator",
    "amp",
    "ao",
    "backends",
    "compiler",
    "cpu",
    "cuda",
    "distributed",
    "distributions",
    "estimators",
    "explain",
    "fft",
    "func",
    "functorch",
    "futures",
    "fx",
    "hub",
    "jit",
    "keras",
    "library",
    "masked",
    "mps",
    "multiprocessing",
    "onnx",
    "overrides",
    "profiler",
    "quantization",
    "quasirandom",
    "safetensors",
    "signal",
    "sparse",
    "testing",
    "training",
    "types",
    "utils",
    "version",
    "xpu",
]
_elsewhere = {
    ".storage": """
        BFloat16Storage BoolStorage ByteStorage CharStorage DoubleStorage FloatStorage HalfStorage
        IntStorage LongStorage ShortStorage is_storage
    """,
    "._control": """
        cond sym_float sym_int sym_ite sym_max sym_min sym_not sym_sqrt sym_sum while_loop
    """,
    "._native": """
        adaptive_max_pool1d addmv_ affine_grid_generator alias_copy alpha_dropout_
        as_strided_ binary_cross_entropy_with_logits conv_tbc cosine_embedding_loss
        ctc_loss detach_copy dropout_ embedding_bag feature_alpha_dropout_
        feature_dropout_ gcd_ grid_sampler grid_sampler_2d grid_sampler_3d
        hinge_embedding_loss is_conj is_distributed is_neg kl_div lcm_ ldexp_ logit_
        margin_ranking_loss max_pool1d_with_indices native_batch_norm
        native_channel_shuffle native_dropout native_group_norm native_layer_norm
        norm_except_dim poisson_nll_loss rrelu_ slice_copy to_dlpack triplet_margin_loss
        view_as_complex_copy view_as_real_copy
    """,
}
__getattr__ = missing_from(
    "torch",
    globals(),
    {name: f".{name}" for name in _lazy}
    | {
        "Future": ".futures",
        "GradScaler": ".amp",
        "OutOfMemoryError": ".cuda",
        "clear_autocast_cache": ".amp",
        "autocast": ".amp",
        "capture": "._capture",
        "get_autocast_dtype": ".amp",
        "_segment_reduce": "._segments",
        "ops": ".library",
        "vmap": "._vmap",
    }
    | dict.fromkeys(("_sample_dirichlet", "_standard_gamma", "binomial"), ".distributions._draws")
    | dict.fromkeys(
        (
            "_convert_indices_from_coo_to_csr",
            "_convert_indices_from_csr_to_coo",
            "sparse_compressed_tensor",
            "sparse_coo_tensor",
            "sparse_csc_tensor",
            "sparse_csr_tensor",
        ),
        ".sparse._create",
    )
    | {f"fake_quantize_per_{part}_affine": "._fake_quantize" for part in ("channel", "tensor")}
    | {"fused_moving_avg_obs_fake_quant": "._fake_quantize"}
    | dict.fromkeys(
        (
            "per_channel_affine",
            "per_channel_affine_float_qparams",
            "per_channel_symmetric",
            "per_tensor_affine",
            "per_tensor_symmetric",
            "qscheme",
            "quantize_per_channel",
            "quantize_per_tensor",
            "quantize_per_tensor_dynamic",
        ),
        "._quantized",
    )
    | dict.fromkeys(("hspmm", "smm", "spmm"), ".sparse._products")
    | {name: place for place, names in _elsewhere.items() for name in names.split()}
    | {f"is_autocast_{asked}": ".amp" for asked in ("enabled", "cpu_enabled", "cache_enabled")},
)
# Types that scripts show: <class 'backprop_ext.Size'>, as PyTorch says <class 'torch.Size'>.
for _type in (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
    Size,
    device,
    finfo,  # noqa: F405
    iinfo,  # noqa: F405
    layout,
    memory_format,
    _core.dtype,
):
    _type.__module__ = __name__
_core.Generator.__module__ = f"{__name__}._C"
guard_methods(Tensor)
for _module in (
    autograd,
    nn,
    nn.functional,
    nn.init,
    nn.utils,
    optim,
    optim.lr_scheduler,
    linalg,
    special,
):
    guard_module(_module)
