"""Errors, R2, F-scores, overlaps and agreement against scikit-learn, by batches."""

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
import sklearn.metrics as sk
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal import metrics
from epochal.metrics import Metric

Array = npt.NDArray[Any]
SEEDS = st.integers(0, 2**20)
TIMES = settings(deadline=None, max_examples=60)


def scored(metric: Metric, *arrays: Array | None) -> Any:
    """Return the result after three batches of different sizes."""
    given_ones = [array for array in arrays if array is not None]
    rows = len(given_ones[0])
    for start, end in ((0, 1), (1, rows // 2 + 1), (rows // 2 + 1, rows)):
        if end > start:
            metric.update_state(*(torch.from_numpy(array[start:end]) for array in given_ones))
    return np.asarray(metric.result())


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    with warnings.catch_warnings():
        # scikit-learn speaks of classes that do not occur, which is what is tested.
        warnings.simplefilter("ignore")
        yield


@st.composite
def numbers(draw: st.DrawFn) -> tuple[Array, Array, Array | None]:
    """Targets, outputs (N, K) and weights: some constant, some far from zero, some huge."""
    rng = np.random.default_rng(draw(SEEDS))
    rows, outputs = draw(st.integers(3, 30)), draw(st.integers(1, 4))
    scale = 10.0 ** draw(st.integers(-6, 12))
    y = (rng.normal(size=(rows, outputs)).round(1) + draw(st.sampled_from([0, 3, 500]))) * scale
    p = y + rng.normal(size=y.shape).round(1) * scale * draw(st.sampled_from([0, 0.1, 5]))
    y[0] = y[1] + scale  # so that none is constant but the first
    if draw(st.booleans()):
        y[:, 0] = 3.0  # of 0.1, scikit-learn's mean is another number
    weight = rng.integers(0, 8, rows) / 4 if draw(st.booleans()) else None
    if weight is not None:
        weight[:2] = 1
    return y, p, weight


@TIMES
@given(numbers())
def test_errors_of_numbers(case: tuple[Array, Array, Array | None]) -> None:
    y, p, w = case
    want = np.sqrt(sk.mean_squared_error(y, p, sample_weight=w))
    assert scored(metrics.RootMeanSquaredError(), y, p, w) == pytest.approx(want)
    median = sk.median_absolute_error(y, p)
    assert scored(metrics.MedianAbsoluteError(), y, p) == pytest.approx(median, rel=1e-12)
    if (np.abs(y) > 1e-6).all():
        share = 100 * sk.mean_absolute_percentage_error(y, p, sample_weight=w)
        found = scored(metrics.MeanAbsolutePercentageError(), y, p, w)
        assert found == pytest.approx(share)
    if (y >= 0).all() and (p >= 0).all() and np.abs(y).max() > 1e-3:
        logs = sk.mean_squared_log_error(y, p, sample_weight=w)
        found = scored(metrics.MeanSquaredLogarithmicError(), y, p, w)
        assert found == pytest.approx(logs, rel=1e-5, abs=1e-9)


@TIMES
@given(numbers())
def test_r2(case: tuple[Array, Array, Array | None]) -> None:
    y, p, w = case
    for ours, theirs in (
        ("uniform_average", "uniform_average"),
        ("variance_weighted_average", "variance_weighted"),
        (None, "raw_values"),
    ):
        want = sk.r2_score(y, p, sample_weight=w, multioutput=theirs)
        found = scored(metrics.R2Score(class_aggregation=ours), y, p, w)  # type: ignore[arg-type]
        assert found == pytest.approx(want, rel=1e-6, abs=1e-9)


@TIMES
@given(SEEDS, st.integers(1, 25))
def test_a_weighted_median_is_that_of_repeated_samples(seed: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.normal(size=(2, rows)).round(1)
    counts = rng.integers(0, 4, rows)
    counts[0] += 1
    want = sk.median_absolute_error(np.repeat(y, counts), np.repeat(p, counts))
    assert scored(metrics.MedianAbsoluteError(), y, p, counts) == pytest.approx(want)


@st.composite
def labels(draw: st.DrawFn) -> tuple[Array, Array, Array | None, int]:
    """True classes, scores with ties, weights; classes may be missing, down to a single one."""
    rng = np.random.default_rng(draw(SEEDS))
    classes, rows = draw(st.integers(2, 6)), draw(st.integers(1, 40))
    there = rng.choice(classes, draw(st.integers(1, classes)), replace=False)
    y = rng.choice(there, rows)
    scores = rng.uniform(0, 1, (rows, classes)).round(draw(st.sampled_from([1, 6])))
    scores[:, rng.integers(classes)] += draw(st.sampled_from([0, 0, 5]))  # often one is said
    weight = rng.integers(1, 9, rows) / 4 if draw(st.booleans()) else None
    return y, scores, weight, classes


@TIMES
@given(labels())
def test_agreement_of_classes(case: tuple[Array, Array, Array | None, int]) -> None:
    y, scores, w, classes = case
    said = scores.argmax(1)
    numbers = {"labels": np.arange(classes), "sample_weight": w}
    close: Any = {"rel": 1e-9, "abs": 1e-9}
    for normalize in (None, "true", "pred", "all"):
        want = sk.confusion_matrix(y, said, normalize=normalize, **numbers)
        found = scored(metrics.ConfusionMatrix(normalize=normalize), y, scores, w)
        np.testing.assert_allclose(found, want, atol=1e-12)
    balanced = sk.balanced_accuracy_score(y, said, sample_weight=w)
    assert scored(metrics.MacroAccuracy(), y, scores, w) == pytest.approx(balanced, **close)
    matthews = sk.matthews_corrcoef(y, said, sample_weight=w)
    assert scored(metrics.MatthewsCorrelation(), y, scores, w) == pytest.approx(matthews, **close)
    for weighting in (None, "linear", "quadratic"):
        kappa = sk.cohen_kappa_score(y, said, weights=weighting, **numbers)
        found = scored(metrics.CohenKappa(weighting=weighting), y, scores, w)
        assert found == pytest.approx(0.0 if np.isnan(kappa) else kappa, **close)
    by_number = metrics.CohenKappa(num_classes=classes)
    assert scored(by_number, y, said, w) == pytest.approx(
        scored(metrics.CohenKappa(), np.eye(classes)[y], scores, w)
    )


@TIMES
@given(labels())
def test_overlaps_of_classes(case: tuple[Array, Array, Array | None, int]) -> None:
    y, scores, w, classes = case
    said = scores.argmax(1)
    each = sk.jaccard_score(
        y, said, labels=np.arange(classes), average=None, sample_weight=w, zero_division=0
    )
    occurs = np.isin(np.arange(classes), [y, said])
    want = each[occurs].mean()
    one_hot = np.eye(classes)[y]
    assert scored(metrics.MeanIoU(classes), y, said, w) == pytest.approx(want)
    assert scored(metrics.OneHotMeanIoU(classes), one_hot, scores, w) == pytest.approx(want)
    target = int(y[0])
    chosen: dict[str, Any] = {"num_classes": classes, "target_class_ids": [target]}
    assert scored(metrics.IoU(**chosen), y, said, w) == pytest.approx(each[target])
    assert scored(metrics.OneHotIoU(**chosen), one_hot, scores, w) == pytest.approx(each[target])


@TIMES
@given(labels(), st.sampled_from([0.5, 1, 2]))
def test_f_scores_of_labels(case: tuple[Array, Array, Array | None, int], beta: float) -> None:
    _, scores, w, _ = case
    y = (np.random.default_rng(int(scores.sum() * 1000)).uniform(size=scores.shape) > 0.6) * 1
    y[:, -1] = 0  # never there
    said = (scores > 0.5) * 1
    for average in (None, "micro", "macro", "weighted", "samples"):
        arguments: dict[str, Any] = {"average": average, "beta": beta}
        want = sk.fbeta_score(y, said, sample_weight=w, zero_division=0, **arguments)
        found = scored(metrics.FBetaScore(threshold=0.5, **arguments), y, scores, w)
        np.testing.assert_allclose(found, want, rtol=1e-9, atol=1e-12)


@TIMES
@given(labels())
def test_f_scores_and_entropies_of_classes(
    case: tuple[Array, Array, Array | None, int],
) -> None:
    y, _, w, classes = case
    rng = np.random.default_rng(len(y))
    scores = rng.dirichlet(np.ones(classes), len(y))
    one_hot = np.eye(classes)[y]
    for average in ("micro", "macro", "weighted"):
        want = sk.f1_score(
            y, scores.argmax(1), labels=np.arange(classes), average=average, sample_weight=w,
            zero_division=0,
        )  # fmt: skip
        found = scored(metrics.F1Score(average=average), one_hot, scores, w)
        assert found == pytest.approx(want)
    loss = sk.log_loss(y, scores, labels=np.arange(classes), sample_weight=w)
    close: Any = {"rel": 1e-5, "abs": 1e-6}  # probabilities are kept 1e-7 from 0 and 1
    for metric, target in (
        (metrics.SparseCategoricalCrossentropy(), y),
        (metrics.CategoricalCrossentropy(), one_hot),
    ):
        assert scored(metric, target, scores, w) == pytest.approx(loss, **close)
    yes, score = one_hot[:, 0], scores[:, 0]
    loss = sk.log_loss(yes, score, labels=[0, 1], sample_weight=w)
    assert scored(metrics.BinaryCrossentropy(), yes, score, w) == pytest.approx(loss, **close)
    signs = 2 * yes - 1
    hinge = np.average(np.maximum(0, 1 - signs * score), weights=w)
    assert scored(metrics.Hinge(), signs, score, w) == pytest.approx(hinge)


@TIMES
@given(SEEDS)
def test_correlations_of_rows_are_numpys(seed: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.normal(size=(2, 9, 5))
    pearson = [np.corrcoef(a, b)[0, 1] for a, b in zip(y, p, strict=True)]
    assert scored(metrics.PearsonCorrelation(), y, p) == pytest.approx(np.mean(pearson))
    lin = [
        2 * np.cov(a, b, bias=True)[0, 1] / (a.var() + b.var() + (a.mean() - b.mean()) ** 2)
        for a, b in zip(y, p, strict=True)
    ]
    assert scored(metrics.ConcordanceCorrelation(), y, p) == pytest.approx(np.mean(lin), abs=1e-6)
    cosine = np.diag(sk.pairwise.cosine_similarity(y, p)).mean()
    assert scored(metrics.CosineSimilarity(), y, p) == pytest.approx(cosine)
