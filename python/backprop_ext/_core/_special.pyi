# Made by tools/make_stub.py from the registry of operations.
from collections.abc import Sequence
from typing import overload

from backprop_ext._return_types import ValuesIndices

from . import Generator, Tensor, _bool, _DType, _int, _Operand


__all__ = [
]
