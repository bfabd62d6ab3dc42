"""Which feed suits what, and what cannot go together."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from epochal.core.errors import Problems
from epochal.data import (
    ArrayFeed,
    Arrays,
    Feed,
    Feeding,
    IterableFeed,
    LoaderFeed,
    Source,
    make_feed,
    make_validation_feed,
    split_off,
    to_arrays,
)

X, Y = np.arange(12, dtype=np.float32).reshape(6, 2), np.arange(6)


class Stream(IterableDataset[Any]):
    """Rows one after the other."""

    def __iter__(self) -> Iterator[Any]:
        return iter(zip(X, Y, strict=True))


class Table(Dataset[Any]):
    """Rows by number."""

    def __init__(self, size: int = 6) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        return X[index], Y[index]


class NoLength(Dataset[Any]):
    """Rows by number, of which there may be any number."""

    def __getitem__(self, index: int) -> Any:
        return X[index], Y[index]


class Numbered:
    """Batches by number; no Dataset and not iterable."""

    def __len__(self) -> int:
        return 3

    def __getitem__(self, index: int) -> Any:
        return X[2 * index : 2 * index + 2], Y[2 * index : 2 * index + 2]


def feed_of(x: Any, y: Any = None, weight: Any = None, **feeding: Any) -> tuple[Feed | None, str]:
    problems = Problems("fit")
    settings = {"batch_size": None, "device": None, **feeding}
    class_weight = settings.pop("class_weight", None)
    feed = make_feed(Source(x, y, weight), Feeding(**settings), problems, class_weight)
    return feed, " | ".join(problems)


@pytest.mark.parametrize(
    ("x", "y", "kind", "sizes"),
    [
        (X, Y, ArrayFeed, [4, 2]),
        (X.tolist(), Y.tolist(), ArrayFeed, [4, 2]),
        (TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), None, ArrayFeed, [4, 2]),
        (Table(), None, LoaderFeed, [4, 2]),
        (Stream(), None, IterableFeed, [4, 2]),
    ],
    ids=["arrays", "lists", "TensorDataset", "Dataset", "IterableDataset"],
)
def test_rows_are_made_batches_of_the_size_asked_for(
    x: Any, y: Any, kind: type[Feed], sizes: list[int]
) -> None:
    feed, problems = feed_of(x, y, batch_size=4)
    assert not problems
    assert type(feed) is kind
    batches = list(feed.epoch(0))
    assert [len(b[0]) for b in batches] == sizes
    assert torch.cat([b[1] for b in batches]).tolist() == Y.tolist()
    assert [len(b[1]) for b in feed.epoch(1)] == sizes


@pytest.mark.parametrize(
    "source",
    [
        DataLoader(Table(), batch_size=2),
        Numbered(),
        [(X[:2], Y[:2]), (X[2:4], Y[2:4]), (X[4:], Y[4:])],
        (batch for batch in [(X[:2], Y[:2]), (X[2:4], Y[2:4]), (X[4:], Y[4:])]),
        {0: (X[:2], Y[:2]), 1: (X[2:4], Y[2:4]), 2: (X[4:], Y[4:])}.values(),
    ],
    ids=lambda source: type(source).__name__,
)
def test_batches_that_somebody_else_makes_come_as_they_are(source: Any) -> None:
    feed, problems = feed_of(source)
    assert not problems
    assert isinstance(feed, IterableFeed)
    feed.peek()
    batches = list(feed.epoch(0))
    assert [len(x) for x, _, _ in batches] == [2, 2, 2]
    assert torch.cat([y for _, y, _ in batches]).tolist() == Y.tolist()
    if not feed.once:
        assert [len(x) for x, _, _ in feed.epoch(1)] == [2, 2, 2]


def test_a_dataset_of_inputs_targets_and_weights() -> None:
    tensors = (torch.from_numpy(X), torch.from_numpy(Y), torch.ones(6, dtype=torch.int64))
    feed, _ = feed_of(TensorDataset(*tensors))
    assert isinstance(feed, ArrayFeed)
    assert feed.sample_weight.dtype == torch.float32
    assert feed_of(TensorDataset(tensors[0]))[0].y is None  # type: ignore[union-attr]


def test_a_tensor_dataset_of_more_is_not_cut_down() -> None:
    feed, _ = feed_of(TensorDataset(*[torch.zeros(6)] * 4))
    assert isinstance(feed, LoaderFeed)
    with pytest.raises(ValueError, match="gave a list of 4"):
        feed.peek()


@pytest.mark.parametrize(
    ("x", "kind"),
    [
        (DataLoader(Table()), "DataLoader"),
        (Table(), "Table"),
        (TensorDataset(torch.zeros(6, 1)), "TensorDataset"),
        ((row for row in X), "generator"),
        ([(X, Y)], "list"),
    ],
    ids=["DataLoader", "Dataset", "TensorDataset", "generator", "list"],
)
def test_targets_and_weights_beside_what_gives_its_own_are_problems(x: Any, kind: str) -> None:
    assert f"x is a {kind}, which gives its own batches: leave y out" in feed_of(x, Y)[1]
    assert "leave sample_weight out" in feed_of(x, None, np.ones(6))[1]


@pytest.mark.parametrize("x", [DataLoader(Table()), (row for row in X), [(X, Y)], Numbered()])
def test_a_batch_size_beside_what_makes_its_own_batches_is_a_problem(x: Any) -> None:
    assert "which makes its own batches: leave batch_size out" in feed_of(x, batch_size=4)[1]
    assert not feed_of(x, batch_size=4, inherited=True)[1]


@pytest.mark.parametrize("x", [DataLoader(Table()), Table(), Stream(), [(X, Y)]])
def test_shuffling_inside_of_batches_is_for_arrays(x: Any) -> None:
    assert "shuffle='batch' works on arrays" in feed_of(x, shuffle="batch")[1]
    assert not feed_of(X, Y, shuffle="batch")[1]


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (None, "x is nothing; expected arrays"),
        (5, "x is a int; expected arrays"),
        ("text", "x is a str; expected arrays"),
        (b"text", "x is a bytes; expected arrays"),
        (object(), "x is a object; expected arrays"),
        ({}, "x is an empty dict; expected arrays"),
        ({"a": X, "b": "text"}, "x is a dict with 'b' a str; expected arrays"),
        (Table(0), "x is a Table of no rows"),
        (NoLength(), "x is a NoLength without __len__"),
        (np.zeros((0, 2)), "x has no rows"),
        (np.float32(3), "x is a single number"),
        (np.array(["a"]), "x is a ndarray of <U1"),
        ((X, X[:5]), "x[0] has 6, x[1] has 5; give the same for all"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_gives_no_batches_is_a_problem(x: Any, text: str) -> None:
    feed, problems = feed_of(x)
    assert feed is None
    assert problems.startswith(text) or text in problems


@pytest.mark.parametrize(
    ("y", "weight", "text"),
    [
        (Y[:5], None, "x has 6, y has 5"),
        (Y, np.ones(5), "y has 6, sample_weight has 5"),
        ({"a": Y, "b": Y[:3]}, None, "y['b'] has 3"),
        (3, None, "y is a single number"),
        ("text", None, "y is the text 'text'"),
        ([], None, "y is an empty list"),
        ({}, None, "y is an empty dict"),
        ((y for y in Y), None, "y is a generator"),
        (Y, "balanced", "sample_weight is the text"),
    ],
)
def test_targets_that_do_not_fit_are_a_problem(y: Any, weight: Any, text: str) -> None:
    feed, problems = feed_of(X, y, weight)
    assert feed is None
    assert text in problems


def test_several_problems_are_told_together() -> None:
    problems = feed_of(np.array(["a"]), "text", class_weight={"a": 1})[1]
    for text in ("x is a ndarray", "y is the text", "class_weight has the keys"):
        assert text in problems


def test_class_weights_reach_every_kind_of_feed() -> None:
    weights = {0: 2.0, 5: 3.0}
    want = [2.0, 1.0, 1.0, 1.0, 1.0, 3.0]
    for x, y in ((X, Y), (Table(), None), (DataLoader(Table(), 2), None), ([(X, Y)], None)):
        feed, problems = feed_of(x, y, class_weight=weights)
        assert not problems
        assert feed is not None
        assert torch.cat([w for _, _, w in feed.epoch(0)]).tolist() == want


def validation_of(data: Any, **feeding: Any) -> tuple[Any, str]:
    problems = Problems("fit")
    settings = {"batch_size": None, "device": None, **feeding}
    return make_validation_feed(data, Feeding(**settings), problems), " | ".join(problems)


@pytest.mark.parametrize(
    ("data", "has_y", "has_weight"),
    [
        ((X, Y), True, False),
        ([X, Y], True, False),
        ((X, Y, np.ones(6)), True, True),
        (((X, X), Y), True, False),
        ([(X, X), Y], True, False),
        (({"a": X}, {"b": Y}), True, False),
        (((X, X), (Y, Y)), True, False),
        (X, False, False),
        (TensorDataset(torch.from_numpy(X), torch.from_numpy(Y)), True, False),
    ],
)
def test_validation_data_are_inputs_targets_and_weights(
    data: Any, has_y: bool, has_weight: bool
) -> None:
    feed, problems = validation_of(data)
    assert not problems
    assert isinstance(feed, ArrayFeed)
    assert feed.samples == 6
    assert (feed.y is not None, feed.sample_weight is not None) == (has_y, has_weight)


@pytest.mark.parametrize("data", [[(X[:3], Y[:3]), (X[3:], Y[3:])], [(X, Y, np.ones(6))]])
def test_validation_data_may_be_a_list_of_batches(data: Any) -> None:
    feed, problems = validation_of(data, batch_size=2, inherited=True)
    assert not problems
    assert [len(x) for x, _, _ in feed.epoch(0)] == [len(batch[0]) for batch in data]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        ((X,), "validation_data is a tuple of 1; expected (x, y)"),
        ((X, Y, Y, Y), "validation_data is a tuple of 4"),
        ([], "validation_data is a list of 0"),
        ((X, Y[:3]), "validation_x has 6, validation_y has 3"),
        (3, "validation_data is a int"),
        ((DataLoader(Table()), Y), "validation_x is a DataLoader, which gives its own batches"),
    ],
)
def test_validation_data_that_cannot_be_are_a_problem_of_their_name(data: Any, text: str) -> None:
    assert text in validation_of(data)[1]


def split(count: int, fraction: Any) -> tuple[int, int] | str:
    problems = Problems("fit")
    arrays = Arrays(torch.arange(count), {"a": torch.arange(count)}, None)
    train, validation = split_off(arrays, fraction, problems)
    if problems:
        return " | ".join(problems)
    assert train.x.tolist() + validation.x.tolist() == list(range(count))
    assert train.y["a"].tolist() == train.x.tolist()
    assert validation.sample_weight is None
    return len(train.x), len(validation.x)


@pytest.mark.parametrize(
    ("count", "fraction", "want"),
    [
        (10, 0.9, (1, 9)),
        (10, 0.3, (7, 3)),
        (10, 0.25, (7, 3)),
        (10, 0.7, (3, 7)),
        (7, 0.5, (3, 4)),
        (2, 0.5, (1, 1)),
        (1000, 0.001, (999, 1)),
        (10, np.float64(0.9), (1, 9)),
        (10, np.float32(0.3), (7, 3)),
        (100_000, 1e-05, (99_999, 1)),
    ],
)
def test_a_split_counts_rows_in_decimal_numbers(count: int, fraction: float, want: Any) -> None:
    assert split(count, fraction) == want


@given(count=st.integers(2, 1000), percent=st.integers(1, 99))
def test_a_split_in_percent_is_exact(count: int, percent: int) -> None:
    kept = count * (100 - percent) // 100
    found = split(count, percent / 100)
    if kept == 0:
        assert "leaves 0 for training" in found
    else:
        assert found == (kept, count - kept)


@pytest.mark.parametrize("fraction", [1.5, -0.1, 1.0, 1, float("nan"), float("inf"), "0.2", None])
def test_what_is_no_share_is_a_problem(fraction: Any) -> None:
    assert "give a share of the rows between 0 and 1" in split(10, fraction)


def test_a_split_that_leaves_nothing_says_how_many_rows_there_would_be() -> None:
    assert "0.5 of 1 rows leaves 0 for training and 1 for validation" in split(1, 0.5)


def test_weights_become_floats_and_arrays_are_recognised() -> None:
    problems = Problems("fit")
    arrays = to_arrays(Source(X, Y, {"a": np.ones(6, int)}), problems)
    assert arrays is not None
    assert arrays.sample_weight["a"].dtype == torch.float32
    assert to_arrays(Source(DataLoader(Table())), problems) is None
    assert not problems
