"""Results after every batch against those that Keras 3.15.1 (torch backend) recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from epochal import metrics
from epochal.metrics import Mean

RECORDED = json.loads((Path(__file__).parents[1] / "parity" / "metrics.json").read_text())

# Keras adds up in float32, we in float64: 16 batches of numbers agree to its seventh digit.
CLOSE = {"rel": 2e-6, "abs": 2e-6}


@pytest.mark.parametrize(
    "case",
    RECORDED["metrics"],
    ids=lambda c: f"{c['metric']}-{c['data']}-{c['config']}-{c['weights'][0] is not None}",
)
def test_a_metric_gives_after_each_batch_what_keras_gave(case: dict[str, Any]) -> None:
    metric = getattr(metrics, case["metric"])(**case["config"])
    for (y_true, y_pred), weight, want in zip(
        RECORDED["data"][case["data"]], case["weights"], case["results"], strict=True
    ):
        metric.update_state(torch.tensor(y_true), torch.tensor(y_pred), weight)
        assert float(metric.result()) == pytest.approx(want, **CLOSE)


def test_a_mean_gives_what_keras_gave() -> None:
    mean = Mean()
    for case in RECORDED["mean"]:
        alone = Mean()
        alone.update_state(case["values"], case["weight"])
        mean.update_state(case["values"], case["weight"])
        assert float(alone.result()) == pytest.approx(case["alone"], **CLOSE), case["case"]
        assert float(mean.result()) == pytest.approx(case["so_far"], **CLOSE), case["case"]


def test_every_metric_of_keras_is_recorded() -> None:
    wrappers = {"Metric", "MeanMetricWrapper", "EpochMetric", "TorchMetric", "Mean", "Sum"}
    not_in_keras = {"AveragePrecision", "ExactAUC", "ExpectedCalibrationError"}
    not_in_keras |= {"CohenKappa", "ConfusionMatrix", "MacroAccuracy"}
    not_in_keras |= {"MatthewsCorrelation", "MedianAbsoluteError"}
    classes = {name for name in metrics.__all__ if isinstance(getattr(metrics, name), type)}
    recorded = {
        case["metric"]
        for file in (Path(__file__).parents[1] / "parity").glob("*metrics.json")
        for case in json.loads(file.read_text())["metrics"]
    }
    assert classes - wrappers - not_in_keras == recorded
