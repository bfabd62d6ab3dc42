"""Batches that come from a DataLoader, a generator or any other iterable."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from epochal.core.errors import Problems, UsageError
from epochal.core.random import epoch_generator, epoch_order
from epochal.core.trees import flatten, map_leaves
from epochal.data.arrays import to_tensors
from epochal.data.feed import Batch, Feed

__all__ = ["IterableFeed", "LoaderFeed"]

_AS_THEY_ARE = {torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.uint8, torch.bool}


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
        >>> feed = IterableFeed([([[0.5, 1.0, 2.0]], [1])])
        >>> x, y, weight = feed.peek()
        >>> x.dtype, y.dtype, [tuple(x.shape) for x, _, _ in feed.epoch(0)]
        (torch.float32, torch.int64, [(1, 3)])
    """

    def __init__(
        self,
        source: Iterable[Any],
        *,
        device: torch.device | None = None,
        name: str = "x",
        weigh: Callable[[Any], Tensor] | None = None,
    ) -> None:
        self.source = source
        self.device = device
        self.name = name
        self.weigh = weigh
        self.once = iter(source) is source if isinstance(source, Iterator) else False
        self.steps = _length(source)
        self._ahead: tuple[Batch, Iterator[Any]] | None = None
        self._used = False
        # A generator may fill the same arrays again for its next batch, and targets are kept for
        # the metrics; a DataLoader makes new ones.
        self._reuses = not isinstance(source, DataLoader)

    @override
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

    @override
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

    @override
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
        x, y = self._tensors(x, "x"), self._targets(y, "y")
        weight = self._targets(weight, "sample_weight")
        if not (x.ndim if isinstance(x, Tensor) else flatten(x) and flatten(x)[0].ndim):
            got = "no inputs" if x is None else "a single number"
            raise UsageError(
                f"{self.name} gave {got}; expected batches, with one row for each sample: a "
                "DataLoader makes them of single rows"
            )
        if self.weigh is not None:
            if weight is not None:
                raise UsageError(
                    f"class_weight is given, and {self.name} gives sample weights already; "
                    "multiply them into one"
                )
            weight = self.weigh(y)
        return x, y, weight

    def _targets(self, tree: Any, name: str) -> Any:
        made = self._tensors(tree, name)
        return map_leaves(torch.Tensor.clone, made) if self._reuses else made

    def _tensors(self, tree: Any, name: str) -> Any:
        if isinstance(tree, Tensor) and tree.dtype in _AS_THEY_ARE:  # the common case
            return self._moved(tree)
        if tree is None:
            return None
        problems = Problems(f"{self.name} gave a batch that cannot be used")
        made = to_tensors(tree, name, problems)
        problems.raise_if_any()
        return map_leaves(self._moved, made)

    def _moved(self, leaf: Tensor) -> Tensor:
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
        weigh: Callable[[Any], Tensor] | None = None,
    ) -> None:
        self._sampler = _Order(_length(dataset) or 0, seed, shuffle)
        loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=self._sampler,
            # Its own, or each pass would draw from the generator that dropout draws from.
            generator=epoch_generator(seed, 0),
        )
        super().__init__(loader, device=device, name=name, weigh=weigh)
        self.samples = len(self._sampler)

    @override
    def _set_epoch(self, epoch: int) -> None:
        if epoch != self._sampler.epoch:
            self._ahead = None  # looked at in the order of another epoch
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

    @override
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
