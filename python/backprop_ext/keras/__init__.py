"""Layers with an explicit forward and backward: the Keras-style API of Analytics Zoo and BigDL.

`backprop_ext.keras.layers`, `.models`, `.metrics` and `.optimizers` stand for those of
`zoo.pipeline.api.keras`, `.autograd` for `zoo.pipeline.api.autograd`, `.criterion` for
`bigdl.nn.criterion` and `.optimizer` for `bigdl.optim.optimizer`.
"""

from __future__ import annotations

from . import (
    activations,
    autograd,
    criterion,
    initializers,
    layers,
    metrics,
    models,
    optimizer,
    optimizers,
    regularizers,
)

__all__ = [
    "activations",
    "autograd",
    "criterion",
    "initializers",
    "layers",
    "metrics",
    "models",
    "optimizer",
    "optimizers",
    "regularizers",
]
