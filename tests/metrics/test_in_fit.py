"""Metrics inside of `fit` and `evaluate`."""

from typing import Any

import pytest
import torch

import epochal
from epochal.callbacks import Callback, EarlyStopping
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


def test_values_of_a_dict_are_logged_by_their_own_names_which_are_known_before_training() -> None:
    model = epochal.Model(torch.nn.Linear(1, 1))
    model.compile("sgd", "mse", metrics=["mae", Counts()], weighted_metrics=[Counts()])
    names = ["loss", "mae", "rows", "twice", "weighted_rows", "weighted_twice"]
    assert model.metrics_names[:4] == names[:4]
    x = torch.rand(6, 1)
    stopping = EarlyStopping("val_twice", mode="max")
    fitted = model.fit(x, x, epochs=2, verbose=0, validation_data=(x, x), callbacks=[stopping])
    assert list(fitted.history) == [*names, *(f"val_{name}" for name in names)]
    assert fitted.history["val_twice"] == [12.0, 12.0]
    assert model.evaluate(x, x, verbose=0)[2:] == [6.0, 12.0, 6.0, 12.0]


class Late(Counts):
    """Has no value before it has seen something."""

    def result(self) -> Any:
        return {"share": 1 / int(self.rows)}


def test_a_dict_that_could_not_be_foreseen_says_how_to_declare_it() -> None:
    model = epochal.Model(torch.nn.Linear(1, 1))
    model.compile("sgd", "mse", metrics=[Late()])
    x = torch.rand(6, 1)
    with pytest.raises(epochal.core.errors.UsageError, match=r"Set outputs = \('share',\)"):
        model.evaluate(x, x, verbose=0)
    declared = Late()
    declared.outputs = ("share",)
    model.compile("sgd", "mse", metrics=[declared])
    assert model.evaluate(x, x, verbose=0)[1] == 1 / 6


@pytest.mark.parametrize("form", ["dict", "list"])
@pytest.mark.parametrize("kind", [MeanAbsoluteError, None])
def test_one_object_for_two_outputs_keeps_them_apart(form: str, kind: Any) -> None:
    metric = Largest() if kind is None else kind(name="largest")
    model = epochal.Model(Two())
    given = {"near": metric, "far": metric} if form == "dict" else [[metric], [metric]]
    model.compile(loss="mse", metrics=given)
    x = torch.rand(8, 1)
    y = {"near": x + 1, "far": x}
    logs = model.evaluate(x, y, batch_size=4, verbose=0, return_dict=True)
    assert logs["near_largest"] == pytest.approx(1.0, rel=1e-5)
    assert logs["far_largest"] == pytest.approx(100.0, rel=1e-5)


def test_a_compiled_metric_may_be_given_to_evaluate_as_well() -> None:
    metric = Counts()
    model = epochal.Model(torch.nn.Linear(1, 1))
    model.compile(loss="mse", metrics=[metric])
    x = torch.rand(6, 1)
    values = model.evaluate(x, x, verbose=0, return_dict=True, metrics=[metric])
    assert [values[name] for name in ("rows", "rows_1")] == [6.0, 6.0]


class Largest(Metric):
    """Sees every batch, and keeps what it has seen in a weight of its own."""

    def __init__(self) -> None:
        super().__init__(name="largest")
        self.most = self.add_weight(name="most")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.most.assign(torch.maximum(self.most.value, (y_true - y_pred).abs().max().double()))

    def result(self) -> Any:
        return self.most


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
    assert [(logs["rows"], logs["twice"]) for logs in keeps.kept] == [(n, 2 * n) for n in rows]
    rates = [0.1 * 0.5**step for step in range(1, 7)]
    assert [logs["lr"] for logs in keeps.kept] == pytest.approx(rates)
