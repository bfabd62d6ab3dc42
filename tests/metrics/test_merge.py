"""Metrics that have seen parts become one that has seen the whole."""

from typing import Any

import numpy as np
import pytest
import torch
import torchmetrics
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal import metrics
from epochal.core.errors import UsageError
from epochal.metrics import AUC, ExactAUC, Mean, Metric, Precision, Recall, TorchMetric

MAKERS: dict[str, Any] = {
    name: lambda name=name, keywords=keywords: getattr(metrics, name)(**keywords)
    for name, keywords in {
        "BinaryAccuracy": {},
        "MeanSquaredError": {},
        "FalsePositives": {"thresholds": [0.7, 0.2]},
        "FalseNegatives": {},
        "TrueNegatives": {},
        "TruePositives": {},
        "Precision": {"thresholds": [0.2, 0.5, 0.6]},
        "Recall": {"top_k": 2},
        "SensitivityAtSpecificity": {"specificity": 0.5},
        "SpecificityAtSensitivity": {"sensitivity": 0.5},
        "PrecisionAtRecall": {"recall": 0.5},
        "RecallAtPrecision": {"precision": 0.5},
        "AUC": {"curve": "PR"},
        "ExactAUC": {"average": "micro"},
        "AveragePrecision": {},
    }.items()
}
for average in ("micro", "macro", "weighted", "samples"):
    MAKERS[f"Precision {average}"] = lambda average=average: Precision(average=average)
    MAKERS[f"Recall {average}"] = lambda average=average: Recall([0.1, 0.6], average=average)
MAKERS["AUC multi_label"] = lambda: AUC(multi_label=True)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 2**16), parts=st.integers(1, 5), weighted=st.booleans())
@pytest.mark.parametrize("name", MAKERS)
def test_merging_parts_gives_the_value_of_the_whole(
    name: str, seed: int, parts: int, weighted: bool
) -> None:
    rng = np.random.default_rng(seed)
    labels = torch.from_numpy(rng.integers(0, 2, (40, 3)))
    scores = torch.from_numpy(rng.uniform(size=(40, 3)).round(2)).float()
    weight = torch.from_numpy(rng.integers(0, 5, 40) / 4) if weighted else None
    whole = MAKERS[name]()
    whole.update_state(labels, scores, weight)
    pieces = [MAKERS[name]() for _ in range(parts)]
    where = torch.from_numpy(rng.integers(0, parts, 40))  # a piece may stay without any row
    for number, piece in enumerate(pieces):
        rows = where == number
        if rows.any():
            own = None if weight is None else weight[rows]
            piece.update_state(labels[rows], scores[rows], own)
    first, *others = pieces
    first.merge_state(others)
    # Sums of quarters are exact; only ratios and areas are rounded, in another order.
    torch.testing.assert_close(first.result(), whole.result(), rtol=1e-12, atol=0, equal_nan=True)


class Extremes(Metric):
    def __init__(self) -> None:
        super().__init__(name="extremes")
        self.most = self.add_weight(initializer=-1e9, reduction="max")
        self.least = self.add_weight(initializer=1e9, reduction="min")
        self.inner = Mean()

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        self.most.assign(torch.maximum(self.most.value, y_pred.max()))
        self.least.assign(torch.minimum(self.least.value, y_pred.min()))
        self.inner.update_state(y_pred)

    def result(self) -> Any:
        return [float(self.least), float(self.most), float(self.inner.result())]


def test_extremes_and_inner_metrics_merge_by_their_own_reductions() -> None:
    first, second = Extremes(), Extremes()
    first.update_state(None, torch.tensor([1.0, 5.0]))
    second.update_state(None, torch.tensor([-2.0, 0.0]))
    before = second.result()
    first.merge_state([second])
    assert first.result() == [-2.0, 5.0, 1.0]
    assert second.result() == before


def test_metrics_of_another_kind_are_not_merged() -> None:
    with pytest.raises(
        UsageError, match=r"a Precision with the weights .* cannot take in a Recall"
    ):
        Precision().merge_state([Recall()])
    with pytest.raises(UsageError, match=r"cannot take in a Precision with \['count', 'total'\]"):
        Precision().merge_state([Precision(average="samples")])


@pytest.mark.parametrize("average", [None, "macro"])
def test_metrics_of_other_sizes_are_not_merged(average: Any) -> None:
    first, second = Precision([0.5], average=average), Precision([0.2, 0.5], average=average)
    for metric in (first, second):
        metric.update_state([[0, 1]], [[0.4, 0.6]])
    before = first.result().tolist()
    with pytest.raises(
        UsageError, match=r"has thresholds=\[0.5\] .* one that has thresholds=\[0.2"
    ):
        first.merge_state([second])
    assert first.result().tolist() == before


@pytest.mark.parametrize(
    ("one", "other", "match"),
    [
        (Precision(0.5), Precision(0.6), "thresholds=0.5 .* thresholds=0.6"),
        (Recall(top_k=1), Recall(top_k=2), "top_k=1 .* top_k=2"),
        (AUC(curve="PR"), AUC(), "curve='PR' .* curve='ROC'"),
        (metrics.get("acc"), metrics.BinaryAccuracy(), "an? Accuracy .* cannot take in a Binary"),
        (metrics.BinaryAccuracy(), metrics.BinaryAccuracy(threshold=0.1), "threshold=0.5"),
        (metrics.get(torch.dist), metrics.get(torch.add), "has fn="),
        (metrics.EpochMetric(max), metrics.EpochMetric(min), "has fn="),
        (metrics.EpochMetric(max), metrics.EpochMetric(max, needs="labels"), "needs='scores'"),
    ],
)
def test_metrics_with_other_arguments_are_not_merged(one: Any, other: Any, match: str) -> None:
    with pytest.raises(UsageError, match=match):
        one.merge_state([other])


def test_names_and_types_need_not_be_the_same_to_be_merged() -> None:
    one, other = Precision(name="one"), Precision(name="other", dtype="float32")
    other.update_state([1, 0], [0.9, 0.9])
    one.merge_state([other])
    assert float(one.result()) == 0.5


def test_a_class_that_keeps_no_arguments_is_merged_by_its_weights() -> None:
    class Above(Metric):
        def __init__(self, limit: float) -> None:
            super().__init__(name="above")
            self._limit = limit
            self.count = self.add_weight(name="count")

        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            self.count.assign_add((y_pred > self._limit).sum())

        def result(self) -> Any:
            return self.count.value

    one, other = Above(0.5), Above(0.5)
    other.update_state(None, torch.tensor([0.2, 0.8]))
    one.merge_state([other, other])
    assert float(one.result()) == 2.0


def collection() -> Any:
    return torchmetrics.MetricCollection(
        [
            torchmetrics.Precision("multiclass", num_classes=3),
            torchmetrics.Recall("multiclass", num_classes=3),  # shares the state of the first
            torchmetrics.AUROC("multiclass", num_classes=3),  # keeps rows
        ]
    )


@pytest.mark.parametrize(
    "make",
    [
        lambda: torchmetrics.Accuracy("multiclass", num_classes=3),
        collection,
    ],
)
def test_metrics_of_torchmetrics_merge_into_the_whole(make: Any) -> None:
    rng = torch.Generator().manual_seed(3)
    labels, scores = torch.randint(3, (30,), generator=rng), torch.rand(30, 3, generator=rng)
    whole, *parts = (TorchMetric(make()) for _ in range(4))
    whole.update_state(labels, scores)
    for part, y, p in zip(parts, labels.split(10), scores.split(10), strict=True):
        part.update_state(y, p)
        part.result()  # a value computed before is not handed out afterwards
    parts[0].merge_state(parts[1:])
    torch.testing.assert_close(parts[0].result(), whole.result())
    again = TorchMetric(make())
    again.merge_state([whole])
    torch.testing.assert_close(again.result(), whole.result())


def test_metrics_of_torchmetrics_with_other_arguments_are_not_merged() -> None:
    one = TorchMetric(torchmetrics.Accuracy("binary"))
    with pytest.raises(UsageError, match=r"threshold=0.5 .* threshold=0.1"):
        one.merge_state([TorchMetric(torchmetrics.Accuracy("binary", threshold=0.1))])
    for other in (TorchMetric(torchmetrics.MeanSquaredError()), Mean()):
        with pytest.raises(UsageError, match="merge metrics of one kind"):
            one.merge_state([other])

    class Whole(torchmetrics.MeanSquaredError):
        full_state_update = True

    with pytest.raises(UsageError, match="cannot merge a Whole"):
        TorchMetric(Whole()).merge_state([TorchMetric(Whole())])


def test_a_metric_without_weights_says_that_it_cannot_be_merged() -> None:
    class Nothing(Metric):
        def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
            pass

        def result(self) -> float:
            return 0.0

    with pytest.raises(UsageError, match="Nothing keeps what it has seen in no weight"):
        Nothing().merge_state([Nothing()])


def test_only_weights_for_concatenation_take_rows() -> None:
    with pytest.raises(UsageError, match="'total' has the reduction 'sum'"):
        Mean().total.append([1.0])


def test_a_state_of_rows_comes_back() -> None:
    metric, again = ExactAUC(), ExactAUC()
    metric.update_state([0, 1], [0.4, 0.3])
    metric.update_state([1], [0.5])
    again.load_state_dict(metric.state_dict())
    again.update_state([0], [0.1])
    metric.update_state([0], [0.1])
    assert float(again.result()) == float(metric.result()) == 0.75
    metric.reset_state()
    assert metric.state_dict()["y_pred"].numel() == 0
