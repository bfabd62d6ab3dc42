"""The shortest useful run: two half moons, a small net, early stopping.

python examples/quickstart.py [EPOCHS]
"""

import sys

from sklearn.datasets import make_moons

import epochal
from epochal.callbacks import EarlyStopping
from epochal.layers import Dense

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 4000

epochal.utils.set_random_seed(0)  # weights, order and so every number below: the same each time
x, y = make_moons(n_samples=100, noise=0.2, random_state=1)
x, y, xv, yv = x[:80], y[:80], x[80:], y[80:]

model = epochal.Sequential(
    [Dense(100, activation="relu", input_dim=2), Dense(1, activation="sigmoid")]
)
model.compile(optimizer="adam", loss="binary_crossentropy", metrics=["acc"])
history = model.fit(
    x, y, validation_data=(xv, yv), epochs=epochs, callbacks=[EarlyStopping(patience=200)]
)
loss, acc = model.evaluate(xv, yv, verbose=0)
probabilities = model.predict(xv, verbose=0)

print(f"{len(history.epoch)} epochs; lowest val_loss {min(history.history['val_loss']):.4f}")
print(f"on {len(xv)} points held out: loss {loss:.4f}, accuracy {acc:.2f}")
print(f"the first belongs to moon 1 with probability {probabilities[0, 0]:.3f}")
