import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from epochal.core.errors import UsageError, UsageTypeError
from epochal.utils import set_random_seed, split_dataset


@pytest.mark.parametrize(
    ("rows", "sizes", "expected"),
    [
        (10, {"left_size": 0.9}, (9, 1)),
        (10, {"right_size": 0.9}, (1, 9)),
        (10, {"left_size": 0.7, "right_size": 0.3}, (7, 3)),
        (10, {"left_size": 0.35, "right_size": 0.65}, (4, 6)),
        (5, {"left_size": 0.5, "right_size": 0.5}, (2, 3)),
        (10, {"left_size": 0.5, "right_size": 0.2}, (5, 2)),
        (10, {"left_size": 3}, (3, 7)),
        (10, {"right_size": np.int64(3)}, (7, 3)),
        (10, {"left_size": 3, "right_size": 2}, (3, 2)),
        (10, {"left_size": 3, "right_size": np.float32(0.7)}, (3, 7)),
        (1000, {"left_size": 0.29}, (290, 710)),
        (2, {"left_size": 1}, (1, 1)),
    ],
)
def test_sizes_are_exact(rows, sizes, expected):
    left, right = split_dataset(np.arange(rows), **sizes)
    assert (len(left), len(right)) == expected
    assert left.tolist() == list(range(expected[0]))
    assert right.tolist() == list(range(rows - expected[1], rows))


@given(rows=st.integers(2, 500), percent=st.integers(1, 99))
def test_two_fractions_of_one_whole_lose_no_row(rows, percent):
    sizes = {"left_size": percent / 100, "right_size": (100 - percent) / 100}
    if rows * min(percent, 100 - percent) <= 50:  # a part would round to nothing
        rows *= 100
    left, right = split_dataset(np.arange(rows), **sizes)
    assert [*left, *right] == list(range(rows))


KINDS = {
    "array": np.arange(10),
    "tensor": torch.arange(10),
    "series": pd.Series(range(10)),
    "frame": pd.DataFrame({"a": range(10), "b": range(10)}),
    "list": list(range(10)),
    "tuple of arrays": (np.arange(10), torch.arange(10)),
    "dict of dicts": {
        "a": np.arange(10),
        "b": {"c": torch.arange(20).reshape(10, 2)},
        "none": None,
    },
    "list of arrays": [np.arange(10), np.arange(10)],
}


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_both_parts_are_of_the_kind_that_was_split(kind, shuffle):
    whole = KINDS[kind]
    left, right = split_dataset(whole, 0.8, shuffle=shuffle, seed=1)
    assert type(left) is type(right) is type(whole)
    if isinstance(whole, dict):
        assert left["b"]["c"].shape == (8, 2)
        assert left["none"] is None
        assert left["a"].tolist() == (left["b"]["c"][:, 0] // 2).tolist()
    elif kind in ("tuple of arrays", "list of arrays"):
        assert left[0].tolist() == left[1].tolist()
        assert sorted([*left[0].tolist(), *right[0].tolist()]) == list(range(10))
    else:
        entries = [np.asarray(part).reshape(len(part), -1)[:, 0].tolist() for part in (left, right)]
        assert sorted(entries[0] + entries[1]) == list(range(10))
        assert (entries[0] == list(range(8))) is not shuffle


def test_a_torch_data_set_becomes_two_subsets():
    whole = TensorDataset(torch.arange(10))
    left, right = split_dataset(whole, right_size=3)
    assert [int(row) for (row,) in left] == list(range(7))
    assert [int(row) for (row,) in right] == [7, 8, 9]
    left, right = split_dataset(whole, right_size=3, shuffle=True, seed=0)
    assert sorted(int(row) for part in (left, right) for (row,) in part) == list(range(10))


def test_arrays_in_order_are_views():
    x = np.arange(10)
    left, right = split_dataset(x, 0.5)
    assert np.shares_memory(left, x)
    assert np.shares_memory(right, x)


def test_a_seed_repeats_the_draw_and_so_does_the_one_seed_of_the_program():
    def draw(**keywords):
        return split_dataset(np.arange(50), 0.5, shuffle=True, **keywords)[0].tolist()

    assert draw(seed=3) == draw(seed=3) != draw(seed=4)
    set_random_seed(5)
    first = draw()
    assert draw() != first
    set_random_seed(5)
    assert draw() == first


@pytest.mark.parametrize(
    ("sizes", "words"),
    [
        ({}, "give left_size or right_size"),
        ({"left_size": 0}, "left_size is 0; give 1 or more rows"),
        ({"left_size": -2, "right_size": 1.5}, "2 problems"),
        ({"right_size": 1.0}, "a fraction lies between 0 and 1"),
        ({"left_size": float("nan")}, "left_size is nan"),
        ({"left_size": True}, "of type bool"),
        ({"left_size": "half"}, "of type str"),
        ({"left_size": 10}, "parts of 10 and 0 rows"),
        ({"right_size": 11}, "parts of -1 and 11 rows"),
        ({"left_size": 0.01}, "parts of 0 and 10 rows"),
        ({"left_size": 6, "right_size": 0.5}, "parts of 6 and 5 rows"),
        ({"left": 6}, "did you mean 'left_size'"),
    ],
)
def test_sizes_that_cannot_be_are_errors(sizes, words):
    with pytest.raises(UsageError, match=words):
        split_dataset(np.arange(10), **sizes)


class Endless(IterableDataset):
    def __iter__(self):
        return iter(range(3))


class NoLength(Dataset):
    def __getitem__(self, index):
        return index


@pytest.mark.parametrize(
    ("dataset", "words"),
    [
        (DataLoader(TensorDataset(torch.ones(3))), r"split loader\.dataset"),
        (Endless(), "IterableDataset has no rows"),
        (NoLength(), "no __len__"),
        ("text", "dataset is of type str"),
        ({"a": 3}, r"dataset\['a'\] is of type int"),
        ((np.ones(3), np.float32(1)), r"dataset\[1\] is of type float32"),
        (np.array(3.0), "not an array with rows"),
        ({}, "holds no arrays"),
        (None, "holds no arrays"),
    ],
)
def test_what_has_no_rows_is_refused(dataset, words):
    with pytest.raises(UsageTypeError, match=words):
        split_dataset(dataset, 0.5)


def test_unequal_lengths_are_named():
    with pytest.raises(UsageError, match=r"dataset\['x'\] has 3, dataset\['y'\] has 4 rows"):
        split_dataset({"x": np.ones(3), "y": np.ones(4)}, 0.5)
