"""Batches of a DataLoader that is made here, from a Dataset."""

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler
from typing_extensions import override

from epochal.core.random import epoch_generator, epoch_order
from epochal.data.iterable_feed import IterableFeed, length
from epochal.data.positions import Counted, Told, has_state
from epochal.data.transfer import pinning_pays

__all__ = ["LoaderFeed"]


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
        self._sampler = _Order(length(dataset) or 0, seed, shuffle)
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
        if not has_state(dataset):
            self._finder = Counted(loader, name)

    @override
    def describe(self) -> dict[str, Any]:
        return {**super().describe(), "batch size": self.batch_size}

    @override
    def position(self, batches: int) -> Any:
        if self._resumed is not None:
            return self._resumed  # nothing was used since
        dataset: Any = self._dataset
        told = isinstance(self._finder, Told)
        return {
            "batches": batches,
            "ahead": self._ahead is not None,
            "began": None if self._ahead is None else self._finder.began,
            "place": {} if told else self._finder.place(batches, self._last),
            "epoch": self._sampler.epoch,
            "source": self._finder.own(),
            "state": dataset.state_dict() if has_state(dataset) else None,
            "seed": str(self._sampler.seed),
        }

    @override
    def resume(self, position: Any) -> None:
        self._sampler.seed = int(position["seed"])
        told = isinstance(self._finder, Told)
        if not told:
            self._resumed = position
        elif not position["ahead"]:
            self._sampler.skip = position["batches"] * self.batch_size
        if told and position["ahead"]:
            return  # nothing was used yet, neither then nor now
        self._ahead = None
        self._finder.put_own(position["source"])
        dataset: Any = self._dataset
        if position["state"] is not None:
            dataset.load_state_dict(position["state"])

    @override
    def _found(self, position: Any) -> Iterator[Any] | None:
        place, sampler, epoch = position["place"], self._sampler, self._sampler.epoch
        if place["began"] is None:
            return super()._found(position)
        # The order is known: what was used is passed over at once.
        sampler.epoch, sampler.skip = position["epoch"], place["counted"] * self.batch_size
        found = super()._found({**position, "place": {**place, "counted": 0}})
        sampler.epoch = epoch
        return found

    @override
    def _set_epoch(self, epoch: int) -> None:
        if epoch != self._sampler.epoch:
            self._ahead = None  # looked at in the order of another epoch
            if self._resumed is not None and self._resumed["ahead"]:
                self._resumed = None
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
