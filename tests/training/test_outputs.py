"""Models of several inputs and outputs."""

from collections import namedtuple

import numpy as np
import pytest
import torch
from torch import nn

import epochal
from epochal.core.errors import UsageError

X = torch.randn(10, 4)
A, B = torch.randn(10, 1), torch.randint(3, (10,))
Pair = namedtuple("Pair", ["a", "b"])


class Two(nn.Module):
    def __init__(self, form):
        super().__init__()
        self.first, self.second, self.form = nn.Linear(4, 1), nn.Linear(4, 3), form

    def forward(self, x):
        return self.form(self.first(x), self.second(x))


FORMS = {
    "dict": (lambda a, b: {"a": a, "b": b}, {"a": A, "b": B}, ("a", "b")),
    "tuple": (lambda a, b: (a, b), (A, B), ("output_0", "output_1")),
    "named": (Pair, Pair(A, B), ("a", "b")),
}


def compiled(form, **arguments):
    model = epochal.Model(Two(form))
    model.compile("sgd", **arguments)
    model.optimizer.learning_rate = 0.0
    return model


@pytest.mark.parametrize("kind", FORMS)
def test_each_output_has_its_loss_and_metrics_under_its_name(kind):
    form, y, (first, second) = FORMS[kind]
    model = compiled(
        form,
        loss=["mse", nn.CrossEntropyLoss()],
        loss_weights=[2.0, 0.5],
        metrics=[["mae"], ["acc"]],
    )
    logs = model.fit(X, y, validation_data=(X, y), batch_size=4, verbose=0).history
    own = ["loss", f"{first}_loss", f"{second}_loss", f"{first}_mae", f"{second}_acc"]
    assert list(logs) == own + [f"val_{name}" for name in own]
    assert model.metrics_names == own
    with torch.no_grad():
        a, b = (model.network.first(X), model.network.second(X))
    expected = {
        f"{first}_loss": (a - A).square().mean().item(),
        f"{second}_loss": nn.functional.cross_entropy(b, B).item(),
        f"{first}_mae": (a - A).abs().mean().item(),
        f"{second}_acc": (b.argmax(1) == B).float().mean().item(),
    }
    expected["loss"] = 2 * expected[f"{first}_loss"] + 0.5 * expected[f"{second}_loss"]
    assert {name: logs[name][0] for name in own} == pytest.approx(expected, rel=1e-5)
    assert {name: logs[f"val_{name}"][0] for name in own} == pytest.approx(expected, rel=1e-5)
    values = model.evaluate(X, y, verbose=0)
    assert values == pytest.approx([expected[name] for name in own], rel=1e-5)


def test_losses_by_dict_may_leave_an_output_out():
    model = compiled(FORMS["dict"][0], loss={"a": "mse"}, metrics={"b": "acc"})
    logs = model.fit(X, {"a": A, "b": B}, verbose=0).history
    assert list(logs) == ["loss", "b_acc"]


def test_predict_returns_the_structure_of_the_outputs():
    outputs = compiled(FORMS["dict"][0]).predict(X, batch_size=3, verbose=0)
    assert {name: array.shape for name, array in outputs.items()} == {"a": (10, 1), "b": (10, 3)}
    outputs = compiled(Pair).predict(X, batch_size=3, verbose=0)
    assert isinstance(outputs, Pair)
    assert isinstance(outputs.a, np.ndarray)
    assert len(compiled(FORMS["tuple"][0]).predict_on_batch(X)) == 2


def test_one_function_may_look_at_all_outputs():
    def both(y_true, y_pred):
        return (y_pred[0] - y_true).square().mean() + y_pred[1].square().mean()

    model = compiled(FORMS["tuple"][0], loss=both)
    assert list(model.fit(X, A, verbose=0).history) == ["loss"]


def test_sample_weights_reach_every_output():
    model = compiled(FORMS["dict"][0], loss={"a": "mse", "b": nn.CrossEntropyLoss()})
    y = {"a": A, "b": B}
    none = model.fit(X, y, sample_weight=np.zeros(10), verbose=0).history
    assert none["loss"] == [0.0]
    one = model.fit(X, y, sample_weight={"a": np.zeros(10), "b": np.ones(10)}, verbose=0).history
    assert one["a_loss"] == [0.0]
    assert one["b_loss"][0] > 0


@pytest.mark.parametrize("kind", FORMS)
def test_targets_and_weights_may_be_dicts_by_the_outputs_names(kind):
    form, y, names = FORMS[kind]
    weights = (torch.rand(10), torch.rand(10))
    by_name = dict(zip(names, (A, B), strict=True)), dict(zip(names, weights, strict=True))
    in_order = y, (by_name[1] if kind == "dict" else weights)
    loss, metrics = ["mse", nn.CrossEntropyLoss()], [["mae"], ["acc"]]
    model = compiled(form, loss=loss, metrics=metrics, weighted_metrics=metrics)
    found = []
    for targets, weight in (by_name, in_order, (dict(reversed(by_name[0].items())), weights)):
        if kind == "dict" and weight is weights:
            continue
        given = {"sample_weight": weight, "verbose": 0}
        fitted = model.fit(X, targets, shuffle=False, batch_size=4, **given).history
        found.append([*fitted.values(), model.evaluate(X, targets, **given)])
        assert model.fit(X, targets, validation_split=0.5, **given).history["val_loss"][0] > 0
    assert all(each == found[0] for each in found)
    # An output without weights counts each sample once, as without any.
    some = {names[0]: weights[0]}
    own, plain = (
        model.evaluate(X, by_name[0], sample_weight=w, return_dict=True, verbose=0)
        for w in (some, None)
    )
    assert own[f"{names[1]}_loss"] == plain[f"{names[1]}_loss"]
    assert own[f"{names[0]}_loss"] != plain[f"{names[0]}_loss"]
    # The metric that the weights reach, and the one that they do not.
    assert own[f"{names[0]}_mae"] == plain[f"{names[0]}_mae"]
    assert own[f"weighted_{names[0]}_mae"] != plain[f"weighted_{names[0]}_mae"]


@pytest.mark.parametrize(
    ("weights", "match"),
    [
        ({"a": torch.ones(10), "c": torch.ones(10)}, "sample_weight: unknown output 'c'"),
        ([torch.ones(10)], "sample_weight has 1 entries for a model of 2 outputs"),
    ],
)
def test_weights_that_fit_no_output_are_refused(weights, match):
    model = compiled(Pair, loss=["mse", nn.CrossEntropyLoss()])
    with pytest.raises(UsageError, match=match):
        model.fit(X, {"a": A, "b": B}, sample_weight=weights, verbose=0)


@pytest.mark.parametrize(
    ("arguments", "y", "match"),
    [
        (
            {"loss": {"a": "mse"}, "metrics": {"b": "acc"}},
            {"a": A},
            "no targets for the output 'b'",
        ),
        ({"loss": {"a": "mse", "c": "mse"}}, {"a": A, "b": B}, "unknown output 'c'"),
        ({"loss": ["mse"]}, {"a": A, "b": B}, "1 entries for a model of 2 outputs"),
        ({"loss": {"a": "mse", "b": "mse"}}, {"a": A}, "no targets for the output 'b'"),
        ({"loss": {"a": "mse"}, "metrics": ["mae"]}, {"a": A}, "metrics has 1 entries"),
        ({"loss": {"a": "mse"}, "metrics": {"z": "mae"}}, {"a": A}, "unknown output 'z'"),
    ],
)
def test_what_does_not_fit_the_outputs_is_refused(arguments, y, match):
    with pytest.raises(UsageError, match=match):
        compiled(FORMS["dict"][0], **arguments).fit(X, y, verbose=0)


def test_a_dict_of_losses_for_one_output_is_refused():
    model = epochal.Model(nn.Linear(4, 1))
    model.compile("sgd", {"a": "mse"})
    with pytest.raises(UsageError, match="the model has one output"):
        model.fit(X, A, verbose=0)


class Sum(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(4, 1)

    def forward(self, left, right, scale=1.0):
        return self.layer(left + right * scale)


class Listed(Sum):
    def forward(self, inputs):
        return self.layer(inputs[0] + inputs[1])


@pytest.mark.parametrize(
    ("module", "x"),
    [
        (Sum(), (X, X)),
        (Sum(), [X.numpy(), X.numpy()]),
        (Sum(), {"right": X, "left": X}),
        (Listed(), (X, X)),
    ],
)
def test_several_inputs_reach_forward_by_position_by_name_or_as_one(module, x):
    model = epochal.Model(module)
    model.compile("sgd", "mse")
    model.fit(x, A, batch_size=4, verbose=0, validation_data=(x, A))
    assert model.predict(x, batch_size=3, verbose=0).shape == (10, 1)
    with torch.no_grad():
        expected = module.layer(2 * X)
    assert np.allclose(model.predict(x, verbose=0), expected, atol=1e-6)


def test_names_that_clash_get_a_suffix_and_nothing_is_replaced():
    model = epochal.Model(nn.Linear(4, 1))
    model.compile(
        "sgd", "mse", metrics=["mae", "mae", epochal.metrics.Mean], weighted_metrics=["mae", "mae"]
    )
    assert model.metrics_names == ["loss", "mae", "mae", "mean", "mae", "mae"]

    def loss(y_true, y_pred):
        return (y_pred - y_true).abs().mean()

    model.compile("sgd", "mse", metrics=["mae", "mae", loss], weighted_metrics=["mae", "mae"])
    history = model.fit(X, A, verbose=0).history
    names = ["loss", "mae", "mae_1", "loss_1", "weighted_mae", "weighted_mae_1"]
    assert list(history) == names
    assert model.metrics_names == names
    assert len(model.evaluate(X, A, verbose=0)) == 6
    assert history["loss_1"] == pytest.approx(history["mae"])
