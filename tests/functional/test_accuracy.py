"""The accuracy functions: one value for each sample, of arrays of every kind."""

from typing import Any

import numpy as np
import pytest
import torch

from epochal.core.errors import UsageError
from epochal.functional.accuracy import (
    accuracy,
    binary_accuracy,
    categorical_accuracy,
    sparse_categorical_accuracy,
    sparse_top_k_categorical_accuracy,
    top_k_categorical_accuracy,
)

SCORES = [[0.1, 0.9, 0.9], [0.5, 0.3, 0.2]]


@pytest.mark.parametrize("make", [list, np.array, torch.tensor, lambda v: np.array(v)[::-1][::-1]])
def test_lists_arrays_and_tensors_give_one_value_for_each_sample(make: Any) -> None:
    assert accuracy(make([1, 2]), make([1, 3])).tolist() == [1.0, 0.0]
    assert binary_accuracy(make([1, 0]), make([0.5, 0.5])).tolist() == [0.0, 1.0]
    assert binary_accuracy(make([[1, 0]]), make([[0.6, 0.7]])).tolist() == [0.5]
    one_hot = make([[0, 1, 0], [0, 1, 0]])
    assert categorical_accuracy(one_hot, make(SCORES)).tolist() == [1.0, 0.0]
    assert sparse_categorical_accuracy(make([1, 1]), make(SCORES)).tolist() == [1.0, 0.0]
    assert top_k_categorical_accuracy(one_hot, make(SCORES), k=2).tolist() == [1.0, 1.0]
    assert sparse_top_k_categorical_accuracy(make([[1], [1]]), make(SCORES), k=1).tolist() == [1, 0]


def test_ties_with_the_last_of_the_best_count_as_in() -> None:
    for label in (1, 2):
        assert sparse_top_k_categorical_accuracy([label], SCORES[:1], k=1).tolist() == [1.0]
    assert sparse_top_k_categorical_accuracy([0], SCORES[:1], k=2).tolist() == [0.0]
    assert sparse_top_k_categorical_accuracy([0], SCORES[:1], k=3).tolist() == [1.0]


def test_the_first_of_equal_classes_is_the_largest() -> None:
    assert sparse_categorical_accuracy([1, 2], [SCORES[0]] * 2).tolist() == [1.0, 0.0]


def test_sequences_keep_their_axes() -> None:
    scores = torch.rand(2, 5, 3)
    labels = scores.argmax(-1)
    assert torch.equal(sparse_categorical_accuracy(labels, scores), torch.ones(2, 5))
    assert torch.equal(sparse_categorical_accuracy(labels[..., None], scores), torch.ones(2, 5))
    assert sparse_top_k_categorical_accuracy(labels, scores, k=1).shape == (2, 5)
    one_hot = torch.nn.functional.one_hot(labels, 3)
    assert torch.equal(categorical_accuracy(one_hot, scores), torch.ones(2, 5))
    assert binary_accuracy(torch.ones(2, 5), torch.ones(2, 5, 1)).tolist() == [1.0, 1.0]


def test_numbers_are_compared_in_the_type_of_the_prediction() -> None:
    assert accuracy(np.array([0.1]), torch.tensor([0.1])).tolist() == [1.0]
    assert accuracy(torch.tensor([0.1], dtype=torch.float64), torch.tensor([0.1])).tolist() == [1.0]
    assert accuracy([1.5], [1]).tolist() == [0.0]


@pytest.mark.parametrize(
    ("function", "y_true", "y_pred"),
    [
        (accuracy, (3,), (3, 3)),
        (binary_accuracy, (3,), (3, 3)),
        (categorical_accuracy, (3, 1), (3, 3)),
        (categorical_accuracy, (3,), (3, 3)),
        (sparse_categorical_accuracy, (3, 3), (3, 3)),
        (top_k_categorical_accuracy, (3,), (3, 3)),
        (sparse_top_k_categorical_accuracy, (2,), (3, 3)),
    ],
)
def test_shapes_are_never_broadcast(function: Any, y_true: Any, y_pred: Any) -> None:
    with pytest.raises(UsageError, match="y_true has shape"):
        function(torch.zeros(y_true), torch.zeros(y_pred))
