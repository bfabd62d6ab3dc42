"""Updates of threshold and ranking metrics ask the device for nothing."""

from typing import Any

import pytest
import torch

from epochal import metrics

MAKE: dict[str, Any] = {
    name: lambda name=name, keywords=keywords: getattr(metrics, name)(**keywords)
    for name, keywords in {
        "FalsePositives": {},
        "FalseNegatives": {"thresholds": [0.7, 0.2]},
        "TrueNegatives": {"thresholds": [0.0, 0.5, 1.0]},
        "TruePositives": {},
        "Precision": {"top_k": 2},
        "Recall": {"class_id": 1},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
        "AUC": {"multi_label": True, "from_logits": True},
        "ExactAUC": {},
        "AveragePrecision": {"average": "samples"},
        "ExpectedCalibrationError": {},
    }.items()
}
MAKE["weighted labels"] = lambda: metrics.AUC(label_weights=[1.0, 2.0, 3.0])
for _average in ("macro", "weighted", "samples"):
    MAKE[_average] = lambda average=_average: metrics.Precision(average=average)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", MAKE)
def test_neither_update_nor_result_reads_a_value_from_the_device(name: str, weighted: bool) -> None:
    # Tensors of this device have no values: whatever asks for one fails.
    there = torch.device("meta")
    metric = MAKE[name]()
    weight = torch.ones(8, device=there) if weighted else None
    for _ in range(2):
        metric.update_state(torch.ones(8, 3, device=there), torch.rand(8, 3, device=there), weight)
        assert metric.result().device == there
    assert {weight.value.device for weight in metric.variables if weight.value.ndim} <= {there}
