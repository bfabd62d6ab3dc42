"""NaN and infinity are counted, and their columns named."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from epochal.data import column_labels, non_finite

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("array", "text"),
    [
        ([[1.0, NAN], [INF, 2.0]], "x holds 2 non-finite of 4 values (columns 0, 1)"),
        ([[1.0, NAN], [2.0, -INF]], "x holds 2 non-finite of 4 values (column 1)"),
        ([[NAN], [1.0]], "x holds 1 non-finite of 2 values"),
        ([NAN, 1.0, NAN], "x holds 2 non-finite of 3 values"),
        ([[[1.0, NAN]]], "x holds 1 non-finite of 2 values"),
        ([[INF, -INF]], "x holds 2 non-finite of 2 values (columns 0, 1)"),
    ],
)
def test_they_are_counted_by_array_and_column(array: Any, text: str) -> None:
    assert list(non_finite(x=torch.tensor(array))) == [text]


def test_every_array_of_a_nest_is_looked_at() -> None:
    nest = {"a": torch.tensor([NAN]), "b": (torch.zeros(2), torch.tensor([INF]))}
    assert list(non_finite(x=nest, y=torch.tensor([NAN]), sample_weight=None)) == [
        "x['a'] holds 1 non-finite of 1 values",
        "x['b'][1] holds 1 non-finite of 1 values",
        "y holds 1 non-finite of 1 values",
    ]


def test_finite_numbers_are_not_reported_however_large() -> None:
    large = torch.full((100,), 3e38)
    assert torch.isinf(large.sum())
    half = torch.full((100,), 6e4, dtype=torch.float16)
    assert list(non_finite(x=large, y=half, z=torch.tensor([1, 2]), e=torch.zeros(0))) == []


def test_of_many_columns_ten_are_shown() -> None:
    (text,) = non_finite(x=torch.full((2, 30), NAN))
    assert text.endswith("(columns 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, ...)")


def test_columns_of_frames_are_called_by_their_names() -> None:
    frame = pd.DataFrame({"age": [1.0, NAN], "size": [2.0, 3.0]})
    labels = column_labels(x=frame, y={"a": frame, "b": np.zeros(2)}, z=np.zeros((2, 2)))
    assert labels == {"x": ["age", "size"], "y['a']": ["age", "size"]}
    (text,) = non_finite(labels, x=torch.from_numpy(frame.to_numpy()))
    assert text == "x holds 1 non-finite of 4 values (column 'age')"
