"""Batches of DataLoaders, generators and whatever else can be iterated."""

from collections import UserDict
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch.utils.data import DataLoader, Dataset, TensorDataset

from epochal.core.errors import UsageError, UsageTypeError
from epochal.core.random import epoch_order
from epochal.data import Feed, IterableFeed, LoaderFeed
from epochal.data.class_weights import ClassWeights


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


ROWS = np.arange(6, dtype=np.float32).reshape(3, 2)


def seen(feed: Feed, epoch: int = 0) -> list[list[float]]:
    return [x.reshape(-1).tolist() for x, _, _ in feed.epoch(epoch)]


def one(item: Any, **keywords: Any) -> Any:
    """The only batch of a source that gives `item`."""
    (batch,) = IterableFeed([item], **keywords).epoch(0)
    return batch


def generate(number: int) -> Iterator[Any]:
    for index in range(number):
        yield np.full((2, 1), index, dtype=np.float32), np.full(2, index)


def test_a_generator_is_passed_over_once_and_never_replayed() -> None:
    feed = IterableFeed(generate(5))
    assert feed.once
    assert feed.steps is None
    for _ in range(3):
        assert feed.peek()[0].tolist() == [[0.0], [0.0]]
    assert seen(feed) == [[i, i] for i in range(5)]
    assert seen(feed) == []
    feed.close()


def test_closing_keeps_what_was_looked_at_of_a_generator() -> None:
    feed = IterableFeed(generate(2))
    feed.peek()
    feed.close()
    assert seen(feed) == [[0, 0], [1, 1]]


def test_what_can_be_iterated_again_is() -> None:
    feed = IterableFeed(list(generate(3)))
    assert not feed.once
    assert feed.steps == 3
    feed.peek()
    for _ in range(3):
        assert seen(feed) == [[i, i] for i in range(3)]
    feed.peek()
    feed.close()
    assert seen(feed) == [[i, i] for i in range(3)]


def test_a_data_loader_is_drawn_from_no_more_than_once_a_row() -> None:
    class Counting(Dataset[Any]):
        drawn: list[int]

        def __init__(self) -> None:
            self.drawn = []

        def __len__(self) -> int:
            return 4

        def __getitem__(self, index: int) -> torch.Tensor:
            self.drawn.append(index)
            return torch.tensor([float(index)])

    data = Counting()
    feed = IterableFeed(DataLoader(data, batch_size=2))
    assert feed.steps == 2
    feed.peek()
    assert seen(feed) == [[0, 1], [2, 3]]
    assert data.drawn == [0, 1, 2, 3]


@pytest.mark.parametrize("empty", [[], iter(()), DataLoader(TensorDataset(torch.zeros(0, 1)))])
def test_nothing_to_look_at_is_an_error(empty: Any) -> None:
    with pytest.raises(UsageError, match=r"x gave no batch.*empty or used up"):
        IterableFeed(empty).peek()


@pytest.mark.parametrize(
    ("item", "want"),
    [
        (ROWS, (True, False, False)),
        ((ROWS,), (True, False, False)),
        ([ROWS], (True, False, False)),
        ((ROWS, [0, 1, 2]), (True, True, False)),
        ([ROWS, np.arange(3)], (True, True, False)),
        ((ROWS, [0, 1, 2], np.ones(3)), (True, True, True)),
        ((ROWS, None, np.ones(3)), (True, False, True)),
        ({"a": ROWS}, (True, False, False)),
        (((ROWS, ROWS), {"y": [0, 1, 2]}), (True, True, False)),
    ],
)
def test_a_batch_is_inputs_then_targets_then_weights(item: Any, want: Any) -> None:
    assert tuple(part is not None for part in one(item)) == want


@pytest.mark.parametrize("item", [(), (ROWS,) * 4])
def test_a_batch_of_another_number_of_parts_is_an_error(item: Any) -> None:
    with pytest.raises(UsageError, match=rf"x gave a tuple of {len(item)}; expected \(x, y\)"):
        one(item)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS,
        ROWS.tolist(),
        ROWS.astype(float),
        ROWS[::-1][::-1],
        ROWS[:, ::-1].copy()[:, ::-1],
        ROWS.astype(">f4"),
        pd.DataFrame(ROWS),
        torch.from_numpy(ROWS).double(),
    ],
    ids=lambda rows: f"{type(rows).__name__}-{getattr(rows, 'dtype', '')}",
)
def test_batches_may_be_arrays_of_every_kind(rows: Any) -> None:
    x, y, _ = one((rows, [0, 1, 2]))
    assert x.dtype == torch.float32
    assert x.tolist() == ROWS.tolist()
    assert y.dtype == torch.int64


def test_whole_numbers_keep_a_type_that_torch_computes_with() -> None:
    assert one(np.zeros((2, 2), np.uint8))[0].dtype == torch.uint8
    assert one(np.zeros((2, 2), np.uint16))[0].dtype == torch.int32
    assert one(torch.zeros(2, 2, dtype=torch.int16))[0].dtype == torch.int16


def test_a_mapping_of_another_library_becomes_a_dict() -> None:
    x, _, _ = one(UserDict(ids=np.zeros((2, 3), np.int64)))
    assert type(x) is dict
    assert x["ids"].dtype == torch.int64


@pytest.mark.parametrize(
    ("item", "text"),
    [
        (np.array(["a"]), "x is a ndarray of <U1"),
        ((ROWS, ["cat", "dog", "cat"]), "y is a list of texts, 'cat' the first"),
        ((ROWS, [[1], [2, 3]]), "y is a list whose rows differ in length"),
        ((ROWS, None, object()), "sample_weight is a object"),
    ],
)
def test_a_batch_of_anything_but_numbers_says_which_part(item: Any, text: str) -> None:
    with pytest.raises(
        UsageTypeError, match=rf"(?s)train gave a batch that cannot be used.*{text}"
    ):
        one(item, name="train")


@pytest.mark.parametrize("item", [5.0, torch.tensor(1.0), {"a": 3}, (1.0, 2.0)])
def test_single_rows_are_not_batches(item: Any) -> None:
    with pytest.raises(UsageError, match=r"gave a single number; expected batches.*DataLoader"):
        one(item)


def test_no_inputs_are_an_error() -> None:
    with pytest.raises(UsageError, match="gave no inputs"):
        one((None, ROWS))


def test_targets_of_a_generator_that_fills_its_arrays_again_are_kept() -> None:
    def refilling() -> Iterator[Any]:
        x, y = np.zeros((2, 1), np.float32), np.zeros(2, np.float32)
        for index in range(3):
            y[:] = index
            yield x, y, torch.from_numpy(y)

    kept = [(y, weight) for _, y, weight in IterableFeed(refilling()).epoch(0)]
    assert [(y.tolist(), weight.tolist()) for y, weight in kept] == [
        ([i, i], [i, i]) for i in (0.0, 1.0, 2.0)
    ]


def test_class_weights_weigh_batches() -> None:
    weigh = ClassWeights({1: 3.0})
    assert one((ROWS, [0, 1, 1]), weigh=weigh)[2].tolist() == [1.0, 3.0, 3.0]
    with pytest.raises(UsageError, match="gives sample weights already"):
        one((ROWS, [0, 1, 1], np.ones(3)), weigh=weigh)
    with pytest.raises(UsageError, match="class labels as y; got none"):
        one(ROWS, weigh=weigh)
    with pytest.raises(UsageError, match="class labels as y; got a dict"):
        one((ROWS, {"a": [0, 1, 1]}), weigh=weigh)


def test_batches_go_to_the_device() -> None:
    x, y, weight = one((ROWS, [0, 1, 1], np.ones(3)), device=torch.device("meta"))
    assert {t.device.type for t in (x, y, weight)} == {"meta"}


class Rows(Dataset[Any]):
    """A map-style dataset that knows which rows were asked for."""

    def __init__(self, size: int = 10) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Any:
        return np.float64(index), index


def loader(*, shuffle: bool = True, seed: int = 3) -> LoaderFeed:
    return LoaderFeed(Rows(), batch_size=4, shuffle=shuffle, seed=seed)


def test_a_dataset_is_batched_in_the_order_that_seed_and_epoch_fix() -> None:
    feed = loader()
    assert (feed.steps, feed.samples) == (3, 10)
    for epoch in (0, 1, 5, 1):
        assert flat(seen(feed, epoch)) == epoch_order(10, 3, epoch).tolist()
    assert seen(loader(shuffle=False)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert next(iter(feed.epoch(0)))[0].dtype == torch.float32


@pytest.mark.parametrize("first", [0, 4])
def test_looking_ahead_does_not_change_the_order_of_any_epoch(first: int) -> None:
    feed = loader()
    feed.peek()
    for epoch in (first, first + 1):
        assert flat(seen(feed, epoch)) == epoch_order(10, 3, epoch).tolist()
        feed.peek()


def test_passing_over_a_dataset_draws_nothing_from_the_generator_of_dropout() -> None:
    torch.manual_seed(0)
    want = torch.rand(3)
    torch.manual_seed(0)
    feed = loader()
    feed.peek()
    seen(feed)
    assert torch.equal(torch.rand(3), want)
