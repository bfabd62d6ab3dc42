"""What the loop asks of data: the batches of an epoch, and how many there are."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

from typing_extensions import override

__all__ = ["Batch", "Feed", "FixedSteps"]

Batch = tuple[Any, Any, Any]
"""One batch: inputs, targets (or None), sample weights (or None); a plain tuple, made in bulk."""


class Feed(ABC):
    """A source of batches that can be passed over.

    Attributes:
        steps: Batches in one pass, or None if nobody knows before its end.
        samples: Rows in one pass, or None.
        once: Whether it can be passed over a single time (a generator).
    """

    steps: int | None = None
    samples: int | None = None
    once: bool = False

    @abstractmethod
    def peek(self) -> Batch:
        """Return the first batch (or a part of it), which the first pass will still give.

        Raises:
            UsageError: If there is none.
        """

    @abstractmethod
    def epoch(self, epoch: int) -> Iterator[Batch]:
        """Return the batches of one pass, in an order that depends on `epoch` alone."""

    def describe(self) -> dict[str, Any]:
        """Return what a run that goes on must find again: the same numbers of rows and batches."""
        return {"rows": self.samples, "batches": self.steps}

    def follow(self) -> None:  # noqa: B027  most find a place without notes
        """Be told, before the first pass, that its `position` will be asked for."""

    def position(self, batches: int) -> Any:
        """Return where the feed stands once `batches` of the present pass have been used.

        Returns:
            A tree of tensors and plain values for `resume`, in another process.
        """
        return {"batches": batches}

    @abstractmethod
    def resume(self, position: Any) -> None:
        """Let the next `epoch` begin where `position` was taken; its first batches are left out.

        Raises:
            UsageError: When that pass begins, if it cannot come to that place.
        """

    def unresumable(self) -> str | None:
        """Return why no place inside of a pass can be found again; None if it can."""
        return None

    def doubt(self) -> str | None:
        """Return why later passes may not come exactly as they would have; None if they do."""
        return None

    def close(self) -> None:  # noqa: B027  most feeds hold nothing open
        """Let go of workers and open iterators."""


class FixedSteps(Feed):
    """Epochs of a fixed number of batches over another feed.

    A pass that ends in the middle of an epoch goes on into the next pass, so that no epoch is
    short; a source that can be passed over only once ends when it ends.

    Args:
        feed: Where the batches come from.
        steps: Batches in each epoch.
        restart: Whether each epoch starts a new pass (validation) instead of going on (training).

    Example:
        >>> from epochal.data import ArrayFeed
        >>> import torch
        >>> feed = FixedSteps(ArrayFeed(torch.arange(6), None, None, batch_size=2), steps=2)
        >>> [x.tolist() for x, _, _ in feed.epoch(0)], [x.tolist() for x, _, _ in feed.epoch(1)]
        ([[0, 1], [2, 3]], [[4, 5], [0, 1]])
    """

    steps: int

    def __init__(self, feed: Feed, steps: int, *, restart: bool = False) -> None:
        self.feed = feed
        self.steps = steps
        self.once = feed.once
        self._restart = restart
        self._pass = 0
        self._used = 0
        self._done = 0  # batches of the epoch that is gone on with
        self._open: Iterator[Batch] | None = None

    @override
    def peek(self) -> Batch:
        if self._open is not None:  # in the middle of a pass: its next batch
            batch = next(self._open, None)
            if batch is not None:
                self._open = chain([batch], self._open)
                return batch
        return self.feed.peek()

    @override
    def epoch(self, epoch: int) -> Iterator[Batch]:
        done, self._done = self._done, 0
        if self._restart and not self.once:
            return islice(self.feed.epoch(epoch), self.steps - done)
        return islice(self._endless(), self.steps - done)

    @override
    def follow(self) -> None:
        self.feed.follow()

    @override
    def describe(self) -> dict[str, Any]:
        return {**self.feed.describe(), "batches": self.steps}

    @override
    def position(self, batches: int) -> Any:
        # Epochs may end inside of a pass, so where it stands is not where the epoch stands.
        used = batches if self._restart and not self.once else self._used
        inner = self.feed.position(used)
        return {"batches": batches, "pass": self._pass, "used": used, "inner": inner}

    @override
    def resume(self, position: Any) -> None:
        self._pass, self._used = position["pass"], position["used"]
        self._done = position["batches"]
        self.feed.resume(position["inner"])
        if self._pass and (self.once or not self._restart):
            self._open = self.feed.epoch(self._pass - 1)

    @override
    def unresumable(self) -> str | None:
        return self.feed.unresumable()

    @override
    def doubt(self) -> str | None:
        return self.feed.doubt()

    @override
    def close(self) -> None:
        self._open = None
        self.feed.close()

    def _endless(self) -> Iterator[Batch]:
        while True:
            fresh = self._open is None
            if self._open is None:
                self._open = self.feed.epoch(self._pass)
                self._pass += 1
                self._used = 0
            given = False
            for batch in self._open:
                given = True
                self._used += 1
                yield batch
            self._open = None
            if self.once or (fresh and not given):
                return
