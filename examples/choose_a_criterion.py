"""Which rule should end training? Train once for long, try them all on the curve, take one.

python examples/choose_a_criterion.py [EPOCHS] [PICTURE]
"""

import sys
from typing import Any

import numpy as np
import rich
from sklearn.datasets import load_digits

import epochal
from epochal.callbacks import Callback, EarlyStopping
from epochal.layers import Dense, Dropout
from epochal.stopping import Budget, replay


class TestLoss(Callback):
    """Adds the test loss, which decides nothing: it says what each choice was worth."""

    provides = ("test_loss",)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Evaluate on pictures that neither training nor stopping has seen."""
        logs["test_loss"] = self.model.evaluate(*test, verbose=0)


epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 150
picture = sys.argv[2] if len(sys.argv) > 2 else "stops.png"

# Few pictures, so that there is something to overfit.
x, y = load_digits(return_X_y=True)
order = np.random.default_rng(0).permutation(len(x))
x, y = x[order] / 16, y[order]
train, validation, test = (x[:240], y[:240]), (x[240:360], y[240:360]), (x[360:], y[360:])


def network() -> epochal.Sequential:
    """Return the same untrained network each time."""
    epochal.utils.set_random_seed(1)
    model = epochal.Sequential(
        [
            Dense(32, activation="relu", input_dim=64),
            Dropout(0.5),
            Dense(10, activation="softmax"),
        ]
    )
    model.compile(epochal.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
    return model


history = network().fit(
    *train,
    batch_size=16,
    epochs=epochs,
    validation_data=validation,
    callbacks=TestLoss(),
    verbose=0,
)
result = replay(history)
rich.print(result.table())
result.plot(picture)

choice = result.recommend()
print(choice)
if choice.criterion is not None:
    # None of the criteria is sure to fire, so something else limits the run as well.
    stopping = EarlyStopping(
        criterion=choice.criterion | Budget(epochs=epochs), restore_best_weights=True
    )
    model = network()
    again = model.fit(
        *train,
        batch_size=16,
        epochs=epochs,
        validation_data=validation,
        callbacks=stopping,
        verbose=0,
    )
    print(f"stopped after {len(again.epoch)} of {epochs} epochs: {stopping.reason}")
    print(f"test loss {model.evaluate(*test, verbose=0):.3f}")
