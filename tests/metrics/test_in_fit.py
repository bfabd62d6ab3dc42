"""Metrics inside of `fit` and `evaluate`."""

from typing import Any

import pytest
import torch

import epochal
from epochal.callbacks import Callback
from epochal.metrics import MeanAbsoluteError, Metric
from epochal.optimizers import SGD, schedules


class Constant(torch.nn.Module):
    """A baseline whose output is its weight itself."""

    def __init__(self, view: bool) -> None:
        super().__init__()
        self.guess = torch.nn.Parameter(torch.zeros(1 if view else (10, 1)))
        self.view = view

    def forward(self, x: Any) -> Any:
        return self.guess.expand(len(x), 1) if self.view else self.guess


def distance(y_true: Any, y_pred: Any) -> Any:
    return (y_true - y_pred).abs().mean()


@pytest.mark.parametrize("view", [True, False])
def test_outputs_that_are_weights_are_scored_as_they_were_before_the_update(view: bool) -> None:
    model = epochal.Model(Constant(view))
    # One step goes all the way from 0 to 1: a quarter of the batches is 1 away.
    model.compile(SGD(0.5 if view else 5.0), "mse", metrics=["mae", distance])
    history = model.fit(torch.zeros(40, 1), torch.ones(40, 1), batch_size=10, verbose=0).history
    for name in ("loss", "mae", "distance"):
        assert history[name] == [pytest.approx(0.25, abs=1e-6)]


class Two(torch.nn.Module):
    def forward(self, x: Any) -> Any:
        return {"near": x, "far": x + 100}


@pytest.mark.parametrize("metric", ["mae", MeanAbsoluteError(name="mae"), distance])
def test_one_metric_for_several_outputs_keeps_them_apart(metric: Any) -> None:
    model = epochal.Model(Two())
    model.compile(loss="mse", metrics=metric)
    x = torch.rand(8, 1)
    logs = model.evaluate(x, {"near": x + 1, "far": x}, verbose=0, return_dict=True)
    name = "distance" if metric is distance else "mae"
    assert logs[f"near_{name}"] == pytest.approx(1.0, rel=1e-5)
    assert logs[f"far_{name}"] == pytest.approx(100.0, rel=1e-5)


class Counts(Metric):
    """A result by name, made of the weight itself."""

    def __init__(self) -> None:
        super().__init__(name="counts")
        self.rows = self.add_weight(name="rows")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.rows += len(y_true)

    def result(self) -> Any:
        return {"rows": self.rows, "twice": self.rows * 2}


class Keeps(Callback):
    """Reads nothing before training is over."""

    def on_train_begin(self, logs: Any = None) -> None:
        self.kept: list[Any] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.kept.append(logs)


def test_logs_read_after_training_tell_of_their_own_batch() -> None:
    keeps = Keeps()
    model = epochal.Model(torch.nn.Linear(1, 1))
    model.compile(SGD(schedules.ExponentialDecay(0.1, 1, 0.5)), "mse", metrics=[Counts()])
    model.fit(
        torch.rand(6, 1), torch.rand(6, 1), batch_size=2, epochs=2, verbose=0, callbacks=[keeps]
    )
    rows = [2.0, 4.0, 6.0, 2.0, 4.0, 6.0]
    assert [logs["counts"] for logs in keeps.kept] == [{"rows": n, "twice": 2 * n} for n in rows]
    rates = [0.1 * 0.5**step for step in range(1, 7)]
    assert [logs["lr"] for logs in keeps.kept] == pytest.approx(rates)
