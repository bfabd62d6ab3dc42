"""F1, precision and recall of every epoch, from the validation that `fit` makes anyway.

python examples/f1_each_epoch.py [EPOCHS]
"""

import sys
from collections.abc import Mapping
from typing import Any

from sklearn.datasets import load_breast_cancer
from sklearn.metrics import precision_recall_fscore_support
from sklearn.preprocessing import StandardScaler

import epochal
from epochal.callbacks import EarlyStopping, EpochPredictions
from epochal.layers import Dense, Dropout


class Scores(EpochPredictions):
    """Scores of the positive class; no second `predict` is made for them."""

    # Said beforehand, so that they can be monitored and have their columns in every file.
    provides = ("val_precision", "val_recall", "val_f1")

    def score(self, epoch: int, y_true: Any, y_pred: Any) -> Mapping[str, float]:
        """Return precision, recall and F1 at the threshold 0.5."""
        scores = precision_recall_fscore_support(
            y_true, y_pred[:, 0] > 0.5, average="binary", zero_division=0
        )
        return dict(zip(self.provides, map(float, scores[:3]), strict=True))


epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 30

epochal.utils.set_random_seed(0)
x, y = load_breast_cancer(return_X_y=True)
x = StandardScaler().fit_transform(x)

model = epochal.Sequential(
    [Dense(32, activation="relu", input_dim=30), Dropout(0.3), Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["acc"])
history = model.fit(
    x,
    y,
    validation_split=0.3,
    epochs=epochs,
    verbose=2,
    # The stop stands before the scores it watches: who needs what decides, not the order.
    callbacks=[
        EarlyStopping("val_f1", mode="max", patience=8, restore_best_weights=True),
        Scores(),
    ],
)
print(f"best F1 {max(history.history['val_f1']):.3f} in {len(history.epoch)} epochs")
