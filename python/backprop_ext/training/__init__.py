"""One training loop, and what goes with it: triggers, metrics, checkpoints, summaries."""

from __future__ import annotations

from .checkpoint import Checkpoint
from .clipping import ClipByNorm, ClipByValue, Clips
from .evaluate import Validation, evaluate, predict
from .loop import Loop
from .metrics import (
    AUC,
    MAE,
    MSE,
    Accuracy,
    BinaryAccuracy,
    Loss,
    Metric,
    Top5Accuracy,
)
from .progress import Progress
from .schedule import Schedule
from .state import State
from .step import DivergedError
from .summary import TrainSummary, ValidationSummary
from .triggers import (
    EveryEpoch,
    MaxEpoch,
    MaxIteration,
    MaxScore,
    MinLoss,
    Never,
    Patience,
    SeveralIteration,
    Trigger,
    TriggerAnd,
    TriggerOr,
)

__all__ = [
    "AUC",
    "MAE",
    "MSE",
    "Accuracy",
    "BinaryAccuracy",
    "Checkpoint",
    "ClipByNorm",
    "ClipByValue",
    "Clips",
    "DivergedError",
    "EveryEpoch",
    "Loop",
    "Loss",
    "MaxEpoch",
    "MaxIteration",
    "MaxScore",
    "Metric",
    "MinLoss",
    "Never",
    "Patience",
    "Progress",
    "Schedule",
    "SeveralIteration",
    "State",
    "Top5Accuracy",
    "TrainSummary",
    "Trigger",
    "TriggerAnd",
    "TriggerOr",
    "Validation",
    "ValidationSummary",
    "evaluate",
    "predict",
]
