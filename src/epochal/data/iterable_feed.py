"""Batches that come from a DataLoader, a generator or any other iterable."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sized
from itertools import islice
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, IterableDataset, Sampler
from typing_extensions import override

from epochal.core.errors import Problems, UsageError
from epochal.core.generators import (
    Generators,
    capture_generators,
    restore_generators,
    restore_own,
)
from epochal.core.random import epoch_generator, epoch_order
from epochal.core.trees import flatten, map_leaves
from epochal.data.arrays import to_tensors
from epochal.data.feed import Batch, Feed
from epochal.data.transfer import Transfer, pinning_pays

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
        self.name = name
        self.weigh = weigh
        self.once = iter(source) is source if isinstance(source, Iterator) else False
        self.steps = _length(source)
        self._ahead: tuple[Batch, Iterator[Any]] | None = None
        self._used = False
        self._began: Generators | None = None
        self._last: Any = None
        self._resumed: Any = None
        self._iterator: Iterator[Any] | None = None
        # A generator may fill the same arrays again for its next batch, and targets are kept for
        # the metrics; a DataLoader makes new ones.
        self._reuses = not isinstance(source, DataLoader)
        self._transfer = Transfer(device, kept=not self._reuses)

    @override
    def peek(self) -> Batch:
        if self._ahead is None:
            iterator = self._begin()
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
        if resumed is not None and resumed["batches"]:
            iterator = self._forward(resumed)
        elif self._ahead is not None:
            first, iterator = self._ahead
            self._ahead = None
            self._last, self._iterator = first, iterator
            yield first
        elif self.once and self._used:
            return
        else:
            iterator = self._begin()
        self._used = True
        self._iterator = iterator
        for item in iterator:
            self._last = batch = self._batch(item)
            yield batch

    @override
    def position(self, batches: int) -> Any:
        if self._resumed is not None:
            return self._resumed  # nothing was used since
        position = {
            "batches": batches,
            # Whether the first batch, which was looked at, still waits to be used.
            "ahead": self._ahead is not None,
            "own": capture_generators(self._owners())["own"],
        }
        stateful: Any = self._stateful()
        if stateful is not None:
            # A loader that met the end while it filled its last batch has let the dataset end too.
            fetcher = getattr(self._iterator, "_dataset_fetcher", None)
            ended = bool(batches) and bool(getattr(fetcher, "ended", False))
            return {**position, "state": stateful.state_dict(), "ended": ended}
        if not batches:
            return position
        return {**position, "began": self._began, "last": _digest(self._last)}

    @override
    def resume(self, position: Any) -> None:
        if self.once or position["batches"]:
            self._resumed = position
        if position["ahead"]:
            return  # nothing was used yet, neither then nor now
        stateful: Any = self._stateful()
        if stateful is not None or not self.once or not position["batches"]:
            self._ahead = None  # drawn before the generators were put back
        self._used = True
        restore_own(position["own"], self._owners())
        if stateful is not None:
            stateful.load_state_dict(position["state"])

    def _begin(self) -> Iterator[Any]:
        """Begin a pass, and note what its order may be drawn from."""
        self._began = capture_generators(self._owners())
        return iter(self.source)

    def _forward(self, position: Any) -> Iterator[Any]:
        """Return an iterator of what comes after the batches that were used.

        Raises:
            UsageError: If the data that are passed over are not those that were used.
        """
        present = capture_generators(self._owners())
        if "state" in position and not self._indexed():
            # It was told where it stands.
            iterator = iter(()) if position["ended"] else iter(self.source)
            restore_generators(present, self._owners())  # a loader draws a seed for its workers
            return iterator
        used = position["batches"]
        if self._ahead is not None:  # an iterator cannot be begun again
            last, iterator = self._ahead
            self._ahead = None
            used -= 1
        else:
            restore_generators(position["began"], self._owners())
            last, iterator = None, self._begin()
        indices = getattr(iterator, "_next_index", None)
        if indices is not None and self._indexed():
            for _ in range(used):
                indices()  # the order alone, without loading anything
        else:
            item = None
            for passed in islice(iterator, used):
                item = passed
            last = last if item is None else self._batch(item)
            if last is None or _digest(last) != position["last"]:
                raise UsageError(
                    f"{self.name} does not give the batches it gave before the interruption: batch "
                    f"{position['batches']} is another one. A run can only go on inside of an "
                    "epoch if its data come in the same order again; seed what shuffles them, or "
                    "save by epoch"
                )
        restore_generators(present, self._owners())
        return iterator

    def _stateful(self) -> object | None:
        """Return what says itself where it stands: the source, or the dataset it reads from.

        A worker process has a dataset of its own, about which nobody here knows anything.
        """
        if _has_state(self.source):
            return self.source
        dataset = getattr(self.source, "dataset", None)
        if getattr(self.source, "num_workers", 1) == 0 and _has_state(dataset):
            return dataset
        return None

    def _indexed(self) -> bool:
        """Whether a loader asks a Dataset for rows, in an order of one of torch's samplers.

        Then the order alone is counted forward; any other sampler may remember what it gave.
        """
        source = self.source
        if not isinstance(source, DataLoader) or source.num_workers:
            return False
        if isinstance(source.dataset, IterableDataset) or _has_state(source):
            return False
        samplers = (source.sampler, source.batch_sampler)
        return all(type(s).__module__.startswith("torch.utils.data") for s in samplers if s)

    def _owners(self) -> dict[str, object]:
        found: dict[str, object] = {"source": self.source}
        for name in ("sampler", "batch_sampler", "dataset"):
            found[name] = getattr(self.source, name, None)
        return found

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
        self.batch_size = batch_size
        self._dataset = dataset
        self._sampler = _Order(_length(dataset) or 0, seed, shuffle)
        loader: DataLoader[Any] = DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=self._sampler,
            # Its own, or each pass would draw from the generator that dropout draws from.
            generator=epoch_generator(seed, 0),
            pin_memory=pinning_pays(device),
        )
        super().__init__(loader, device=device, name=name, weigh=weigh)
        self.samples = len(self._sampler)

    @override
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "batch size": self.batch_size}

    @override
    def position(self, batches: int) -> Any:
        own = capture_generators({"dataset": self._dataset})["own"]
        ahead = self._ahead is not None
        return {"batches": batches, "ahead": ahead, "own": own, "seed": str(self._sampler.seed)}

    @override
    def resume(self, position: Any) -> None:
        self._sampler.seed = int(position["seed"])
        self._sampler.skip = position["batches"] * self.batch_size
        if not position["ahead"]:
            self._ahead = None
            restore_own(position["own"], {"dataset": self._dataset})

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
        self.skip = 0

    def __len__(self) -> int:
        return self.size

    @override
    def __iter__(self) -> Iterator[int]:
        skip, self.skip = self.skip, 0
        if not self.shuffle:
            return iter(range(skip, self.size))
        return iter(epoch_order(self.size, self.seed, self.epoch)[skip:].tolist())


def _has_state(source: Any) -> bool:
    """Whether a source says itself where it stands, as torchdata's StatefulDataLoader does."""
    return callable(getattr(source, "state_dict", None)) and callable(
        getattr(source, "load_state_dict", None)
    )


def _digest(batch: Any) -> str:
    """Return a hash of a batch's values."""
    found = hashlib.sha256()
    for leaf in flatten(list(batch)):
        values = leaf.detach().cpu().contiguous()
        found.update(f"{values.dtype} {tuple(values.shape)}".encode())
        found.update(values.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def _length(source: object) -> int | None:
    if not isinstance(source, Sized):
        return None
    try:
        return len(source)
    except TypeError:  # a DataLoader over an IterableDataset has the method and refuses
        return None
