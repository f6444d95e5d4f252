"""Search for the settings of a network as for those of any other scikit-learn estimator.

    python examples/digits_grid_search.py [--seed 0] [--epochs 20]

The handwritten digits are scaled and classified in a pipeline. A grid of widths, dropouts and
learning rates is searched with cross-validation on four fifths of the pictures; the best network is
then scored on the last fifth, and trained on with a network of our own under the same estimator.
"""

from __future__ import annotations

import argparse
import warnings

from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import GridSearchCV, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import MinMaxScaler

from backprop_ext import nn, optim
from backprop_ext.estimators import NeuralClassifier

GRID = {
    "neuralclassifier__hidden_layer_sizes": [(16,), (64,)],
    "neuralclassifier__dropout": [0.0, 0.3],
    "neuralclassifier__learning_rate": [1e-4, 1e-2],
}


class Convolutional(nn.Module):
    """Pictures of 8 x 8 pixels, given as rows of 64 numbers."""

    def __init__(self, n_features, n_outputs):
        super().__init__()
        self.body = nn.Sequential(
            nn.Unflatten(1, (1, 8, n_features // 8)),
            nn.Conv2d(1, 16, 3, padding=1),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Flatten(),
            nn.Linear(16 * 4 * 4, n_outputs),
        )

    def forward(self, x):
        return self.body(x)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--epochs", type=int, default=20)
    options = parser.parse_args()
    # A fixed number of epochs is what is compared here; that the loss still falls is no news.
    warnings.simplefilter("ignore", ConvergenceWarning)

    x, y = load_digits(return_X_y=True)
    x = x.astype("float32")
    train_x, test_x, train_y, test_y = train_test_split(
        x, y, test_size=0.2, stratify=y, random_state=options.seed
    )
    perceptron = NeuralClassifier(max_iter=options.epochs, random_state=options.seed)
    search = GridSearchCV(make_pipeline(MinMaxScaler(), perceptron), GRID, cv=3)
    search.fit(train_x, train_y)
    for settings, score in zip(
        search.cv_results_["params"], search.cv_results_["mean_test_score"], strict=True
    ):
        told = "  ".join(f"{name.split('__')[1]} {value}" for name, value in settings.items())
        print(f"{score:.2%}  {told}")
    print(f"best perceptron, on held-out pictures: {search.score(test_x, test_y):.2%}")

    convolutional = NeuralClassifier(
        Convolutional,
        optimizer=optim.AdamW,
        learning_rate=1e-2,
        batch_size=64,
        optimizer_params={"weight_decay": 1e-2},
        early_stopping=True,
        max_iter=2 * options.epochs,
        random_state=options.seed,
    )
    network = make_pipeline(MinMaxScaler(), convolutional).fit(train_x, train_y)
    print(
        f"convolutional, best of {network[-1].n_iter_} epochs at "
        f"{network[-1].best_validation_score_:.2%}, on held-out pictures: "
        f"{network.score(test_x, test_y):.2%}"
    )


if __name__ == "__main__":
    main()
