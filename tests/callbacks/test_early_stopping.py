"""When EarlyStopping stops, and which weights are left."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn

import epochal
from epochal.callbacks import EarlyStopping, LambdaCallback, MonitorCallback
from epochal.core.errors import UsageError

NAN = float("nan")


def fed(values, **arguments):
    stopping = EarlyStopping(monitor="loss", **arguments)
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    for epoch, value in enumerate(values):
        stopping.on_epoch_end(epoch, {} if value is None else {"loss": value})
        if stopping.model.stop_training:
            break
    return stopping


@pytest.mark.parametrize(
    ("values", "arguments", "stopped", "best"),
    [
        ([1, 0.9, 0.8, 0.7], {"patience": 1}, None, 0.7),
        ([1, 0.9, 0.95, 0.96, 0.97], {"patience": 2}, 3, 0.9),
        ([1, 2, 0.5], {"patience": 0}, 1, 1),
        ([1, 2, 0.5], {"patience": 1}, 1, 1),
        ([1, 0.95, 0.89, 0.85], {"patience": 2, "min_delta": 0.1}, None, 0.89),
        ([1, 0.9], {"patience": 1, "min_delta": 0.1}, 1, 1),
        ([1, 0.95, 0.94, 0.93], {"patience": 2, "min_delta": 0.1}, 2, 1),
        ([1, 0.5, 0.6], {"patience": 1, "mode": "max"}, 1, 1),
        ([0.9, 0.8, 0.7, 0.6], {"patience": 2, "baseline": 0.5}, 1, 0.8),
        ([0.9, 0.4, 0.3, 0.3, 0.3], {"patience": 2, "baseline": 0.5}, 4, 0.3),
        ([5, 6, 7, 1, 2, 3], {"patience": 1, "start_from_epoch": 3}, 4, 1),
        ([NAN, 1.0, 0.5, 0.2], {"patience": 2}, None, 0.2),
        ([1.0, NAN, NAN, 0.2], {"patience": 2}, 2, 1.0),
        ([NAN, NAN], {"patience": 2}, 1, None),
        ([float("inf"), 3.0, 2.0], {"patience": 1}, None, 2.0),
    ],
)
def test_patience_counts_checks_without_improvement(values, arguments, stopped, best):
    stopping = fed(values, **arguments)
    assert stopping.stopped_epoch == stopped
    assert stopping.best == best


def test_an_epoch_without_validation_is_no_check():
    stopping = EarlyStopping(patience=2)
    stopping.set_model(SimpleNamespace(stop_training=False))
    stopping.on_train_begin()
    for epoch, value in enumerate([1.0, None, 1.1, None, 1.2]):
        stopping.on_epoch_end(epoch, {"loss": 0.1} | ({} if value is None else {"val_loss": value}))
    assert stopping.stopped_epoch == 4


def network():
    return nn.Sequential(nn.Linear(2, 4), nn.BatchNorm1d(4), nn.Linear(4, 1))


def trained(**arguments):
    torch.manual_seed(0)
    model = epochal.Model(network())
    model.compile("sgd", "mse")
    states, scores = [], []

    def note(epoch, logs):
        states.append({name: value.clone() for name, value in model.state_dict().items()})
        logs["score"] = [3.0, 1.0, 2.0, 2.5, 4.0][epoch]
        scores.append(logs["score"])

    watcher = LambdaCallback(on_epoch_end=note)
    watcher.provides = ("score",)
    stopping = EarlyStopping("score", mode="min", **arguments)
    x = torch.randn(16, 2)
    model.fit(x, x[:, :1], epochs=5, verbose=0, callbacks=[watcher, stopping])
    return model, states, stopping


@pytest.mark.parametrize("patience", [2, 99])
def test_the_best_weights_and_buffers_come_back_whatever_ended_training(patience):
    model, states, stopping = trained(patience=patience, restore_best_weights=True)
    assert stopping.best_epoch == 1
    for name, value in model.state_dict().items():
        assert torch.equal(value, states[1][name]), name
    assert any(not torch.equal(states[1][name], states[2][name]) for name in states[1])


def test_without_asking_the_last_weights_stay():
    model, states, _ = trained(patience=2)
    assert len(states) == 4
    for name, value in model.state_dict().items():
        assert torch.equal(value, states[-1][name])


def test_verbose_says_what_happened_and_why(capsys):
    fed([1.0, 0.5, 0.6, 0.7], patience=2, verbose=1).on_train_end()
    assert capsys.readouterr().out.splitlines() == [
        "EarlyStopping: epoch 3: loss did not improve on 0.5 (epoch 2); 1 of 2",
        "EarlyStopping: epoch 4: loss did not improve on 0.5 (epoch 2); 2 of 2",
        "EarlyStopping: epoch 4: stopped early, 2 checks without improvement of loss "
        "(best 0.5 (epoch 2))",
    ]
    fed([NAN], patience=2, verbose=1)
    assert capsys.readouterr().out == "EarlyStopping: epoch 1: loss is not a number; 1 of 2\n"


def test_a_second_fit_starts_counting_anew():
    stopping = fed([1.0, 2.0], patience=1)
    stopping.on_train_begin()
    assert (stopping.wait, stopping.best, stopping.stopped_epoch) == (0, None, None)


def test_auto_mode_asks_the_metric_then_the_name_and_else_says_to_pass_it():
    x, y = torch.randn(8, 2), torch.randint(2, (8, 1))

    def odd(y_true, y_pred):
        return y_pred

    def best_of(monitor, metrics):
        model = epochal.Sequential([epochal.layers.Dense(1, activation="sigmoid")])
        model.compile("sgd", "binary_crossentropy", metrics=metrics)
        stopping = EarlyStopping(monitor, patience=9)
        model.fit(x, y, epochs=1, verbose=0, callbacks=stopping)
        return stopping._direction

    assert best_of("loss", []) == "min"
    assert best_of("acc", ["acc"]) == "max"
    assert (
        best_of("nearly_accuracy", [epochal.metrics.MeanMetricWrapper(odd, "nearly_accuracy")])
        == "max"
    )
    down = epochal.metrics.MeanMetricWrapper(odd, "sharpness", direction="min")
    assert best_of("sharpness", [down]) == "min"
    with pytest.raises(UsageError, match="mode='max' or mode='min'"):
        best_of("odd", [odd])


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"patience": -1}, "patience is -1"),
        ({"start_from_epoch": -2}, "start_from_epoch"),
        ({"mode": "maximum"}, "did you mean 'max'"),
        ({"monitr": "x"}, "did you mean 'monitor'"),
    ],
)
def test_bad_arguments_are_refused_when_it_is_made(arguments, match):
    with pytest.raises(ValueError, match=match):
        EarlyStopping(**arguments)


def test_a_monitored_value_that_is_missing_or_no_number_is_an_error():
    watcher = MonitorCallback("loss", "min")
    for logs in ({}, {"los": 1.0}, {"loss": [1.0, 2.0]}):
        with pytest.raises(UsageError, match="loss"):
            watcher.value(logs)
    with pytest.raises(UsageError, match="val_loss"):
        MonitorCallback("val_loss", "min").value({"val_los": 1.0})


def test_its_state_goes_out_and_in_by_name():
    first = fed([1.0, 0.5, 0.6], patience=9)
    second = EarlyStopping("loss", patience=9)
    second.load_state_dict(first.state_dict())
    assert (second.best, second.best_epoch, second.wait) == (0.5, 1, 1)
    with pytest.raises(TypeError, match="only the class has 'wait'"):
        second.load_state_dict({k: v for k, v in first.state_dict().items() if k != "wait"})
    with pytest.raises(TypeError, match="only the state has 'extra'"):
        second.load_state_dict({**first.state_dict(), "extra": 1})
