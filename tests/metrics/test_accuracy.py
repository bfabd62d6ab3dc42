"""The accuracy family against scikit-learn and NumPy."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score, top_k_accuracy_score

from epochal.core.errors import UsageError, UsageTypeError
from epochal.functional.accuracy import sparse_categorical_accuracy
from epochal.metrics import (
    Accuracy,
    BinaryAccuracy,
    CategoricalAccuracy,
    Metric,
    SparseCategoricalAccuracy,
    SparseTopKCategoricalAccuracy,
    TopKCategoricalAccuracy,
)


def by_batches(metric: Metric, sizes: list[int], *arrays: Any) -> float:
    ends = np.cumsum([0, *sizes])
    for start, end in pairwise(ends):
        metric.update_state(*(torch.from_numpy(array[start:end]) for array in arrays))
    return float(metric.result())


SIZES = st.lists(st.integers(1, 20), min_size=1, max_size=5)


@settings(deadline=None, max_examples=40)
@given(sizes=SIZES, seed=st.integers(0, 99), column=st.booleans(), at=st.floats(0, 1))
def test_binary_accuracy_is_scikit_learns(
    sizes: list[int], seed: int, column: bool, at: float
) -> None:
    rng, n = np.random.default_rng(seed), sum(sizes)
    y, p, w = rng.integers(0, 2, n), rng.random(n, np.float32).round(1), rng.random(n) + 0.01
    metric = BinaryAccuracy(threshold=at)
    want = accuracy_score(y, p.astype(float) > np.float32(at).item(), sample_weight=w)
    found = by_batches(metric, sizes, y, p[:, None] if column else p, w)
    assert found == pytest.approx(want, abs=1e-6)


@settings(deadline=None, max_examples=40)
@given(sizes=SIZES, seed=st.integers(0, 99), classes=st.integers(2, 9), k=st.integers(1, 12))
def test_class_accuracies_are_scikit_learns(
    sizes: list[int], seed: int, classes: int, k: int
) -> None:
    rng, n = np.random.default_rng(seed), sum(sizes)
    y, p, w = rng.integers(0, classes, n), rng.random((n, classes)), rng.random(n) + 0.01
    one_hot = np.eye(classes)[y]
    want = accuracy_score(y, p.argmax(-1), sample_weight=w)
    assert by_batches(SparseCategoricalAccuracy(), sizes, y, p, w) == pytest.approx(want)
    assert by_batches(SparseCategoricalAccuracy(), sizes, y[:, None], p, w) == pytest.approx(want)
    assert by_batches(CategoricalAccuracy(), sizes, one_hot, p, w) == pytest.approx(want)
    if k >= classes:
        top = 1.0
    elif classes == 2:  # scikit-learn takes two classes for one score
        top = want
    else:
        top = top_k_accuracy_score(y, p, k=k, sample_weight=w, labels=np.arange(classes))
    assert by_batches(SparseTopKCategoricalAccuracy(k), sizes, y, p, w) == pytest.approx(top)
    assert by_batches(TopKCategoricalAccuracy(k), sizes, one_hot, p, w) == pytest.approx(top)


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.uint8, torch.bool, torch.float32]
)
def test_labels_may_be_of_any_type(dtype: torch.dtype) -> None:
    y = torch.tensor([1, 0, 1]).to(dtype)
    assert float(BinaryAccuracy()(y, torch.tensor([0.9, 0.2, 0.3]))) == pytest.approx(2 / 3)
    scores = torch.tensor([[0.1, 0.9], [0.8, 0.2], [0.7, 0.3]])
    assert float(SparseCategoricalAccuracy()(y, scores)) == pytest.approx(2 / 3)


def test_accuracy_counts_equal_entries_also_of_numbers_too_large_for_float32() -> None:
    big = 2**24
    assert float(Accuracy()(torch.tensor([big, big + 1]), torch.tensor([big, big + 2]))) == 0.5
    assert float(Accuracy()([1, 2], [[1], [3]])) == 0.5
    assert float(Accuracy()([[1], [2]], [1, 3])) == 0.5


@pytest.mark.parametrize("kind", [Accuracy, BinaryAccuracy])
def test_rows_are_never_compared_with_other_rows(kind: Any) -> None:
    with pytest.raises(UsageError, match="y_true has shape"):
        kind()(torch.zeros(3), torch.zeros(3, 3))


def test_class_numbers_and_one_hot_are_not_mixed_up() -> None:
    scores = torch.rand(3, 3)
    with pytest.raises(UsageError, match="for class numbers use the sparse metric"):
        CategoricalAccuracy()([[0], [1], [2]], scores)
    with pytest.raises(UsageError, match="one-hot"):
        TopKCategoricalAccuracy()([0, 1, 2], scores)
    with pytest.raises(UsageError, match="integer labels"):
        SparseCategoricalAccuracy()(torch.eye(3), scores)
    with pytest.raises(UsageError, match="integer labels"):
        SparseTopKCategoricalAccuracy()(torch.eye(3), scores)


def test_a_score_of_nan_is_not_among_the_best() -> None:
    scores = torch.tensor([[float("nan")] * 3, [0.1, float("nan"), 0.3]])
    assert float(SparseTopKCategoricalAccuracy(k=1)([0, 2], scores)) == 0.5
    assert float(SparseTopKCategoricalAccuracy(k=5)([0, 2], scores)) == 0.5


@pytest.mark.parametrize("kind", [TopKCategoricalAccuracy, SparseTopKCategoricalAccuracy])
def test_k_has_to_be_a_whole_number_of_at_least_one(kind: Any) -> None:
    for k in (0, -1, 1.5, "5", True, None):
        with pytest.raises(UsageError, match="k is "):
            kind(k=k)
    assert kind(k=np.int64(3)).k == 3


def test_a_threshold_outside_of_0_to_1_is_refused() -> None:
    for threshold in (-0.1, 1.1, float("nan"), "0.5", None):
        with pytest.raises(UsageError, match="threshold is"):
            BinaryAccuracy(threshold=threshold)  # type: ignore[arg-type]


def test_misspelt_arguments_are_refused() -> None:
    with pytest.raises(UsageTypeError, match=r"BinaryAccuracy: .*did you mean 'threshold'"):
        BinaryAccuracy(treshold=0.5)  # type: ignore[arg-type]
    with pytest.raises(UsageTypeError, match="did you mean 'name'"):
        CategoricalAccuracy(nme="x")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["plain", "ties", "nan", "infinite", "outside"])
def test_many_rows_are_right_where_few_are(kind: str) -> None:
    rng = torch.Generator().manual_seed(9)
    scores = torch.rand(4000, 5, generator=rng)
    labels = torch.randint(5, (4000,), generator=rng)
    if kind == "ties":
        scores = scores.round(decimals=1)
    elif kind == "nan":
        scores[::3, 2] = torch.nan
    elif kind == "infinite":
        scores[::3, 1] = torch.inf
    elif kind == "outside":
        labels[::2] = labels[::2] * 3 - 4
    many = sparse_categorical_accuracy(labels, scores)
    few = [
        sparse_categorical_accuracy(y, p)
        for y, p in zip(labels.split(100), scores.split(100), strict=True)
    ]
    assert torch.equal(many, torch.cat(few))


@pytest.mark.parametrize("label", [-1, 5, 1000])
@pytest.mark.parametrize("rows", [1, 20_000])
def test_a_label_that_is_no_class_is_never_right(label: int, rows: int) -> None:
    labels, scores = torch.full((rows,), label), torch.ones(rows, 5)
    assert float(SparseTopKCategoricalAccuracy(k=5)(labels, scores)) == 0.0
    assert float(SparseCategoricalAccuracy()(labels, scores)) == 0.0
