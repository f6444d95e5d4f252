"""What both estimators share: parameters, fitting, partial fitting, the network's outputs."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from .. import _core
from .._choice import choose
from .._interop import from_array
from ..random import fork_rng, get_rng_state, manual_seed, set_rng_state
from ..training import ClipByNorm, Loop, MaxEpoch, Patience, Progress, TriggerOr, Validation
from ..training.arrays import check_loss, loader, probe
from ..training.evaluate import predict
from ._network import ACTIVATIONS, Weighted, make_module, make_optimizer, perceptron

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from .._core import Tensor
    from ..nn.modules.module import Module
    from ..training import Metric, State

    Array = NDArray[Any]

__all__ = ["NeuralEstimator"]

_ROWS = 4096


class NeuralEstimator(BaseEstimator):  # type: ignore[misc]
    """Parameters and fitting; subclasses say what targets, losses and scores are."""

    module_: Module
    n_outputs_: int
    _generator: Tensor
    _loop: Loop

    def __init__(
        self,
        module: Any = None,
        *,
        hidden_layer_sizes: Any = (100,),
        activation: str = "relu",
        dropout: float = 0.0,
        loss: Any = None,
        optimizer: Any = "adam",
        learning_rate: float = 1e-3,
        optimizer_params: dict[str, Any] | None = None,
        batch_size: Any = "auto",
        max_iter: int = 200,
        shuffle: bool = True,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        max_norm: float | None = None,
        warm_start: bool = False,
        random_state: Any = None,
        verbose: bool = False,
    ) -> None:
        self.module = module
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.dropout = dropout
        self.loss = loss
        self.optimizer = optimizer
        self.learning_rate = learning_rate
        self.optimizer_params = optimizer_params
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.max_norm = max_norm
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    # What a subclass says

    def _losses(self) -> dict[str, Callable[[], Any]]:
        """The losses by name, the default one first."""
        raise NotImplementedError

    def _n_outputs(self) -> int:
        """How many outputs the network needs, once the targets were looked at."""
        raise NotImplementedError

    def _metric(self) -> Metric:
        """The score of the early stopping, more of it being better."""
        raise NotImplementedError

    def _strata(self, y: Array) -> Array | None:
        """What the held-out part is drawn alike in."""
        return None

    # Fitting

    def _start(self, X: Any, y: Any, reset: bool, **checks: Any) -> tuple[Array, Array]:
        """X and y, checked; parameters too."""
        self._check_parameters()
        X, y = validate_data(
            self, X, y, dtype=(np.float64, np.float32), multi_output=True, reset=reset, **checks
        )
        return X, y

    def _fit(self, X: Array, y: Array, weight: Array | None, partial: bool = False) -> None:
        """Train on encoded targets: anew, from the weights there are, or (partial) just on."""
        if weight is not None:
            # A sample of weight 0 is none, also where batches are counted and cut.
            used = weight != 0
            if not used.any() or (weight < 0).any():
                raise ValueError(
                    "[fit] sample_weight is negative or 0 for all samples; positive weights are "
                    "needed"
                )
            X, y, weight = X[used], y[used], weight[used]
        fitted = hasattr(self, "module_")
        with fork_rng():
            if fitted and (partial or self.warm_start):
                set_rng_state(self._generator)
                module = self.module_
            else:
                seed = check_random_state(self.random_state).randint(2**31 - 1)
                manual_seed(int(seed))
                module = self._new_module(X)
            loop = self._loop if partial and fitted else self._new_loop(module)
            self._train(loop, X, y, weight, partial)
            self._generator = get_rng_state()
        self.module_, self._loop = module, loop
        self.loss_curve_ = [row["loss"] for row in loop.state.history]
        self.loss_ = self.loss_curve_[-1]
        self.best_loss_ = min(self.loss_curve_)
        self.n_iter_ = loop.state.epoch

    def _new_module(self, X: Array) -> Module:
        n_inputs, n_outputs = X.shape[1], self._n_outputs()
        if self.module is None:
            sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist()
            module = perceptron(n_inputs, n_outputs, sizes, self.activation, self.dropout)
        else:
            module = make_module(self.module, n_inputs, n_outputs)
        return module.double() if X.dtype == np.float64 else module.float()

    def _new_loop(self, module: Module) -> Loop:
        losses = self._losses()
        given = next(iter(losses)) if self.loss is None else self.loss
        loss = choose("fit", "loss", given, losses)() if isinstance(given, str) else given
        if not callable(loss):
            raise TypeError(
                f"[fit] loss is a {type(loss).__name__}; pass a name, or a function of output and "
                "target"
            )
        optimizer = make_optimizer(
            self.optimizer, module, self.learning_rate, self.optimizer_params
        )
        return Loop(
            module,
            Weighted(loss),
            optimizer,
            clip=None if self.max_norm is None else ClipByNorm(self.max_norm),
        )

    def _train(self, loop: Loop, X: Array, y: Array, weight: Array | None, partial: bool) -> None:
        held_out, end = None, MaxEpoch(loop.state.epoch + (1 if partial else self.max_iter))
        if self.early_stopping and not partial:
            X, held_X, y, held_y, weight = self._split(X, y, weight)
            held_out = self._tensors(loop.module, held_X, held_y, None)
        tensors = self._tensors(loop.module, X, y, weight)
        loop.targets = len(tensors) - 1
        size = min(200, len(X)) if self.batch_size == "auto" else min(self.batch_size, len(X))
        output = probe(loop.module, tensors[:1])
        if tuple(output.shape) != (1, self._n_outputs()):
            raise ValueError(
                f"[fit] the module makes {tuple(output.shape)} of one sample, (1, "
                f"{self._n_outputs()}) is needed; change its last layer"
            )
        check_loss(loop.step.loss, output, tensors[1:], size)
        validation, best = None, _Best(loop.module)
        if held_out is not None:
            validation = Validation(loader(held_out, _ROWS), [self._metric()])
        patience = Patience(
            self.n_iter_no_change, self.tol, on_score=validation is not None, higher_is_better=True
        )
        callbacks: list[Callable[[State], object]] = [best] if validation else []
        if self.verbose:
            callbacks.append(Progress())
        loop.run(
            loader(tensors, size, self.shuffle),
            end if partial else TriggerOr(end, patience),
            validation=validation,
            callbacks=callbacks,
        )
        if validation is not None:
            best.restore()
            self.validation_scores_ = best.scores
            self.best_validation_score_ = max(best.scores)
        if not partial and patience.since < self.n_iter_no_change:
            warnings.warn(
                f"[fit] the loss still fell after max_iter={self.max_iter} epochs; raise max_iter "
                "or learning_rate",
                ConvergenceWarning,
                stacklevel=4,
            )

    def _split(self, X: Array, y: Array, weight: Array | None) -> Any:
        seed = int(_core.randint(2**31 - 1, (1,)).item())
        parts = train_test_split(
            *(part for part in (X, y, weight) if part is not None),
            test_size=self.validation_fraction,
            random_state=seed,
            stratify=self._strata(y),
        )
        return (*parts[:5], None)[:5]

    def _tensors(self, module: Module, X: Array, y: Array, weight: Array | None) -> list[Tensor]:
        """The network's input, target and weight: copies that it may keep."""
        dtype = _core.float64 if X.dtype == np.float64 else _core.float32
        module.to(dtype)
        floating = y.dtype.kind == "f"
        tensors = [from_array(X, dtype=dtype)]
        tensors.append(from_array(y, dtype=dtype if floating else _core.int64))
        return tensors if weight is None else [*tensors, from_array(weight, dtype=dtype)]

    def _outputs(self, X: Any) -> Array:
        """The network's outputs, in evaluation mode."""
        check_is_fitted(self, "module_")
        X = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        dtype = next((p.dtype for p in self.module_.parameters()), _core.float32)
        batches = loader([from_array(X, dtype=dtype)], _ROWS)
        return np.concatenate([out.numpy() for out in predict(self.module_, batches)])

    def _check_parameters(self) -> None:
        """Raises ValueError and TypeError for parameters that make no sense."""
        if self.module is None:
            choose("fit", "activation", self.activation, ACTIVATIONS)
        sizes = np.atleast_1d(np.asarray(self.hidden_layer_sizes))
        if sizes.size and (sizes.dtype.kind not in "iu" or (sizes < 1).any()):
            raise ValueError(
                f"[fit] hidden_layer_sizes={self.hidden_layer_sizes!r}; ints above 0 are needed"
            )
        at_least: dict[str, float] = {"max_iter": 1, "n_iter_no_change": 1, "learning_rate": 0}
        if self.batch_size != "auto":
            at_least["batch_size"] = 1
        for name, least in at_least.items():
            value = getattr(self, name)
            if not isinstance(value, (int, float, np.number)) or value < least:
                raise ValueError(f"[fit] {name}={value!r}; {least} or more is needed")
        if not 0.0 <= self.dropout < 1.0:
            raise ValueError(f"[fit] dropout={self.dropout!r}; 0 or more and below 1 is needed")
        if self.early_stopping and not 0.0 < self.validation_fraction < 1.0:
            raise ValueError(
                f"[fit] validation_fraction={self.validation_fraction!r}; a share between 0 and 1 "
                "is needed"
            )


class _Best:
    """A callback that keeps the weights of the best validation."""

    def __init__(self, module: Module) -> None:
        self._module = module
        self._state: dict[str, Tensor] = {}
        self.scores: list[float] = []

    def __call__(self, state: State) -> None:
        if not state.epoch_finished or state.score is None:
            return
        if not self.scores or state.score > max(self.scores):
            self._state = {name: t.clone() for name, t in self._module.state_dict().items()}
        self.scores.append(state.score)

    def restore(self) -> None:
        """Put them back."""
        self._module.load_state_dict(self._state)
