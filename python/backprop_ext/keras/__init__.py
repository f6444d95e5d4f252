"""Layers with an explicit forward and backward: the Keras-style API of Analytics Zoo and BigDL.

`backprop_ext.keras.layers`, `.models` and `.criterion` stand for `zoo.pipeline.api.keras.layers`,
`zoo.pipeline.api.keras.models` and `bigdl.nn.criterion`.
"""

from __future__ import annotations

from . import activations, criterion, initializers, layers, models, regularizers

__all__ = ["activations", "criterion", "initializers", "layers", "models", "regularizers"]
