"""Batches that come from a DataLoader, a generator or any other iterable."""

from collections.abc import Callable, Iterable, Iterator, Sized
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset
from typing_extensions import override

from epochal.core.errors import Problems, UsageError
from epochal.core.generators import capture_generators, restore_generators
from epochal.core.trees import flatten, map_leaves
from epochal.data.arrays import to_tensors
from epochal.data.digests import digest_of_some
from epochal.data.feed import Batch, Feed
from epochal.data.positions import Replayed, Told, finder_of, keeps_workers
from epochal.data.transfer import Transfer

__all__ = ["IterableFeed", "length"]

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
        self.name = name
        self.weigh = weigh
        self.once = iter(source) is source if isinstance(source, Iterator) else False
        self.steps = length(source)
        self._ahead: tuple[Batch, Iterator[Any]] | None = None
        self._used = False
        self._last: Batch | None = None
        self._resumed: Any = None
        self._finder = finder_of(source, name)
        # A generator may fill the same arrays again for its next batch, and targets are kept for
        # the metrics; a DataLoader makes new ones.
        self._reuses = not isinstance(source, DataLoader)
        self._transfer = Transfer(device, kept=not self._reuses)

    @override
    def peek(self) -> Batch:
        if self._ahead is None:
            iterator = self._finder.begin()
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
        resumed, self._resumed = self._resumed, None
        found = None if resumed is None else self._found(resumed)
        if found is not None:
            iterator = found
        elif self._ahead is not None:
            self._last, iterator = self._ahead
            self._ahead = None
            yield self._last
        elif self.once and self._used:
            return
        else:
            iterator = self._finder.begin()
        self._used = True
        for item in iterator:
            self._last = batch = self._batch(item)
            yield batch

    @override
    def describe(self) -> dict[str, Any]:
        dataset = getattr(self.source, "dataset", None)
        if not isinstance(dataset, TensorDataset):
            return super().describe()
        return {**super().describe(), "values": digest_of_some(list(dataset.tensors))}

    @override
    def follow(self) -> None:
        self._finder.followed = True

    @override
    def position(self, batches: int) -> Any:
        if self._resumed is not None:
            return self._resumed  # nothing was used since
        return {
            "batches": batches,
            # Whether the first batch, which was looked at, still waits to be used.
            "ahead": self._ahead is not None,
            "began": None if self._ahead is None else self._finder.began,
            "source": self._finder.own(),
            "place": self._finder.place(batches, self._last),
        }

    @override
    def resume(self, position: Any) -> None:
        finder = self._finder
        if position["ahead"] and (self.once or isinstance(finder, Told)):
            return  # nothing was used yet, neither then nor now
        self._resumed = position
        if self._ahead is not None and self.once and isinstance(finder, Replayed):
            finder.ahead = self._ahead
        elif self._ahead is not None and keeps_workers(self.source):
            loader: Any = self.source
            loader._iterator = None  # its workers drew random numbers for what was ahead
        self._ahead = None  # drawn before the generators were put back
        self._used = True
        if not (self.once and isinstance(finder, Replayed)):  # which goes on from its beginning
            finder.put_own(position["source"])

    @override
    def doubt(self) -> str | None:
        if not keeps_workers(self.source):
            return None
        return (
            f"the workers of the DataLoader {self.name} live on from epoch to epoch "
            "(persistent_workers=True), and what they had come to is lost with them: a dataset "
            "that draws random numbers, or remembers what it gave, gives other rows now"
        )

    def _found(self, position: Any) -> Iterator[Any] | None:
        """Return the pass that goes on at a place; None where a new one is to begin."""
        finder, place = self._finder, {**position["place"], "batches": position["batches"]}
        if self.once and isinstance(finder, Replayed):
            generators = capture_generators()
            iterator = finder.find(place, self._batch) if position["place"] else None
            restore_generators(generators)
            return iterator
        present = finder.state()
        if position["ahead"]:  # the batch that was looked at, before anything was trained
            finder.put(position["began"])
            self.peek()
        iterator = finder.find(place, self._batch) if position["place"] else None
        finder.put(present)
        return iterator

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
            return self._transfer(tree)
        if tree is None:
            return None
        problems = Problems(f"{self.name} gave a batch that cannot be used")
        made = to_tensors(tree, name, problems)
        problems.raise_if_any()
        return map_leaves(self._transfer, made)


def length(source: object) -> int | None:
    """Return how many batches (or rows) a source has, or None if it does not know."""
    if not isinstance(source, Sized):
        return None
    try:
        return len(source)
    except TypeError:  # a DataLoader over an IterableDataset has the method and refuses
        return None
