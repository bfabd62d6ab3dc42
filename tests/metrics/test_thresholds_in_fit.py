"""Threshold and ranking metrics inside of `fit`, where batches are scored together."""

from collections import Counter
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import epochal
from epochal import metrics
from epochal.logs import Scoreboard, Scored
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


class Operations(TorchDispatchMode):
    """Counts torch's operations by name."""

    def __init__(self) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()

    def __torch_dispatch__(
        self, function: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        self.count[function.overloadpacket.__name__] += 1
        return function(*args, **kwargs or {})


def passes(*given: Any) -> tuple[Counter[str], list[Any]]:
    """Return what one scoring of several metrics together does, and their values."""
    board = Scoreboard(["loss"], [Scored(str(n), metric) for n, metric in enumerate(given)])
    for metric in given:
        metric.update_state(ONE, X[:, :1])  # what depends on thresholds alone is made once, here
        metric.reset_state()
    for y, p in zip(ONE.split(10), X[:, :1].split(10), strict=True):
        board.add_outputs(y, p, None)
    with Operations() as operations:
        board.close()
    moment = board.moment()
    return operations.count, [moment.read(str(n)) for n in range(len(given))]


@pytest.mark.parametrize(
    ("make", "one_pass"),
    [
        # One threshold: three sums of yes and no.
        (
            lambda: [Precision(), Recall(), FalsePositives(), TruePositives(0.5)],
            {"count_nonzero": 3},
        ),
        # Many: the places of all scores, once.
        (
            lambda: [
                SensitivityAtSpecificity(0.6),
                SpecificityAtSensitivity(0.6),
                PrecisionAtRecall(0.5),
                RecallAtPrecision(0.5),
            ],
            {"bincount": 1},
        ),
        (lambda: [AUC(), AUC(curve="PR"), AUC(summation_method="majoring")], {"bincount": 1}),
        (lambda: [AUC(from_logits=True), AUC(curve="PR", from_logits=True)], {"sigmoid": 1}),
        (lambda: [Precision([0.1, 0.7]), Recall([0.1, 0.7])], {"bincount": 1}),
    ],
)
def test_metrics_at_the_same_thresholds_share_one_pass(make: Any, one_pass: Any) -> None:
    together, values = passes(*make())
    for name, times in one_pass.items():
        assert together[name] == times
    assert together["ne"] == 2  # targets are looked at once: which are true, and which are wrong
    alone = [passes(metric) for metric in make()]
    assert values == [value for _, (value,) in alone]
    for name, times in one_pass.items():
        assert sum(count[name] for count, _ in alone) == times * len(alone)


@pytest.mark.parametrize(
    "other",
    [
        Precision(0.4),
        Precision(top_k=1),
        Precision(class_id=0),
        AUC(from_logits=True),
        AUC(label_weights=[2.0]),
    ],
)
def test_what_is_counted_otherwise_is_not_shared(other: Any) -> None:
    _, together = passes(Precision(), AUC(), other)
    _, alone = passes(other)
    assert together[2] == alone[0]


def test_a_metric_with_an_update_of_its_own_is_asked_for_it() -> None:
    class Reversed(Precision, coalesce=True):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            super().update_state(y_true, 1 - y_pred, sample_weight)

    _, values = passes(Precision(), Reversed())
    assert values[0] == float(Precision()(ONE, X[:, :1]))
    assert values[1] == float(Precision()(ONE, 1 - X[:, :1]))
