"""Sample weights from class labels."""

from typing import Any

import numpy as np
import pytest
import torch

from epochal.core.errors import Problems, UsageError
from epochal.data import Arrays, with_class_weight
from epochal.data.class_weights import ClassWeights, class_weights

WEIGHTS = {0: 0.5, 2: 3.0}


@pytest.mark.parametrize(
    ("labels", "want"),
    [
        ([0, 1, 2, 3], [0.5, 1.0, 3.0, 1.0]),
        ([[0], [2]], [0.5, 3.0]),
        ([0.0, 2.0, 1.9999], [0.5, 3.0, 3.0]),
        ([-1, -100, 1000], [1.0, 1.0, 1.0]),
        ([[1.0, 0.0, 0.0], [0.0, 0.1, 0.9]], [0.5, 3.0]),
        ([[0, 0, 0, 1]], [1.0]),
        ([[[0, 0, 1], [1, 0, 0]]], [[3.0, 0.5]]),
        ([[[0], [1]], [[2], [2]]], [[0.5, 1.0], [3.0, 3.0]]),
        ([[False, False, True]], [3.0]),
        ([True, False], [1.0, 0.5]),
        ([float("nan")], [1.0]),
    ],
)
def test_labels_of_every_form_get_the_weight_of_their_class(labels: Any, want: Any) -> None:
    assert ClassWeights(WEIGHTS)(torch.tensor(labels)).tolist() == want


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int32, torch.int64, torch.float16])
def test_labels_of_every_type_are_understood(dtype: torch.dtype) -> None:
    assert ClassWeights(WEIGHTS)(torch.tensor([2, 0], dtype=dtype)).tolist() == [3.0, 0.5]


def test_keys_and_weights_may_be_numbers_of_any_library() -> None:
    problems = Problems("fit")
    weigh = class_weights({np.int64(1): np.float32(2.0), 0.0: 1}, problems)
    assert not problems
    assert weigh(torch.tensor([0, 1])).tolist() == [1.0, 2.0]


@pytest.mark.parametrize(
    ("weights", "text"),
    [
        ({}, "has the keys []"),
        ({"0": 1.0}, "has the keys ['0']"),
        ({-1: 1.0, 0: 2.0}, "has the keys [-1]"),
        ({0.5: 1.0}, "has the keys [0.5]"),
        ({True: 1.0}, "has the keys [True]"),
        ({float("nan"): 1.0}, "has the keys [nan]"),
        ({0: -1.0, 1: 1.0}, "has {0: -1.0}; give a finite weight"),
        ({0: float("inf")}, "has {0: inf}"),
        ({0: "2"}, "has {0: '2'}"),
        ("balanced", "is 'balanced'; give a dict"),
        ([1.0, 2.0], "is [1.0, 2.0]; give a dict"),
    ],
)
def test_what_cannot_weigh_classes_is_a_problem(weights: Any, text: str) -> None:
    problems = Problems("fit")
    class_weights(weights, problems)(torch.tensor([0]))
    (found,) = problems
    assert found.startswith(f"class_weight {text}")


def test_the_weights_go_to_the_device_of_the_labels() -> None:
    weigh = ClassWeights(WEIGHTS)
    assert weigh(torch.zeros(3, dtype=torch.int64, device="meta")).device.type == "meta"


def test_labels_that_are_not_one_tensor_are_refused() -> None:
    for labels, got in ((None, "none"), ({"a": torch.zeros(1)}, "a dict")):
        with pytest.raises(UsageError, match=f"one array of class labels as y; got {got}"):
            ClassWeights(WEIGHTS)(labels)


def weighted(y: Any, weight: Any = None) -> tuple[Arrays, list[str]]:
    problems = Problems("fit")
    arrays = with_class_weight(Arrays(torch.zeros(2, 1), y, weight), WEIGHTS, problems)
    return arrays, list(problems)


def test_arrays_get_sample_weights() -> None:
    arrays, problems = weighted(torch.tensor([2, 1]))
    assert arrays.sample_weight.tolist() == [3.0, 1.0]
    assert not problems


@pytest.mark.parametrize(
    ("y", "weight", "text"),
    [
        (torch.tensor([0, 1]), torch.ones(2), "both class_weight and sample_weight"),
        (None, None, "needs one array of class labels"),
        ((torch.zeros(2), torch.zeros(2)), None, "needs one array of class labels"),
        (torch.tensor([[0, 3], [1, 2]]), None, "has the shape (2, 2) and is not one-hot"),
    ],
)
def test_arrays_that_have_no_class_labels_are_a_problem(y: Any, weight: Any, text: str) -> None:
    arrays, (problem,) = weighted(y, weight)
    assert text in problem
    assert arrays.sample_weight is weight
