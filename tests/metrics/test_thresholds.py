"""Counts and rates at thresholds: against scikit-learn, at the edges, and what is refused."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, precision_score, recall_score, roc_auc_score

from epochal import metrics
from epochal.core.errors import UsageError
from epochal.metrics import (
    AUC,
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
from epochal.metrics.thresholds import evenly_spaced

COUNTS = (TrueNegatives, FalsePositives, FalseNegatives, TruePositives)
SCORES = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0, -2.0, 7.0])
THRESHOLDS = st.lists(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 1.0]), min_size=1, max_size=6)


@st.composite
def cases(draw: Any) -> tuple[Any, Any, Any]:
    size = draw(st.integers(1, 40))
    labels = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    scores = draw(st.lists(SCORES, min_size=size, max_size=size))
    weight = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1e6]), min_size=size, max_size=size)
    weights = draw(st.none() | weight)
    return np.array(labels), np.float32(scores), None if weights is None else np.array(weights)


@settings(max_examples=150, deadline=None)
@given(cases(), THRESHOLDS)
def test_the_four_counts_are_those_of_scikit_learn(case: Any, thresholds: list[float]) -> None:
    labels, scores, weights = case
    assume(weights is None or weights.any())  # scikit-learn refuses that nothing counts
    # Keras moves scores to the ends of 0 to 1 where the thresholds are even; it changes counts at
    # 0 and 1 only, where nothing is then strictly above.
    if evenly_spaced(thresholds):
        scores = scores.clip(0, 1)
    found = [
        kind(thresholds)(labels, scores, weights).reshape(-1).tolist()  # type: ignore[call-arg]
        for kind in COUNTS
    ]
    for place, threshold in enumerate(thresholds):
        want = confusion_matrix(
            labels, scores > np.float32(threshold), sample_weight=weights, labels=[0, 1]
        )
        assert [count[place] for count in found] == want.ravel().tolist()


# Crowded, repeated, beside each other, at the ends, and smaller than any part of a table.
NEAR = [0.0, 1e-45, 1e-30, 1e-7, 0.1, 0.3, 0.5, 0.5000001, 0.50000011, 0.999, 0.9999999, 1.0]
BEYOND = [-np.inf, -1e38, -1.0, -1e-45, 1.0000001, 2.0, 3e38, np.inf, np.nan]


@settings(max_examples=150, deadline=None)
@given(
    st.lists(st.sampled_from(NEAR) | st.floats(0, 1), min_size=2, max_size=30),
    st.lists(st.sampled_from(NEAR + BEYOND) | st.floats(0, 1), min_size=1, max_size=40),
    st.sampled_from(["float32", "float64"]),
)
def test_a_place_among_uneven_thresholds_is_found_exactly(
    thresholds: list[float], scores: list[float], dtype: str
) -> None:
    assume(not evenly_spaced(thresholds))
    found = np.array([*scores, *thresholds], dtype)
    limits = np.array(thresholds, dtype)
    counts = TruePositives(thresholds)(np.ones(len(found)), torch.from_numpy(found))
    assert counts.tolist() == (found[:, None] > limits).sum(0).tolist()


def test_a_million_scores_are_counted_as_a_few() -> None:
    rng = torch.Generator().manual_seed(5)
    scores = torch.rand(50_001, 1, generator=rng)
    labels = torch.rand(50_001, 1, generator=rng) < 0.3
    weight = torch.rand(50_001, generator=rng, dtype=torch.float64)
    for limits in ([0.5], [0.2, 0.21, 0.9]):
        above = scores > torch.tensor(limits)
        for given_weight, each in ((None, torch.ones(50_001).double()), (weight, weight)):
            want = [(each @ (above & labels).double()), (each @ (above & ~labels).double())]
            for kind, counts in zip((TruePositives, FalsePositives), want, strict=True):
                found = kind(limits)(labels, scores, given_weight).reshape(-1)
                torch.testing.assert_close(found, counts, rtol=1e-12, atol=0)


@settings(max_examples=100, deadline=None)
@given(st.integers(0, 2**16), st.sampled_from([None, "micro", "macro", "weighted", "samples"]))
@pytest.mark.parametrize(("kind", "score"), [(Precision, precision_score), (Recall, recall_score)])
def test_averages_over_labels_are_those_of_scikit_learn(
    kind: Any, score: Any, seed: int, average: Any
) -> None:
    rng = np.random.default_rng(seed)
    shape = (int(rng.integers(1, 20)), int(rng.integers(2, 5)))
    labels = (rng.uniform(size=shape) < rng.uniform()).astype(int)  # empty labels and rows too
    scores = rng.uniform(size=shape)
    weights = rng.integers(1, 9, shape[0]) / 4 if rng.integers(2) else None
    metric = kind(thresholds=[0.5, 0.2], average=average)
    for part in (slice(None, shape[0] // 2), slice(shape[0] // 2, None)):
        own = None if weights is None else weights[part]
        metric.update_state(labels[part], scores[part], own)
    want = [
        score(
            labels,
            scores > threshold,
            average=average or "micro",
            sample_weight=weights,
            zero_division=0,
        )
        for threshold in (0.5, 0.2)
    ]
    assert metric.result().tolist() == pytest.approx(want, rel=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("number", [2, 3, 7, 11, 200, 1000])
def test_scores_on_and_beside_thresholds_are_counted_by_comparison(number: int, dtype: Any) -> None:
    metric = SensitivityAtSpecificity(0.5, num_thresholds=number)
    on = torch.tensor(metric.thresholds, dtype=dtype)
    up, down = torch.tensor(torch.inf, dtype=dtype), torch.tensor(-torch.inf, dtype=dtype)
    scores = torch.cat([on, torch.nextafter(on, up), torch.nextafter(on, down)]).clamp(0, 1)
    scores = torch.cat([scores, torch.tensor([torch.nan], dtype=dtype)])
    metric.update_state(torch.ones_like(scores), scores)
    want = [float((scores > threshold).sum()) for threshold in on]
    assert metric.true_positives.value.tolist() == want  # type: ignore[attr-defined]


def test_many_thresholds_come_close_to_the_exact_area() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2000)
    scores = rng.uniform(size=2000) * 0.6 + 0.4 * labels * rng.uniform(size=2000)
    found = AUC(num_thresholds=5000)(labels, scores)
    assert float(found) == pytest.approx(roc_auc_score(labels, scores), abs=1e-4)


def test_uneven_thresholds_in_any_order_give_the_same_area() -> None:
    labels, scores = [0, 1, 0, 1, 1], [0.1, 0.35, 0.4, 0.8, 0.45]
    first, second = AUC(thresholds=[0.9, 0.2, 0.42]), AUC(thresholds=[0.2, 0.42, 0.9])
    assert float(first(labels, scores)) == float(second(labels, scores))


def test_counts_go_on_beyond_what_float32_can_count() -> None:
    metric = TruePositives()
    metric.accumulator.assign([2.0**53 - 2])
    assert float(metric([1], [1.0])) == 2.0**53 - 1


def test_a_score_that_is_no_number_is_above_no_threshold() -> None:
    labels, scores = [1, 1], [float("nan"), 0.9]
    assert float(TruePositives()(labels, scores)) == 1
    assert FalseNegatives([0.0, 0.5, 1.0])(labels, scores).tolist() == [1, 1, 2]


def test_of_equal_scores_the_first_is_among_the_best() -> None:
    assert float(Precision(top_k=1)([[0, 1]], [[0.5, 0.5]])) == 0.0
    assert float(Precision(top_k=1)([[1, 0]], [[0.5, 0.5]])) == 1.0


def test_more_best_than_there_are_means_all() -> None:
    assert float(Precision(top_k=5)([[0, 1]], [[0.5, -0.5]])) == 0.5


def test_weights_of_single_entries_count_for_a_class_alone() -> None:
    weight = [[1.0, 9.0], [3.0, 9.0]]
    found = Precision(class_id=0)([[1, 0], [0, 0]], [[0.9, 0.1], [0.8, 0.7]], weight)
    assert float(found) == 0.25


def test_half_precision_and_double_scores_are_taken() -> None:
    labels = torch.tensor([1, 0, 1])
    scores = torch.tensor([0.9, 0.4, 0.6])
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        assert float(AUC()(labels, scores.to(dtype))) == 1.0
        assert float(AUC(from_logits=True)(labels, scores.to(dtype))) == 1.0


def test_one_metric_takes_scores_of_two_types() -> None:
    metric = Precision([0.25, 0.75])
    metric.update_state([1], torch.tensor([0.5], dtype=torch.float64))
    metric.update_state([0], torch.tensor([0.5]))
    assert metric.result().tolist() == [0.5, 0.0]


@pytest.mark.parametrize("metric", [AUC(multi_label=True), Precision(average="macro")])
def test_how_many_labels_there_are_is_known_after_a_batch(metric: Any) -> None:
    assert float(metric.result()) == 0.0
    metric.update_state([[1, 0, 0], [0, 1, 1]], [[0.9, 0.1, 0.2], [0.1, 0.8, 0.7]])
    assert float(metric.result()) == pytest.approx(1.0)
    again = metric.from_config(metric.get_config())
    again.load_state_dict(metric.state_dict())
    assert float(again.result()) == float(metric.result())
    metric.reset_state()
    assert float(metric.result()) == 0.0


def test_nothing_taken_in_is_nothing() -> None:
    assert Precision([0.2, 0.4]).result().tolist() == [0.0, 0.0]
    assert Recall([0.2, 0.4], average="macro").result().tolist() == [0.0, 0.0]
    assert float(SensitivityAtSpecificity(0.5).result()) == 0.0
    metric = AUC()
    metric.update_state(torch.zeros(0, 1), torch.zeros(0, 1))
    assert float(metric.result()) == 0.0


CONFIGURED = [
    FalsePositives([0.3, 0.1]),
    Precision(top_k=2, name="top"),
    Precision(0.25, class_id=1),
    Recall(np.array([0.25, 0.5]), average="weighted"),
    SpecificityAtSensitivity(0.25, num_thresholds=7, class_id=0),
    PrecisionAtRecall(0.5),
    RecallAtPrecision(0.75),
    AUC(curve="pr", summation_method="Majoring", num_thresholds=11, from_logits=True),
    AUC(thresholds=[0.4, 0.2], multi_label=True, label_weights=np.array([1.0, 2.0])),
]


@pytest.mark.parametrize("metric", CONFIGURED, ids=lambda metric: metric.name)
def test_arguments_come_back_from_a_description(metric: Any) -> None:
    again = metrics.deserialize(metrics.serialize(metric))
    assert again.get_config() == metric.get_config()
    labels, scores = [[0, 1], [1, 0], [1, 1]], [[0.3, 0.6], [0.45, 0.2], [0.7, 0.1]]
    torch.testing.assert_close(again(labels, scores), metric(labels, scores))
    metric.reset_state()


@pytest.mark.parametrize("kind", [*COUNTS, Precision, Recall])
def test_thresholds_outside_of_0_to_1_are_refused(kind: Any) -> None:
    for wrong in (1.5, [0.5, -0.1], [0.5, None], "0.5", [True], float("nan")):
        with pytest.raises(UsageError, match=f"{kind.__name__}: thresholds is .*from 0 to 1"):
            kind(thresholds=wrong)
    with pytest.raises(UsageError, match="thresholds is empty"):
        kind(thresholds=[])


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Precision(top_k=0), "Precision: top_k is 0; give a whole number of 1 or more"),
        (lambda: Recall(class_id=-1), "Recall: class_id is -1; .* 0 or more"),
        (lambda: Recall(average="samplse"), "unknown average 'samplse': did you mean 'samples'"),
        (lambda: Recall(average="macro", class_id=1), "class_id looks at one class"),
        (lambda: SensitivityAtSpecificity(1.2), "specificity is 1.2; give a number from 0 to 1"),
        (lambda: RecallAtPrecision(precision=None), "precision is None"),
        (lambda: PrecisionAtRecall(0.5, num_thresholds=0), "num_thresholds is 0"),
        (lambda: AUC(num_thresholds=1), "num_thresholds is 1; give a whole number of 2"),
        (lambda: AUC(curve="ROG"), "unknown curve 'ROG': did you mean 'ROC'"),
        (lambda: AUC(summation_method="minor"), "did you mean 'minoring'"),
        (lambda: AUC(num_labels=3), "num_labels is for multi_label=True"),
        (lambda: AUC(thresholds=[0.2, 2.0]), "AUC: thresholds is 2.0"),
        (lambda: AUC(multi_label=True, num_labels=2, label_weights=[1.0]), "label_weights is"),
        (lambda: AUC(label_weights=[1.0, -1.0]), "label_weights is"),
        (lambda: AUC(tresholds=[0.5]), "unknown argument 'tresholds': did you mean 'thresholds'"),
    ],
)
def test_arguments_that_cannot_be_are_refused(make: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        make()


TWO = [[0.2, 0.9], [0.8, 0.1]]


@pytest.mark.parametrize(
    ("metric", "arguments", "text"),
    [
        (Precision(), ([0, 1], TWO), r"y_true has shape \(2,\) and y_pred \(2, 2\)"),
        (Precision(), ([0, 1, 1], [0.1, 0.2]), r"y_true has shape \(3,\)"),
        (Precision(class_id=2), ([[0, 1], [1, 0]], TWO), "classes go from 0 to 1"),
        (Precision(class_id=0), ([0, 1], [0.2, 0.9]), r"choose among the classes.*\(2,\)"),
        (Recall(top_k=1), ([0, 1], [0.2, 0.9]), r"choose among the classes"),
        (Recall(average="macro"), ([0, 1], [0.2, 0.9]), "needs labels in the last axis"),
        (Recall(average="samples"), ([0, 1], [0.2, 0.9]), "needs labels in the last axis"),
        (Recall(), ([-1, 1], [0.2, 0.9]), "y_true holds -1; targets of this metric are 0 or 1"),
        (AUC(), ([0.5, 1.0], [0.2, 0.9]), "y_true holds 0.5"),
        (AUC(), ([2, 0], [0.2, 0.9]), "y_true holds 2"),
        (AUC(), ([0, 1], [0.2, 0.9], [1.0, 1.0, 1.0]), r"sample_weight has shape \(3,\)"),
        (AUC(multi_label=True), ([0, 1], [0.2, 0.9]), r"give \(N, labels\)"),
        (AUC(multi_label=True, num_labels=3), ([[0, 1], [1, 0]], TWO), r"give \(N, 3\)"),
        (AUC(label_weights=[1.0]), ([[0, 1], [1, 0]], TWO), "one weight for each label"),
    ],
)
def test_batches_that_do_not_fit_are_refused(metric: Any, arguments: Any, text: str) -> None:
    with pytest.raises(UsageError, match=text):
        metric.update_state(*arguments)


def test_targets_that_do_not_count_may_be_anything() -> None:
    assert float(Precision()([1, -1], [0.9, 0.9], [1.0, 0.0])) == 1.0
