"""Errors, F-scores, R2 and overlaps after every batch against what Keras 3.15.1 recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from epochal import metrics

RECORDED = json.loads((Path(__file__).parents[1] / "parity" / "other_metrics.json").read_text())

# Keras adds up in float32, and puts 1e-7 below fractions; a percentage of a target near zero
# is large, so it is compared relatively.
CLOSE = {"rel": 1e-5, "abs": 3e-6}


def as_float(value: Any) -> list[float]:
    flat: list[float] = torch.as_tensor(value).double().flatten().tolist()
    return flat


@pytest.mark.parametrize(
    "case",
    RECORDED["metrics"],
    ids=lambda c: f"{c['metric']}-{c['data']}-{c['config']}-{c['weights'][0] is not None}",
)
def test_a_metric_gives_after_each_batch_what_keras_gave(case: dict[str, Any]) -> None:
    config = dict(case["config"])
    several = case["metric"] == "R2Score" and case["data"] == "numbers"
    assert not (several and config.get("num_regressors"))  # wrong there, see the documentation
    metric = getattr(metrics, case["metric"])(**config)
    for (y_true, y_pred), weight, want in zip(
        RECORDED["data"][case["data"]], case["weights"], case["results"], strict=True
    ):
        metric.update_state(torch.tensor(y_true), torch.tensor(y_pred), weight)
        assert as_float(metric.result()) == pytest.approx(want, **CLOSE)


@pytest.mark.parametrize("case", RECORDED["metrics"][::2], ids=lambda c: c["metric"])
def test_joined_batches_give_the_same_as_single_ones(case: dict[str, Any]) -> None:
    metric = getattr(metrics, case["metric"])(**case["config"])
    if metric.coalesce:
        columns = zip(*RECORDED["data"][case["data"]], strict=True)
        joined = (torch.cat([torch.tensor(part) for part in column]) for column in columns)
        metric.update_state(*joined)
        assert as_float(metric.result()) == pytest.approx(case["results"][-1], **CLOSE)


def test_a_sum_gives_what_keras_gave() -> None:
    total = metrics.Sum()
    for case in RECORDED["sum"]:
        total.update_state(case["values"], case["weight"])
        assert float(total.result()) == pytest.approx(case["result"])
