"""One net, two answers: which digit a picture shows, and how much ink was used for it.

    python examples/multi_output.py [EPOCHS]

Outputs, targets, losses and metrics meet under the names that the model's dict gives them.
"""

import sys
from typing import Any

import numpy.typing as npt
from torch import Tensor, nn

import epochal
from epochal.datasets import digits

epochs = int(sys.argv[1]) if len(sys.argv) > 1 else 15


Array = npt.NDArray[Any]


class TwoHeads(epochal.Model):
    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Dropout(0.2))
        self.digit = nn.Sequential(nn.Linear(128, 10), nn.Softmax(dim=-1))
        self.ink = nn.Linear(128, 1)

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        features = self.body(pictures)
        return {"digit": self.digit(features), "ink": self.ink(features)}


epochal.utils.set_random_seed(0)


def inputs_and_targets(pictures: Array, labels: Array) -> tuple[Array, dict[str, Array]]:
    x = pictures / 16
    return x, {"digit": labels, "ink": x.mean(axis=(1, 2)).reshape(-1, 1)}


(x, y), (x_test, y_test) = (inputs_and_targets(*part) for part in digits.load_data())

model = TwoHeads()
model.compile(
    optimizer="adam",
    loss={"digit": "sparse_categorical_crossentropy", "ink": "mse"},
    loss_weights={"digit": 1.0, "ink": 20.0},  # the ink's error is a small number
    metrics={"digit": ["accuracy"], "ink": ["mae"]},
)
model.fit(x, y, validation_split=0.1, epochs=epochs)

scores = model.evaluate(x_test, y_test, return_dict=True, verbose=0)
print(", ".join(f"{name} {value:.4f}" for name, value in scores.items()))
answers = model.predict(x_test[:1], verbose=0)
print(f"the first test picture: a {answers['digit'].argmax()}, ink {answers['ink'].item():.3f}")
