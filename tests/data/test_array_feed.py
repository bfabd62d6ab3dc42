"""Batches of arrays: the rows, all of them, in an order that `(seed, epoch)` fixes."""

from collections.abc import Iterable
from itertools import chain
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.core.errors import UsageError
from epochal.core.random import epoch_order
from epochal.data import ArrayFeed

Shuffle = bool | Literal["batch"]


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def order_of(feed: ArrayFeed, epoch: int) -> list[list[int]]:
    return [[int(row) for row in x.reshape(len(x), -1)[:, 0]] for x, _, _ in feed.epoch(epoch)]


def numbered(rows: int, width: int = 1) -> torch.Tensor:
    return torch.arange(rows, dtype=torch.float32)[:, None].repeat(1, width)


@settings(deadline=None, max_examples=60)
@given(
    rows=st.integers(1, 60),
    batch_size=st.integers(1, 25),
    shuffle=st.sampled_from([True, False, "batch"]),
    epoch=st.integers(0, 5),
    # 8 MiB are gathered at once: with rows of 1 MiB a chunk ends every few rows.
    width=st.sampled_from([1, 2**18]),
)
def test_batches_are_what_naive_indexing_gives(
    rows: int, batch_size: int, shuffle: Shuffle, epoch: int, width: int
) -> None:
    x = torch.arange(rows, dtype=torch.float32)[:, None].expand(rows, width)
    y = {"a": torch.arange(rows) * 2, "b": (torch.arange(rows) * 3, None)}
    weight = torch.arange(rows).float() / 2
    feed = ArrayFeed(x, y, weight, batch_size=batch_size, shuffle=shuffle, seed=7)
    order = torch.arange(rows)
    if shuffle is True:
        order = epoch_order(rows, 7, epoch)
    elif shuffle == "batch":
        order = torch.tensor([row for batch in order_of(feed, epoch) for row in batch])
    batches = list(feed.epoch(epoch))
    assert len(batches) == feed.steps
    for start, (xb, yb, wb) in zip(range(0, rows, batch_size), batches, strict=True):
        index = order[start : start + batch_size]
        assert xb.shape == (len(index), width)
        assert torch.equal(xb[:, 0], x[index, 0])
        assert torch.equal(xb[:, -1], x[index, 0])
        assert torch.equal(yb["a"], y["a"][index])
        assert torch.equal(yb["b"][0], index * 3)
        assert yb["b"][1] is None
        assert torch.equal(wb, weight[index])


@settings(deadline=None)
@given(rows=st.integers(1, 300), batch_size=st.integers(1, 40), seed=st.integers(0, 2**63 - 1))
def test_each_epoch_has_its_own_order_that_comes_back(
    rows: int, batch_size: int, seed: int
) -> None:
    feed = ArrayFeed(numbered(rows), None, None, batch_size=batch_size, shuffle=True, seed=seed)
    again = ArrayFeed(numbered(rows), None, None, batch_size=batch_size, shuffle=True, seed=seed)
    late = order_of(again, 3)
    orders = [order_of(feed, epoch) for epoch in range(4)]
    assert orders[3] == late
    for order in orders:
        assert sorted(flat(order)) == list(range(rows))
    if rows > 20:
        assert len({str(order) for order in orders}) == 4


@settings(deadline=None)
@given(rows=st.integers(1, 200), batch_size=st.integers(1, 40))
def test_shuffling_in_batches_moves_rows_inside_of_their_batch_only(
    rows: int, batch_size: int
) -> None:
    feed = ArrayFeed(numbered(rows), None, None, batch_size=batch_size, shuffle="batch")
    for start, batch in zip(range(0, rows, batch_size), order_of(feed, 1), strict=True):
        assert sorted(batch) == list(range(start, min(start + batch_size, rows)))
    if rows > 40 and batch_size > 10:
        assert order_of(feed, 0) != order_of(feed, 1)
        assert flat(order_of(feed, 0)) != list(range(rows))


def test_without_shuffling_batches_are_views_of_the_data() -> None:
    array = np.zeros((10, 2), dtype=np.float32)
    x = torch.from_numpy(array)
    for start, (batch, _, _) in zip((0, 4, 8), feed_of(x).epoch(0), strict=True):
        assert batch.data_ptr() == array[start:].ctypes.data


def feed_of(x: Any, y: Any = None, shuffle: Shuffle = False) -> ArrayFeed:
    return ArrayFeed(x, y, None, batch_size=4, shuffle=shuffle)


def test_steps_and_samples_are_known() -> None:
    feed = feed_of(numbered(10))
    assert (feed.samples, feed.steps, feed.once) == (10, 3, False)
    assert [len(x) for x, _, _ in feed.epoch(0)] == [4, 4, 2]
    assert [(y, w) for _, y, w in feed.epoch(0)] == [(None, None)] * 3
    feed.close()


def test_a_batch_larger_than_the_data_is_all_of_them() -> None:
    feed = ArrayFeed(numbered(3), None, None, batch_size=2**62, shuffle=True)
    assert sorted(flat(order_of(feed, 0))) == [0, 1, 2]
    assert len(feed.peek()[0]) == 3


@pytest.mark.parametrize("shuffle", [True, False, "batch"])
def test_looking_ahead_takes_nothing_away_and_gives_copies(shuffle: Shuffle) -> None:
    x = numbered(10)
    feed = feed_of((x, x * 2), {"y": x}, shuffle)
    (first, second), y, weight = feed.peek()
    assert len(first) == len(second) == len(y["y"]) == 4
    assert weight is None
    first.zero_()
    y["y"].fill_(-1)
    assert torch.equal(x, numbered(10))
    seen = torch.cat([a for (a, _), _, _ in feed.epoch(0)])
    assert sorted(seen[:, 0].tolist()) == list(range(10))


@pytest.mark.parametrize("part", ["x", "y"])
def test_data_changed_in_place_by_a_batch_is_an_error(part: str) -> None:
    feed = feed_of(numbered(10), numbered(10))
    passing = feed.epoch(0)
    for _ in range(3):
        x, y, _ = next(passing)
        (x if part == "x" else y).mul_(2)
    with pytest.raises(UsageError, match=r"changed in place.*inplace=True"):
        next(passing)


def test_shuffled_batches_and_data_changed_between_passes_are_free_to_change() -> None:
    x = numbered(10)
    for batch, _, _ in feed_of(x, shuffle=True).epoch(0):
        batch.zero_()
    assert torch.equal(x, numbered(10))
    feed = feed_of(x)
    assert len(list(feed.epoch(0))) == 3
    x.add_(1)
    assert order_of(feed, 1)[0] == [1, 2, 3, 4]


def test_tensors_made_in_inference_mode_can_be_passed_over() -> None:
    with torch.inference_mode():
        x = numbered(5) + 0
    assert order_of(feed_of(x), 0) == [[0, 1, 2, 3], [4]]


def test_batches_go_to_the_device() -> None:
    feed = ArrayFeed(
        numbered(5), torch.arange(5), None, batch_size=2, device=torch.device("meta"), shuffle=True
    )
    for x, y, _ in [feed.peek(), *feed.epoch(0)]:
        assert x.device.type == y.device.type == "meta"
