"""scikit-learn estimators on the training loop: any module, loss and optimizer.

scikit-learn is needed for these alone: `pip install scikit-learn`.
"""

from __future__ import annotations

try:
    from sklearn.utils.validation import validate_data as _validate_data  # noqa: F401
except ImportError as error:
    raise ImportError(
        "[estimators] scikit-learn 1.6 or later is needed for backprop_ext.estimators, and was not "
        f"found ({error}); pip install 'scikit-learn>=1.6'"
    ) from error

from .classifier import NeuralClassifier
from .regressor import NeuralRegressor

__all__ = ["NeuralClassifier", "NeuralRegressor"]
