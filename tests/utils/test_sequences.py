"""Padding: the rows that Keras makes, and what cannot be padded."""

import numpy as np
import pytest

from epochal.core.errors import UsageError
from epochal.utils import pad_sequences

ROWS = [[1, 2, 3], [], [4], np.array([5, 6, 7, 8])]


@pytest.mark.parametrize(
    ("arguments", "expected"),  # as keras.utils.pad_sequences of Keras 3.15.1 returns them
    [
        ({}, [[0, 1, 2, 3], [0, 0, 0, 0], [0, 0, 0, 4], [5, 6, 7, 8]]),
        ({"padding": "post"}, [[1, 2, 3, 0], [0, 0, 0, 0], [4, 0, 0, 0], [5, 6, 7, 8]]),
        ({"maxlen": 2}, [[2, 3], [0, 0], [0, 4], [7, 8]]),
        ({"maxlen": 2, "truncating": "post"}, [[1, 2], [0, 0], [0, 4], [5, 6]]),
        ({"maxlen": 2, "padding": "post", "value": -1}, [[2, 3], [-1, -1], [4, -1], [7, 8]]),
    ],
)
def test_rows_are_padded_and_cut_as_in_keras(arguments, expected):
    padded = pad_sequences(ROWS, **arguments)
    assert padded.dtype == np.int32
    assert padded.tolist() == expected


def test_steps_may_be_vectors():
    padded = pad_sequences([[[1.0, 2.0]], np.ones((3, 2))], dtype="float32")
    assert padded.shape == (2, 3, 2)
    assert padded[0].tolist() == [[0, 0], [0, 0], [1, 2]]


def test_no_sequences_are_no_rows():
    assert pad_sequences([]).shape == (0, 0)
    assert pad_sequences([[]]).shape == (1, 0)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: pad_sequences([1, 2]), "a single number; expected a list of lists"),
        (lambda: pad_sequences([[1]], padding="left"), "padding is 'left'; expected 'pre'"),
        (lambda: pad_sequences([[1]], maxlen=0), "maxlen is 0"),
        (lambda: pad_sequences([[[1, 2]], [[1]]]), r"the shapes \[\(1,\), \(2,\)\]"),
        (lambda: pad_sequences([[1]], max_len=3), "did you mean 'maxlen'"),
    ],
)
def test_what_cannot_be_padded_is_an_error(call, message):
    with pytest.raises(UsageError, match=message):
        call()
