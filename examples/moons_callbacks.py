"""An old Keras script with its imports changed: six callbacks on two half moons.

python examples/moons_callbacks.py [EPOCHS] [FOLDER]

    tensorboard --logdir runs/moons/tensorboard
"""

import sys
from pathlib import Path

import numpy as np
from sklearn.datasets import make_moons

import epochal
from epochal.callbacks import (
    CSVLogger,
    EarlyStopping,
    ModelCheckpoint,
    ReduceLROnPlateau,
    TensorBoard,
    TerminateOnNaN,
)
from epochal.layers import Dense
from epochal.models import load_model

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 4000
folder = Path(sys.argv[2] if len(sys.argv) > 2 else "runs/moons")
folder.mkdir(parents=True, exist_ok=True)

epochal.utils.set_random_seed(0)
x, y = make_moons(n_samples=100, noise=0.2, random_state=1)
x, y, xv, yv = x[:30], y[:30], x[30:], y[30:]

model = epochal.Sequential(
    [Dense(500, activation="relu", input_dim=2), Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["acc"])
history = model.fit(
    x,
    y,
    validation_data=(xv, yv),
    epochs=epochs,
    verbose=0,
    callbacks=[
        TerminateOnNaN(),
        EarlyStopping(monitor="val_loss", patience=200),
        ModelCheckpoint(folder / "best.safetensors", monitor="val_acc", save_best_only=True),
        ReduceLROnPlateau(monitor="val_loss", factor=0.5, patience=50),
        CSVLogger(folder / "log.csv"),
        TensorBoard(folder / "tensorboard", histogram_freq=100),
    ],
)

# The weights of the best epoch, not of the last one; the file also holds the optimizer.
best = load_model(folder / "best.safetensors")
_, train_acc = best.evaluate(x, y, verbose=0)
_, test_acc = best.evaluate(xv, yv, verbose=0)
assert test_acc == max(history.history["val_acc"])
rates = np.unique(history.history["learning_rate"])
print(f"{len(history.epoch)} epochs, learning rate {rates[-1]:.2g} down to {rates[0]:.2g}")
print(f"best model: train {train_acc:.3f}, test {test_acc:.3f}; everything is in {folder}")
