"""Batches that come from a DataLoader, a generator or any other iterable."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from epochal.core.errors import UsageError
from epochal.core.random import epoch_order
from epochal.core.trees import map_leaves
from epochal.data.feed import Batch, Feed

__all__ = ["IterableFeed", "LoaderFeed"]


class IterableFeed(Feed):
    """Batches of an iterable, each `(x, y)`, `(x, y, sample_weight)` or inputs alone.

    An iterator (a generator) is passed over once and never replayed. The first batch may be looked
    at before training starts; it is kept for the first step, not drawn again.

    Args:
        source: What to iterate.
        device: Where batches go.
        name: What to call it in errors.
        weigh: Gives the sample weights of a batch's targets (class weights), or None.

    Example:
        >>> feed = IterableFeed([(np.ones((2, 3)), np.zeros(2))])
        >>> x, y, weight = feed.peek()
        >>> x.dtype, [tuple(x.shape) for x, _, _ in feed.epoch(0)]
        (torch.float32, [(2, 3)])
    """

    def __init__(
        self,
        source: Iterable[Any],
        *,
        device: torch.device | None = None,
        name: str = "x",
        weigh: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self.source = source
        self.device = device
        self.name = name
        self.weigh = weigh
        self.once = iter(source) is source if isinstance(source, Iterator) else False
        self.steps = _length(source)
        self._ahead: tuple[Batch, Iterator[Any]] | None = None
        self._used = False

    def peek(self) -> Batch:
        if self._ahead is None:
            iterator = iter(self.source)
            try:
                first = next(iterator)
            except StopIteration:
                raise UsageError(
                    f"{self.name} gave no batch: expected at least one; is the "
                    f"{type(self.source).__name__} empty or used up?"
                ) from None
            self._ahead = self._batch(first), iterator
        return self._ahead[0]

    def epoch(self, epoch: int) -> Iterator[Batch]:
        self._set_epoch(epoch)
        if self._ahead is not None:
            first, iterator = self._ahead
            self._ahead = None
            yield first
        elif self.once and self._used:
            return
        else:
            iterator = iter(self.source)
        self._used = True
        for item in iterator:
            yield self._batch(item)

    def close(self) -> None:
        if not self.once:
            self._ahead = None

    def _set_epoch(self, epoch: int) -> None:
        """Tell the source which epoch comes, where it wants to know."""

    def _batch(self, item: Any) -> Batch:
        x, y, weight = item, None, None
        if isinstance(item, (tuple, list)):
            if not 1 <= len(item) <= 3:
                raise UsageError(
                    f"{self.name} gave a {type(item).__name__} of {len(item)}; expected (x, y), "
                    "(x, y, sample_weight) or inputs alone (several inputs as a nested tuple)"
                )
            x, y, weight = (*item, None, None)[:3]
        x, y = self._tensors(x), self._tensors(y)
        if self.weigh is not None:
            weight = self.weigh(y)
        return x, y, self._tensors(weight)

    def _tensors(self, tree: Any) -> Any:
        if isinstance(tree, Tensor):  # the common case, without a walk
            return self._tensor(tree)
        return map_leaves(self._tensor, tree)

    def _tensor(self, leaf: Any) -> Tensor:
        if not isinstance(leaf, Tensor):
            array = np.asarray(leaf)
            if array.dtype.kind not in "biuf":
                raise UsageError(
                    f"{self.name} gave a {type(leaf).__name__} of {array.dtype}; expected batches "
                    "of numbers: tensors, NumPy arrays, or nested tuples and dicts of them"
                )
            leaf = torch.as_tensor(array)
        if leaf.dtype == torch.float64:
            leaf = leaf.float()
        return leaf if self.device is None else leaf.to(self.device, non_blocking=True)


class LoaderFeed(IterableFeed):
    """Batches of a DataLoader, made from a Dataset in an order that `(seed, epoch)` fixes.

    Args:
        dataset: A map-style Dataset.
        batch_size: Rows in a batch.
        shuffle: Whether to shuffle.
        seed: With the epoch's number it fixes the order.
        device: Where batches go.
        name: What to call it in errors.
        weigh: Gives the sample weights of a batch's targets, or None.
    """

    def __init__(
        self,
        dataset: Dataset[Any],
        *,
        batch_size: int,
        shuffle: bool,
        seed: int,
        device: torch.device | None = None,
        name: str = "x",
        weigh: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        self._sampler = _Order(_length(dataset) or 0, seed, shuffle)
        loader: DataLoader[Any] = DataLoader(dataset, batch_size=batch_size, sampler=self._sampler)
        super().__init__(loader, device=device, name=name, weigh=weigh)
        self.samples = len(self._sampler)

    def _set_epoch(self, epoch: int) -> None:
        self._sampler.epoch = epoch


class _Order(Sampler[int]):
    """The rows of one epoch."""

    def __init__(self, size: int, seed: int, shuffle: bool) -> None:
        self.size = size
        self.seed = seed
        self.shuffle = shuffle
        self.epoch = 0

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        if not self.shuffle:
            return iter(range(self.size))
        return iter(epoch_order(self.size, self.seed, self.epoch).tolist())


def _length(source: object) -> int | None:
    if not isinstance(source, Sized):
        return None
    try:
        return len(source)
    except TypeError:  # a DataLoader over an IterableDataset has the method and refuses
        return None
