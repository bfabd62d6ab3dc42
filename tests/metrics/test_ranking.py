"""Exact areas under curves, against scikit-learn on generated cases."""

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.exceptions import UndefinedMetricWarning
from sklearn.metrics import average_precision_score, roc_auc_score

from epochal.core.errors import UsageError
from epochal.metrics import AveragePrecision, ExactAUC

# Few different scores, so that ties are common, extremes among them.
SCORES = st.sampled_from([0.0, 1e-30, 0.1, 0.5, 0.5001, 0.5002, 1.0, -3.0, 1e30])
WEIGHTS = st.sampled_from([0.0, 0.25, 1.0, 3.0, 1e6])
CLOSE = {"rel": 1e-9, "abs": 1e-12, "nan_ok": True}  # float64 on both sides


@st.composite
def flat(draw: Any) -> tuple[Any, Any, Any]:
    size = draw(st.integers(1, 30))
    labels = draw(st.lists(st.integers(0, 1), min_size=size, max_size=size))
    scores = draw(st.lists(SCORES, min_size=size, max_size=size))
    weights = draw(st.none() | st.lists(WEIGHTS, min_size=size, max_size=size))
    return np.array(labels), np.array(scores), None if weights is None else np.array(weights)


@st.composite
def many(draw: Any) -> tuple[Any, Any, Any]:
    rows, columns = draw(st.integers(2, 12)), draw(st.integers(2, 4))
    labels, scores, weights = draw(flat()), None, None
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    labels = (rng.uniform(size=(rows, columns)) < draw(st.floats(0, 1))).astype(int)
    scores = rng.integers(0, draw(st.integers(1, 20)), (rows, columns)) / 8
    if draw(st.booleans()):
        weights = rng.integers(1, 5, rows) / 4
    return labels, scores, weights


def exact(metric: Any, labels: Any, scores: Any, weights: Any) -> float:
    half = len(labels) // 2
    for part in (slice(None, half), slice(half, None)):
        metric.update_state(
            torch.tensor(labels[part]),
            torch.tensor(scores[part], dtype=torch.float64),
            None if weights is None else torch.tensor(weights[part]),
        )
    return float(metric.result())


def reference(score: Any, *args: Any, **keywords: Any) -> float:
    with warnings.catch_warnings():  # of what is undefined, and of 0 divided by 0 there
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        warnings.simplefilter("ignore", UserWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        return float(score(*args, **keywords))


@settings(max_examples=150, deadline=None)
@given(flat())
def test_the_exact_area_is_that_of_scikit_learn(case: Any) -> None:
    labels, scores, weights = case
    if weights is not None:
        keep = weights > 0  # scikit-learn takes a class of weight 0 for one that is there
        labels, scores, weights = labels[keep], scores[keep], weights[keep]
    found = exact(ExactAUC(), labels, scores, weights)
    if len(set(labels.tolist())) < 2:
        assert math.isnan(found)
    else:
        want = reference(roc_auc_score, labels, scores, sample_weight=weights)
        assert found == pytest.approx(want, **CLOSE)


@settings(max_examples=150, deadline=None)
@given(flat())
def test_average_precision_is_that_of_scikit_learn(case: Any) -> None:
    labels, scores, weights = case
    if weights is not None:
        keep = weights > 0
        labels, scores, weights = labels[keep], scores[keep], weights[keep]
    found = exact(AveragePrecision(), labels, scores, weights)
    if not labels.sum():
        assert found == 0.0
    else:
        want = reference(average_precision_score, labels, scores, sample_weight=weights)
        assert found == pytest.approx(want, **CLOSE)


@settings(max_examples=100, deadline=None)
@given(many(), st.sampled_from(["micro", "macro", "weighted", "samples"]))
def test_average_precision_over_labels_is_that_of_scikit_learn(case: Any, average: Any) -> None:
    labels, scores, weights = case
    found = exact(AveragePrecision(average), labels, scores, weights)
    want = reference(
        average_precision_score, labels, scores, average=average, sample_weight=weights
    )
    assert found == pytest.approx(want, **CLOSE)


@settings(max_examples=100, deadline=None)
@given(many(), st.sampled_from(["micro", "macro", "samples"]))
def test_the_exact_area_over_labels_is_that_of_scikit_learn(case: Any, average: Any) -> None:
    labels, scores, weights = case
    found = exact(ExactAUC(average), labels, scores, weights)
    want = reference(roc_auc_score, labels, scores, average=average, sample_weight=weights)
    assert found == pytest.approx(want, **CLOSE)


def test_a_label_that_is_never_there_does_not_weigh_in() -> None:
    labels = np.array([[0, 0, 1], [1, 0, 0], [1, 0, 1], [0, 0, 0]])
    scores = np.array([[0.3, 0.2, 0.9], [0.2, 0.9, 0.1], [0.9, 0.4, 0.4], [0.5, 0.1, 0.6]])
    found = exact(ExactAUC("weighted"), labels, scores, None)
    there = [0, 2]
    want = roc_auc_score(labels[:, there], scores[:, there], average="weighted")
    assert found == pytest.approx(want)


def test_scores_between_two_thresholds_are_told_apart() -> None:
    assert float(ExactAUC()([0, 1], [0.5001, 0.5002])) == 1.0


@pytest.mark.parametrize("metric", [ExactAUC(), AveragePrecision()])
def test_a_score_that_is_no_number_makes_the_area_none(metric: Any) -> None:
    assert math.isnan(metric([0, 1, 1], [0.1, float("nan"), 0.9]))


def test_without_data_the_area_is_undefined_and_the_precision_nothing() -> None:
    assert math.isnan(ExactAUC().result())
    assert float(AveragePrecision().result()) == 0.0


def test_columns_and_flat_arrays_are_the_same_rows() -> None:
    metric = ExactAUC()
    metric.update_state([0, 1], [0.4, 0.3])
    metric.update_state([[1], [0]], [[0.5], [0.1]])
    assert float(metric.result()) == 0.75


def test_rows_of_another_length_are_refused() -> None:
    metric = ExactAUC()
    metric.update_state([[0, 1]], [[0.4, 0.3]])
    with pytest.raises(UsageError, match=r"holds rows of the shape \(2,\).*\(3,\)"):
        metric.update_state([[0, 1, 1]], [[0.4, 0.3, 0.1]])


def test_an_unknown_average_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown average 'makro': did you mean 'macro'"):
        ExactAUC("makro")  # type: ignore[arg-type]


def test_what_was_passed_in_may_change_afterwards() -> None:
    metric, scores = ExactAUC(), torch.tensor([0.1, 0.9], dtype=torch.float64)
    metric.update_state([0, 1], scores)
    metric.update_state([0, 1], scores)
    scores.mul_(-1)
    assert float(metric.result()) == 1.0
