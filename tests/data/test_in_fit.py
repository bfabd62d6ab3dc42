"""What the rules for data mean inside of `fit`."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import epochal
from epochal.core.errors import UsageError
from epochal.layers import Dense


def compiled(module: torch.nn.Module | None = None, **settings: Any) -> Any:
    model = epochal.Model(module or torch.nn.Linear(2, 1))
    model.compile("sgd", "mse", **settings)
    return model


def test_class_weights_change_training_and_never_validation() -> None:
    torch.manual_seed(0)
    x, y = torch.randn(20, 2), torch.randint(0, 2, (20,)).float()
    model = compiled(torch.nn.Linear(2, 1), weighted_metrics=["mae"])
    model.optimizer.learning_rate = 0.0
    weights = {0: 5.0, 1: 0.1}
    history = model.fit(x, y, validation_split=0.5, class_weight=weights, verbose=0).history
    plain = model.evaluate(x[10:], y[10:], verbose=0, return_dict=True)
    assert history["val_loss"] == [pytest.approx(plain["loss"], rel=1e-6)]
    assert history["val_mae"] == [pytest.approx(plain["mae"], rel=1e-6)]
    weight = torch.tensor([weights[int(label)] for label in y[:10]])
    with_weights = model.evaluate(x[:10], y[:10], sample_weight=weight, verbose=0, return_dict=True)
    assert history["loss"] == [pytest.approx(with_weights["loss"], rel=1e-6)]
    assert history["mae"] == [pytest.approx(with_weights["mae"], rel=1e-6)]


def test_two_inputs_may_be_validated_on() -> None:
    class Sum(epochal.Model):
        def __init__(self) -> None:
            super().__init__()
            self.dense = Dense(1)

        def forward(self, a: Any, b: Any) -> Any:
            return self.dense(a + b)

    model = Sum()
    model.compile("sgd", "mse")
    x, y = np.random.default_rng(0).random((8, 2), np.float32), np.zeros(8)
    history = model.fit((x, x), y, validation_data=((x, x), y), verbose=0).history
    assert history["val_loss"][0] > 0


def test_non_finite_columns_of_a_frame_are_named() -> None:
    frame = pd.DataFrame({"age": [1.0, np.nan, 3.0], "size": [1.0, 2.0, 3.0]})
    with pytest.warns(UserWarning, match=r"x holds 1 non-finite of 6 values \(column 'age'\)"):
        compiled().fit(frame, [0.0, 1.0, 0.0], verbose=0)


def test_metrics_of_a_generator_that_fills_its_arrays_again_are_right() -> None:
    def refilling() -> Any:
        x, y = np.zeros((4, 2), np.float32), np.zeros((4, 1), np.float32)
        for index in range(3):
            y[:] = index
            yield x, y

    model = compiled(torch.nn.Linear(2, 1, bias=False), metrics=["mae"])
    assert model.evaluate(refilling(), verbose=0) == pytest.approx([5 / 3, 1.0])


def test_predicting_never_changes_the_data() -> None:
    x = torch.full((10, 2), -1.0)
    model = compiled(torch.nn.Sequential(torch.nn.ReLU(inplace=True), torch.nn.Linear(2, 1)))
    with pytest.raises(UsageError, match="changed in place"):
        model.predict(x, verbose=0)
