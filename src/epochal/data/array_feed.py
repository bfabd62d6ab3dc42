"""Batches of tensors that lie in memory."""

from collections.abc import Iterator
from itertools import repeat
from typing import Any, Literal

import torch
from torch import Tensor
from typing_extensions import override

from epochal.core.errors import UsageError
from epochal.core.random import epoch_generator, epoch_order
from epochal.core.trees import flatten, map_leaves
from epochal.data.digests import digest_of_some
from epochal.data.feed import Batch, Feed
from epochal.data.transfer import Transfer

__all__ = ["ArrayFeed"]

# Shuffled rows are gathered for several batches at once: one large copy is several times cheaper
# than many small ones, and 8 MiB is all the memory it takes.
_GATHERED_BYTES = 8 * 2**20


class ArrayFeed(Feed):
    """Slices of tensors, in order or shuffled by index; the tensors themselves are never copied.

    Args:
        x: Inputs, (N, ...), or a nested structure of them.
        y: Targets, (N, ...), nested or None.
        sample_weight: Weights, (N,), nested or None.
        batch_size: Rows in a batch; the last one of a pass may be smaller.
        shuffle: True for a new order each epoch, `"batch"` to shuffle inside of each batch only.
        seed: With the epoch's number it fixes the order.
        device: Where batches go.

    Example:
        >>> feed = ArrayFeed(torch.arange(5), None, None, batch_size=2, shuffle=True, seed=3)
        >>> sorted(int(row) for x, _, _ in feed.epoch(0) for row in x)
        [0, 1, 2, 3, 4]
    """

    def __init__(
        self,
        x: Any,
        y: Any,
        sample_weight: Any,
        *,
        batch_size: int,
        shuffle: bool | Literal["batch"] = False,
        seed: int = 0,
        device: torch.device | None = None,
    ) -> None:
        self.x, self.y, self.sample_weight = x, y, sample_weight
        self.batch_size = batch_size
        self.shuffle = shuffle
        self.seed = seed
        leaves: list[Tensor] = flatten([x, y, sample_weight])
        self.samples: int = leaves[0].shape[0]
        self.steps: int = -(-self.samples // batch_size)
        row_bytes = sum(leaf[0].numel() * leaf.element_size() for leaf in leaves)
        batches = max(1, _GATHERED_BYTES // max(1, row_bytes * batch_size))
        self._chunk = batches * batch_size
        self._skip = 0
        self._leaves = leaves
        self._transfer = Transfer(device)

    @override
    def peek(self) -> Batch:
        # Copies: whatever the model does with them in place stays out of the user's arrays.
        rows = torch.arange(min(self.batch_size, self.samples))
        x, y, weight = (self._take(tree, rows) for tree in (self.x, self.y, self.sample_weight))
        return x, y, weight

    @override
    def describe(self) -> dict[str, Any]:
        return {
            **super().describe(),
            "batch size": self.batch_size,
            "values": digest_of_some(self._leaves),
        }

    @override
    def position(self, batches: int) -> Any:
        return {"batches": batches, "seed": str(self.seed)}  # JSON holds no 63 bits

    @override
    def resume(self, position: Any) -> None:
        self.seed = int(position["seed"])
        self._skip = position["batches"]

    @override
    def epoch(self, epoch: int) -> Iterator[Batch]:
        skip, self._skip = self._skip, 0
        order = self._order(epoch)
        # Shuffled batches are copies, and a copy is the model's to change.
        versions = self._versions() if order is None else None
        for start in range(skip * self.batch_size, self.samples, self._chunk):
            rows: slice | Tensor = slice(start, start + self._chunk)
            if order is not None:
                rows = order[rows]
            yield from zip(
                self._batches(self.x, rows),
                self._batches(self.y, rows),
                self._batches(self.sample_weight, rows),
                strict=False,  # `repeat(None)` stands for what is not there
            )
            if versions is not None and self._versions() != versions:
                raise UsageError(
                    "a batch was changed in place, and with it the array it is a part of: the data "
                    "are no longer what they were. Look for a layer with inplace=True before any "
                    "other, or a loss or metric that changes its arguments"
                )

    def _order(self, epoch: int) -> Tensor | None:
        if not self.shuffle:
            return None
        if self.shuffle != "batch":
            return epoch_order(self.samples, self.seed, epoch)
        # Inside of each batch: rows sorted by (batch, random number).
        keys = torch.rand(self.samples, generator=epoch_generator(self.seed, epoch))
        return torch.argsort(torch.arange(self.samples) // self.batch_size + keys.double())

    def _versions(self) -> list[int]:
        """Return how often each tensor was changed in place, which torch counts for its views."""
        return [0 if leaf.is_inference() else leaf._version for leaf in self._leaves]

    def _batches(self, tree: Any, rows: slice | Tensor) -> Iterator[Any]:
        if tree is None:
            return repeat(None)
        if isinstance(tree, Tensor):
            taken: Tensor = self._take(tree, rows)
            return iter(torch.split(taken, self.batch_size))
        return self._nested(self._take(tree, rows))

    def _nested(self, tree: Any) -> Iterator[Any]:
        length = flatten(tree)[0].shape[0]
        for start in range(0, length, self.batch_size):
            yield map_leaves(lambda leaf, at=start: leaf[at : at + self.batch_size], tree)

    def _take(self, tree: Any, rows: slice | Tensor) -> Any:
        def take(leaf: Tensor) -> Tensor:
            if isinstance(rows, Tensor):
                return self._transfer.gather(leaf, rows)
            return self._transfer(leaf[rows])  # a view, where it is already where it is needed

        return map_leaves(take, tree)
