"""Results at thresholds after every batch against those that Keras 3.15.1 (torch) recorded."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from epochal import metrics

RECORDED = json.loads((Path(__file__).parents[1] / "parity/threshold_metrics.json").read_text())

# Keras adds weights up in float32, we in float64: 31 of them agree to its sixth digit.
CLOSE = {"rel": 5e-6, "abs": 5e-6}


@pytest.mark.parametrize(
    "case",
    RECORDED["metrics"],
    ids=lambda c: f"{c['metric']}-{c['data']}-{c['config']}-{c['weights'][0] is not None}",
)
def test_a_metric_at_thresholds_gives_after_each_batch_what_keras_gave(
    case: dict[str, Any],
) -> None:
    metric = getattr(metrics, case["metric"])(**case["config"])
    for (y_true, y_pred), weight, want in zip(
        RECORDED["data"][case["data"]], case["weights"], case["results"], strict=True
    ):
        metric.update_state(torch.tensor(y_true), torch.tensor(y_pred), weight)
        assert metric.result().reshape(-1).tolist() == pytest.approx(want, **CLOSE)
