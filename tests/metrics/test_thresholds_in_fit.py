"""Threshold and ranking metrics inside of `fit`, where batches are scored together."""

from typing import Any

import pytest
import torch

import epochal
from epochal import metrics
from epochal.metrics import (
    AUC,
    AveragePrecision,
    ExactAUC,
    ExpectedCalibrationError,
    FalseNegatives,
    FalsePositives,
    Precision,
    PrecisionAtRecall,
    Recall,
    RecallAtPrecision,
    SensitivityAtSpecificity,
    SpecificityAtSensitivity,
    TrueNegatives,
    TruePositives,
)

X = torch.rand(50, 4, generator=torch.Generator().manual_seed(1))
ONE = (X.sum(1, keepdim=True) > 2).float()
THREE = (X[:, :3] > 0.6).float()
SINGLE: list[Any] = [
    *("auc", "precision", "recall", "true_positives", "false_positives", "exact_auc"),
    *(FalseNegatives(), TrueNegatives([0.3, 0.6]), FalsePositives(0.25), TruePositives(0.1)),
    SensitivityAtSpecificity(0.6),
    SpecificityAtSensitivity(0.6),
    PrecisionAtRecall(0.6),
    RecallAtPrecision(0.6),
    *(AUC(curve="PR"), AveragePrecision(), ExpectedCalibrationError()),
]
MULTI: list[Any] = [
    *(AUC(multi_label=True), AUC(), AUC(multi_label=True, label_weights=[1.0, 2.0, 3.0])),
    *(Precision(average=average) for average in ("micro", "macro", "weighted", "samples")),
    *(Recall(average=average) for average in ("micro", "macro", "weighted", "samples")),
    *(Precision(top_k=1), Recall(class_id=2), ExactAUC("macro"), AveragePrecision("samples")),
]
CASES = [(metric, ONE) for metric in SINGLE] + [(metric, THREE) for metric in MULTI]


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize(("metric", "y"), CASES, ids=lambda value: getattr(value, "name", None))
def test_an_epoch_scores_what_the_whole_gives_at_once(metric: Any, y: Any, weighted: bool) -> None:
    model = epochal.Model(torch.nn.Sequential(torch.nn.Linear(4, y.shape[1]), torch.nn.Sigmoid()))
    where = {"weighted_metrics" if weighted else "metrics": [metric]}
    # Without learning, so that the outputs of every batch are those of the model afterwards.
    model.compile(epochal.optimizers.SGD(0.0), "binary_crossentropy", **where)
    weight = torch.arange(50.0) % 4 if weighted else None
    history = model.fit(
        *(X, y, 16),
        epochs=2,
        verbose=0,
        sample_weight=weight,
        validation_data=(X, y) if weight is None else (X, y, weight),
    ).history
    alone = metrics.get(metric)
    alone.reset_state()
    alone.update_state(y, model.predict(X, verbose=0), weight)
    want = alone.result().tolist()
    for name in (alone.name, f"val_{alone.name}"):
        assert history[name] == [pytest.approx(want, rel=1e-6)] * 2


def test_labels_that_are_none_are_an_error_of_the_epoch() -> None:
    model = epochal.Model(torch.nn.Linear(4, 1))
    model.compile("sgd", "mse", metrics=[Precision()])
    with pytest.raises(epochal.core.errors.UsageError, match="targets of this metric are 0 or 1"):
        model.fit(X, ONE * 2 - 1, verbose=0)


def test_a_threshold_metric_can_be_watched_without_saying_which_way_is_better() -> None:
    model = epochal.Model(torch.nn.Sequential(torch.nn.Linear(4, 1), torch.nn.Sigmoid()))
    model.compile("sgd", "binary_crossentropy", metrics=["auc"])
    stopping = epochal.callbacks.EarlyStopping("val_auc", patience=0)
    history = model.fit(
        X, ONE, epochs=30, verbose=0, validation_data=(X, ONE), callbacks=[stopping]
    ).history
    values = history["val_auc"]
    assert len(values) < 30
    assert values[:-1] == sorted(values[:-1])
    assert values[-1] <= values[-2]
