"""ShapeProp notes the shape and type of each node's result."""

from __future__ import annotations

from typing import Any, NamedTuple

from ..._core import Tensor
from ..._layout import channels_last, channels_last_3d, contiguous_format, strided
from ..interpreter import Interpreter
from ..node import Node, map_aggregate

__all__ = ["ShapeProp", "TensorMetadata"]


class TensorMetadata(NamedTuple):
    """What is known of a tensor without its values."""

    shape: Any
    dtype: Any
    requires_grad: bool
    stride: tuple[int, ...]
    memory_format: Any
    is_quantized: bool
    qparams: dict[str, Any]


def _extract_tensor_metadata(result: Any) -> TensorMetadata:
    plain = result.layout == strided
    laid = None
    for wanted, dims in ((contiguous_format, None), (channels_last, 4), (channels_last_3d, 5)):
        if plain and laid is None and dims in (None, result.ndim):
            laid = wanted if result.is_contiguous(memory_format=wanted) else None
    known: dict[str, Any] = {}
    if result.is_quantized:
        known["qscheme"] = result.qscheme()
        if "tensor" in str(known["qscheme"]):
            known |= {"scale": result.q_scale(), "zero_point": result.q_zero_point()}
        else:
            known["scale"] = result.q_per_channel_scales().tolist()
            known["zero_point"] = result.q_per_channel_zero_points().tolist()
            known["axis"] = result.q_per_channel_axis()
    return TensorMetadata(
        result.shape,
        result.dtype,
        result.requires_grad,
        result.stride() if plain else (),
        laid,
        result.is_quantized,
        known,
    )


class ShapeProp(Interpreter):
    """`propagate(*args)` runs a GraphModule; node.meta["tensor_meta"] says what came out."""

    def run_node(self, n: Node) -> Any:
        try:
            result = super().run_node(n)
        except Exception as error:
            raise RuntimeError(
                f"[ShapeProp] error for node={n.format_node()} with meta={n.meta}: {error}"
            ) from error
        found = False

        def noted(value: Any) -> Any:
            nonlocal found
            found = found or isinstance(value, Tensor)
            return _extract_tensor_metadata(value) if isinstance(value, Tensor) else value

        meta = map_aggregate(result, noted)
        if found:
            n.meta["tensor_meta"] = meta
        n.meta["type"] = type(result)
        return result

    def propagate(self, *args: Any) -> Any:
        """Run the module and note what each node gives; its result."""
        return self.run(*args)
