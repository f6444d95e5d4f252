"""What a method of pruning is, how it gets onto a module, and several of them on one tensor."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from .... import _core

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...._core import Tensor
    from ...modules.module import Module

__all__ = ["BasePruningMethod", "PruningContainer"]


class BasePruningMethod(ABC):
    """A way to prune: compute_mask(t, default_mask) is 1 where an element stays, 0 where it goes.

    PRUNING_TYPE says what a further round sees of a tensor that is pruned already: "unstructured"
    the elements that are left, "structured" the channels along `dim` that are, "global" all.
    """

    PRUNING_TYPE = "unstructured"
    _tensor_name: str | None = None

    def __call__(self, module: Module, inputs: Any) -> None:
        setattr(module, self._name(), self.apply_mask(module))

    @abstractmethod
    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        """The mask for t, of which default_mask holds what earlier rounds decided."""

    def _name(self) -> str:
        if self._tensor_name is None:
            raise AssertionError(
                f"[{type(self).__name__}] it is on no module yet; apply() it to one"
            )
        return self._tensor_name

    def apply_mask(self, module: Module) -> Tensor:
        """weight_mask * weight_orig, differentiable to weight_orig."""
        orig: Tensor = getattr(module, f"{self._name()}_orig")
        mask: Tensor = getattr(module, f"{self._name()}_mask")
        return mask.to(orig.dtype) * orig

    @classmethod
    def apply(
        cls,
        module: Module,
        name: str,
        *args: Any,
        importance_scores: Tensor | None = None,
        **kwargs: Any,
    ) -> BasePruningMethod:
        """Prune module.name, by importance_scores instead of its values; a hook keeps it so.

        On top of an earlier method both go on in a PruningContainer, which is returned.
        """
        method: BasePruningMethod = cls(*args, **kwargs)
        method._tensor_name = name
        tensor: Tensor = getattr(module, name)
        scores = _scores(name, tensor, importance_scores)
        key, old = find(module, name)
        if old is None:
            mask = method.compute_mask(scores, _core.ones_like(tensor.detach()))
            module.register_parameter(f"{name}_orig", module._parameters.pop(name))
        else:
            method = PruningContainer(*_methods(old), method)
            method._tensor_name = name
            kept: Tensor = getattr(module, f"{name}_mask")
            mask = method.compute_mask(scores, kept.detach().clone())
            del module._forward_pre_hooks[key]
        module.register_buffer(f"{name}_mask", mask)
        method(module, ())
        module.register_forward_pre_hook(method)
        return method

    def prune(
        self,
        t: Tensor,
        default_mask: Tensor | None = None,
        importance_scores: Tensor | None = None,
    ) -> Tensor:
        """t times the mask for it, without a module."""
        scores = _scores("t", t, importance_scores)
        mask = _core.ones_like(t.detach()) if default_mask is None else default_mask
        return t * self.compute_mask(scores, mask)

    def remove(self, module: Module) -> None:
        """Make the pruned tensor a parameter again; the elements that went stay 0."""
        name = self._name()
        pruned = self.apply_mask(module)
        delattr(module, name)
        orig: Any = module._parameters.pop(f"{name}_orig")
        orig.data = pruned.data
        del module._buffers[f"{name}_mask"]
        setattr(module, name, orig)


def _scores(name: str, tensor: Tensor, importance_scores: Tensor | None) -> Tensor:
    if importance_scores is None:
        return tensor.detach()
    if importance_scores.shape != tensor.shape:
        raise AssertionError(
            f"[prune] importance_scores have shape {tuple(importance_scores.shape)}, {name} "
            f"{tuple(tensor.shape)}; pass one score for each element"
        )
    return importance_scores.detach()


def find(module: Module, name: str) -> tuple[Any, BasePruningMethod | None]:
    """The key and the method of the hook that prunes module.name."""
    for key, hook in module._forward_pre_hooks.items():
        if isinstance(hook, BasePruningMethod) and hook._tensor_name == name:
            return key, hook
    return None, None


def _methods(method: BasePruningMethod) -> tuple[BasePruningMethod, ...]:
    return tuple(method) if isinstance(method, PruningContainer) else (method,)


class PruningContainer(BasePruningMethod):
    """Several methods, one after the other, on one tensor; the last one extends the mask."""

    def __init__(self, *methods: BasePruningMethod) -> None:
        self._pruning_methods: tuple[BasePruningMethod, ...] = ()
        if methods:
            self._tensor_name = methods[0]._tensor_name
        for method in methods:
            self.add_pruning_method(method)

    def add_pruning_method(self, method: Any) -> None:
        """Raises TypeError for what is no method, ValueError for one of another tensor."""
        if not isinstance(method, BasePruningMethod):
            raise TypeError(
                f"[PruningContainer] a {type(method).__name__} was added; pass a BasePruningMethod"
            )
        if method._tensor_name != self._tensor_name:
            raise ValueError(
                f"[PruningContainer] it prunes {self._tensor_name!r}, the method prunes "
                f"{method._tensor_name!r}; keep a container for each"
            )
        self._pruning_methods += (method,)

    def __len__(self) -> int:
        return len(self._pruning_methods)

    def __iter__(self) -> Iterator[BasePruningMethod]:
        return iter(self._pruning_methods)

    def __getitem__(self, index: Any) -> Any:
        return self._pruning_methods[index]

    def compute_mask(self, t: Tensor, default_mask: Tensor) -> Tensor:
        method = self._pruning_methods[-1]
        kind = method.PRUNING_TYPE
        if kind == "unstructured":
            left: Any = default_mask == 1
        elif kind == "structured":
            dim = checked_dim(t, method.dim)  # type: ignore[attr-defined]
            others = [d for d in range(t.ndim) if d != dim]
            left = (*(slice(None),) * dim, default_mask.sum(others) != 0)
        elif kind == "global":
            left = ...
        else:
            raise ValueError(
                f"[PruningContainer] PRUNING_TYPE is {kind!r}; expected 'unstructured', "
                "'structured' or 'global'"
            )
        mask = default_mask.to(t.dtype, copy=True)
        mask[left] = method.compute_mask(t[left], default_mask[left]).to(mask.dtype)
        return mask


def checked_dim(t: Tensor, dim: int) -> int:
    if dim >= t.ndim or dim < -t.ndim:
        raise IndexError(
            f"[prune] dim is {dim}, the tensor has shape {tuple(t.shape)}; "
            f"expected {-t.ndim} to {t.ndim - 1}"
        )
    return dim % t.ndim
