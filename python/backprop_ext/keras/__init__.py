"""Layers with an explicit forward and backward: the Keras-style API of Analytics Zoo and BigDL.

`backprop_ext.keras.layers`, `.models`, `.autograd`, `.criterion` and `.optimizer` stand for
`zoo.pipeline.api.keras.layers`, `zoo.pipeline.api.keras.models`, `zoo.pipeline.api.autograd`,
`bigdl.nn.criterion` and `bigdl.optim.optimizer`.
"""

from __future__ import annotations

from . import (
    activations,
    autograd,
    criterion,
    initializers,
    layers,
    models,
    optimizer,
    regularizers,
)

__all__ = [
    "activations",
    "autograd",
    "criterion",
    "initializers",
    "layers",
    "models",
    "optimizer",
    "regularizers",
]
