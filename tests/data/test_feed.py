"""Epochs of a fixed number of batches: never short, never restarted early, nothing lost."""

from collections.abc import Iterable, Iterator
from itertools import chain, count
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from epochal.data import ArrayFeed, Feed, FixedSteps, IterableFeed


def flat(lists: Iterable[list[Any]]) -> list[Any]:
    return list(chain.from_iterable(lists))


def numbers(feed: Feed, epoch: int) -> list[int]:
    return [int(x[0]) for x, _, _ in feed.epoch(epoch)]


def batches(first: int, last: int | None = None) -> Iterator[torch.Tensor]:
    for number in count(first):
        if number == last:
            return
        yield torch.tensor([float(number)])


@settings(deadline=None)
@given(rows=st.integers(1, 12), steps=st.integers(1, 30), epochs=st.integers(1, 5))
def test_passes_go_on_across_epochs_and_no_epoch_is_short(
    rows: int, steps: int, epochs: int
) -> None:
    feed = FixedSteps(ArrayFeed(torch.arange(rows), None, None, batch_size=1), steps)
    seen = [numbers(feed, epoch) for epoch in range(epochs)]
    assert [len(epoch) for epoch in seen] == [steps] * epochs
    assert flat(seen) == [i % rows for i in range(steps * epochs)]


def test_each_pass_has_its_own_order() -> None:
    shuffled = ArrayFeed(torch.arange(20), None, None, batch_size=1, shuffle=True)
    feed = FixedSteps(shuffled, 15)
    seen = flat(numbers(feed, epoch) for epoch in range(4))
    assert seen == flat(numbers(shuffled, done) for done in range(3))


def test_a_generator_is_drawn_from_exactly_as_often_as_there_are_steps() -> None:
    drawn = []

    def generate() -> Iterator[torch.Tensor]:
        for batch in batches(0):
            drawn.append(int(batch))
            yield batch

    feed = FixedSteps(IterableFeed(generate()), 3)
    assert feed.once
    assert int(feed.peek()[0]) == 0
    assert numbers(feed, 0) == [0, 1, 2]
    assert drawn == [0, 1, 2]
    assert int(feed.peek()[0]) == 3
    assert numbers(feed, 1) == [3, 4, 5]
    feed.close()
    assert drawn == [0, 1, 2, 3, 4, 5]


def test_a_generator_that_ends_ends() -> None:
    feed = FixedSteps(IterableFeed(batches(0, 5)), 3)
    assert [numbers(feed, epoch) for epoch in range(4)] == [[0, 1, 2], [3, 4], [], []]


def test_an_epoch_left_early_goes_on_where_it_was_left() -> None:
    feed = FixedSteps(IterableFeed(batches(0)), 3)
    for x, _, _ in feed.epoch(0):
        if int(x) == 1:
            break
    assert numbers(feed, 1) == [2, 3, 4]


@pytest.mark.parametrize("steps", [2, 5])
def test_validation_starts_anew_each_time(steps: int) -> None:
    feed = FixedSteps(IterableFeed(list(batches(0, 4))), steps, restart=True)
    for epoch in range(3):
        assert numbers(feed, epoch) == list(range(min(steps, 4)))


def test_validation_on_a_generator_goes_on_since_it_cannot_start_anew() -> None:
    feed = FixedSteps(IterableFeed(batches(0)), 2, restart=True)
    assert [numbers(feed, epoch) for epoch in range(2)] == [[0, 1], [2, 3]]


class Shrinking:
    """A source that has batches the first time only."""

    def __init__(self) -> None:
        self.left = 1

    def __iter__(self) -> Iterator[torch.Tensor]:
        self.left -= 1
        return iter([torch.tensor([1.0])] * (self.left + 1))


def test_a_source_that_gives_nothing_more_ends_the_epoch() -> None:
    feed = FixedSteps(IterableFeed(Shrinking()), 3)
    assert numbers(feed, 0) == [1]
    assert numbers(feed, 1) == []
