"""Metrics by name, class, instance, function and configuration."""

import json
from typing import Any

import pytest
import torch

from epochal import metrics
from epochal.core.errors import UsageError, UsageTypeError
from epochal.metrics import (
    BinaryAccuracy,
    CategoricalAccuracy,
    EpochMetric,
    Mean,
    MeanMetricWrapper,
    Metric,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TorchMetric,
)

WRAPPERS = (Metric, MeanMetricWrapper, EpochMetric, TorchMetric)  # around what no file can hold
CLASSES = [
    kind
    for kind in (getattr(metrics, name) for name in metrics.__all__)
    if isinstance(kind, type) and kind not in WRAPPERS
]
ARGUMENTS: dict[str, dict[str, Any]] = {  # where there is no default
    "SensitivityAtSpecificity": {"specificity": 0.5},
    "SpecificityAtSensitivity": {"sensitivity": 0.5},
    "PrecisionAtRecall": {"recall": 0.5},
    "RecallAtPrecision": {"precision": 0.5},
    "IoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "MeanIoU": {"num_classes": 3},
    "OneHotIoU": {"num_classes": 3, "target_class_ids": [0, 2]},
    "OneHotMeanIoU": {"num_classes": 3},
}


@pytest.mark.parametrize("kind", CLASSES)
def test_every_metric_comes_by_name_class_instance_and_configuration(kind: type[Metric]) -> None:
    arguments = ARGUMENTS.get(kind.__name__, {})
    instance = kind(**arguments)
    assert metrics.get(instance) is instance
    assert type(metrics.get(metrics.serialize(instance))) is kind
    if arguments:
        for identifier in (kind.__name__, kind, instance.name):
            with pytest.raises(UsageError, match=f"{kind.__name__} needs.*{next(iter(arguments))}"):
                metrics.get(identifier)
        return
    for identifier in (kind.__name__, kind, metrics.serialize(instance)):
        found = metrics.get(identifier)
        assert type(found) is kind
        # As typed, since what it stands for depends on the output.
        assert found.name == ("Accuracy" if identifier == "Accuracy" else instance.name)
    if kind.__name__ != "Accuracy":
        assert type(metrics.get(instance.name)) is kind


@pytest.mark.parametrize("kind", CLASSES)
def test_every_metric_survives_json(kind: type[Metric]) -> None:
    metric = kind(**ARGUMENTS.get(kind.__name__, {}), name="mine", dtype=torch.float32)
    described = json.loads(json.dumps(metrics.serialize(metric)))
    again = metrics.deserialize(described)
    assert type(again) is kind
    assert metrics.serialize(again) == described
    assert again.name == "mine"
    assert {weight.value.dtype for weight in again.variables} == {torch.float32}


def test_the_arguments_of_its_own_survive_too() -> None:
    metric = metrics.deserialize(metrics.serialize(BinaryAccuracy(threshold=0.3)))
    assert float(metric([1.0], [0.4])) == 1.0
    ranked = SparseTopKCategoricalAccuracy(k=2, from_sorted_ids=True)
    again = metrics.deserialize(metrics.serialize(ranked))
    assert float(again([2, 2], [[0, 2, 1], [0, 1, 2]])) == 0.5


@pytest.mark.parametrize(
    ("alias", "name"),
    [("mse", "mean_squared_error"), ("MSE", "mean_squared_error"), ("MAE", "mean_absolute_error")],
)
def test_short_names_are_known(alias: str, name: str) -> None:
    assert metrics.get(alias).name == name


@pytest.mark.parametrize("name", [n for n in metrics.__all__ if n.endswith("l_accuracy")])
def test_keras_functions_become_the_metrics_of_their_name(name: str) -> None:
    found = metrics.get(getattr(metrics, name))
    assert found.name == name
    assert found.coalesce
    assert found.direction == "max"


@pytest.mark.parametrize(
    ("y_true", "y_pred", "kind"),
    [
        ((4,), (4,), BinaryAccuracy),
        ((4,), (4, 1), BinaryAccuracy),
        ((4, 1), (4, 1), BinaryAccuracy),
        ((4,), (4, 3), SparseCategoricalAccuracy),
        ((4, 1), (4, 3), SparseCategoricalAccuracy),
        ((4, 3), (4, 3), CategoricalAccuracy),
        ((4, 5), (4, 5, 3), SparseCategoricalAccuracy),
        ((4, 5, 3), (4, 5, 3), CategoricalAccuracy),
    ],
)
@pytest.mark.parametrize("name", ["acc", "Accuracy", "ACC"])
def test_accuracy_means_what_suits_the_shapes(
    y_true: tuple[int, ...], y_pred: tuple[int, ...], kind: type[Metric], name: str
) -> None:
    assert metrics.is_accuracy(name)
    found = metrics.resolve_accuracy(name, torch.zeros(y_true), torch.zeros(y_pred))
    assert type(found) is kind
    assert found.name == metrics.get(name).name == name


def test_an_unknown_name_is_an_error_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="unknown metric 'binary_acuracy': did you mean"):
        metrics.get("binary_acuracy")
    with pytest.raises(UsageError, match="did you mean 'mean_squared_error'"):
        metrics.deserialize({"class_name": "MeanSquaredErr", "config": {}})
    assert metrics.deserialize("mae").name == "mean_absolute_error"
    with pytest.raises(UsageError, match=r"got the keys \['name'\]"):
        metrics.get({"name": "mae"})


@pytest.mark.parametrize(
    ("identifier", "text"),
    [
        (None, "cannot be None"),
        (3, "cannot be 3"),
        (torch.nn.BCELoss(), "module BCELoss; give a function"),
        (torch.nn.BCELoss, "class BCELoss; give an instance"),
    ],
)
def test_what_cannot_be_a_metric_is_refused(identifier: Any, text: str) -> None:
    with pytest.raises(UsageTypeError, match=text):
        metrics.get(identifier)


def test_a_callable_without_a_hash_can_be_a_metric() -> None:
    class Unhashable:
        __hash__ = None  # type: ignore[assignment]

        def __call__(self, y_true: Any, y_pred: Any) -> Any:
            return y_pred

    assert metrics.get(Unhashable()).name == "unhashable"


def test_a_function_has_no_description() -> None:
    def mine(y_true: Any, y_pred: Any) -> Any:
        return y_pred

    for metric in (metrics.get(mine), MeanMetricWrapper(mine)):
        with pytest.raises(UsageError, match=r"'mine' is made of a function.*write a subclass"):
            metrics.serialize(metric)


def test_a_class_of_ones_own_has_no_description_that_comes_back() -> None:
    class Own(MeanMetricWrapper):
        def __init__(self, name: str = "own") -> None:
            super().__init__(lambda y_true, y_pred: y_pred, name)

    config = Own("x").get_config()
    assert Own.from_config(config).name == "x"
    with pytest.raises(UsageError, match="Own is a metric of your own"):
        metrics.serialize(Own())
    with pytest.raises(UsageError, match="Mean is a metric of your own"):
        metrics.serialize(type("Mean", (Mean,), {})())
