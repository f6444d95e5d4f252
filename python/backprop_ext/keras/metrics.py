"""The metrics under the name of zoo.pipeline.api.keras.metrics."""

from __future__ import annotations

from ..training.metrics import AUC, MAE, MSE, Accuracy, BinaryAccuracy, Loss, Top5Accuracy

__all__ = ["AUC", "MAE", "MSE", "Accuracy", "BinaryAccuracy", "Loss", "Top5Accuracy"]
