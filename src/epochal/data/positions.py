"""How a pass over a source is found again by another process, at the batch where it stood."""

import copy
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from itertools import islice
from typing import Any

import numpy as np
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, TensorDataset
from typing_extensions import override

from epochal.core.attributes import Attributes
from epochal.core.errors import UsageError
from epochal.core.generators import (
    capture_generators,
    described,
    read_generators,
    restore_generators,
    restore_own,
)
from epochal.data.digests import digest
from epochal.data.feed import Batch

__all__ = ["Finder", "finder_of", "has_state", "keeps_workers", "owners_of"]


class Finder(ABC):
    """One way to find a place again; `finder_of` tells which one a source needs.

    Args:
        source: What is iterated.
        name: What to call it in errors.
    """

    def __init__(self, source: Any, name: str) -> None:
        self.source = source
        self.name = name
        self.followed = False
        """Whether somebody will ask for places."""
        self.began: dict[str, Any] = {}
        """What the order of the present pass may be drawn from."""
        self._attributes = self._watched()

    def _watched(self) -> Attributes:
        return Attributes(lambda: owners_of(self.source))

    def begin(self) -> Iterator[Any]:
        """Begin a pass, and note what its order may be drawn from."""
        self.began = self.state()
        return iter(self.source)

    def state(self) -> dict[str, Any]:
        """Return what the next batches may be drawn from: all generators, and attributes."""
        found = capture_generators(owners_of(self.source))
        return {**found, "attributes": self._attributes.changed()}

    def put(self, state: Mapping[str, Any]) -> None:
        """Put back what `state` returned."""
        restore_generators(dict(state), owners_of(self.source))
        self._attributes.put(state["attributes"])

    def own(self) -> dict[str, Any]:
        """Return the part of `state` that belongs to the source alone."""
        found = self.state()
        return {"own": found["own"], "attributes": found["attributes"]}

    def put_own(self, own: Mapping[str, Any]) -> None:
        """Put back what `own` returned."""
        restore_own(own["own"], owners_of(self.source))
        self._attributes.put(own["attributes"])

    @abstractmethod
    def place(self, batches: int, last: Batch | None) -> dict[str, Any]:
        """Return what `find` needs.

        Args:
            batches: How many batches of the pass have been used; 0 before its first.
            last: The last one; None before the first pass.
        """

    @abstractmethod
    def find(self, saved: Any, make: Callable[[Any], Batch]) -> Iterator[Any] | None:
        """Return a pass that goes on behind the batches that were used.

        Args:
            saved: What `place` returned, and `batches`.
            make: Makes a batch of what the source gives.

        Returns:
            The pass; None where the next one is to begin.

        Raises:
            UsageError: If the batches that are passed over are not those that were used.
        """

    def compare(self, last: Batch | None, saved: Any) -> None:
        """See that the last batch is the one that was used."""
        if last is None or digest(last) != saved["last"]:
            raise UsageError(
                f"{self.name} does not give the batches it gave before the interruption: batch "
                f"{saved['batches']} is another one. A run can only go on inside of an epoch if "
                "its data come in the same order again, with the same random numbers in them; seed "
                "what shuffles them, and by the row what worker processes draw, or save by epoch"
            )


class Counted(Finder):
    """The order alone is drawn again: a DataLoader that asks a Dataset for rows.

    What its last batch may have been drawn from is kept, and that batch is drawn once more, which
    shows that nothing else decides what the rows are.
    """

    def __init__(self, source: Any, name: str) -> None:
        super().__init__(source, name)
        # Rows of tensors come out the same whenever they are asked for.
        self._checks = not isinstance(source.dataset, TensorDataset)
        self._checks &= not has_state(source.dataset)
        self._before: dict[str, Any] | None = None
        self._given = 0

    @override
    def begin(self) -> Iterator[Any]:
        self._given = 0
        return self._noted(super().begin())

    def _noted(self, iterator: Iterator[Any]) -> Iterator[Any]:
        while True:
            before = None
            if self.followed and self._checks:
                found = read_generators(owners_of(self.source))
                before = {**found, "attributes": self._attributes.changed()}
            try:
                item = next(iterator)
            except StopIteration:
                return
            self._before = before
            self._given += 1
            yield item

    @override
    def place(self, batches: int, last: Batch | None) -> dict[str, Any]:
        dataset = self.source.dataset
        state = dataset.state_dict() if has_state(dataset) else None
        # The first batch may be looked at before anybody says that places are asked for.
        checked = self._checks and last is not None
        checked &= self._before is not None or self._given == 1
        return {
            "began": self.began if batches or checked else None,
            "counted": self._given - checked,
            "before": None if self._before is None else described(self._before),
            "last": digest(last) if checked and last is not None else None,
            "state": state,
        }

    @override
    def find(self, saved: Any, make: Callable[[Any], Batch]) -> Iterator[Any] | None:
        iterator = None
        if saved["began"] is not None:
            self.put(saved["began"])
            iterator = super().begin()
            next_indices = getattr(iterator, "_next_index")  # noqa: B009  private, and not typed
            for _ in range(saved["counted"]):
                next_indices()
        if saved["state"] is not None:
            self.source.dataset.load_state_dict(saved["state"])
        if iterator is None or saved["last"] is None:
            return self._going_on(iterator, saved)
        if saved["before"] is not None:
            self.put(saved["before"])
        item = next(iterator, None)
        last = None if item is None else make(item)
        if saved["batches"]:
            self.compare(last, saved)
        elif last is None or digest(last) != saved["last"]:
            warnings.warn(
                f"{self.name} gives another batch now than its last one was before the "
                "interruption: later passes may come otherwise. Let the dataset draw random "
                "numbers from generators in its attributes, and keep what it counts there too",
                stacklevel=2,
            )
        return self._going_on(iterator, saved)

    def _going_on(self, iterator: Iterator[Any] | None, saved: Any) -> Iterator[Any] | None:
        if iterator is None or not saved["batches"]:
            return None
        self._given = saved["batches"]
        return self._noted(iterator)


class Replayed(Finder):
    """Batches are drawn again and thrown away; a hash of the last shows that they are the same."""

    def __init__(self, source: Any, name: str) -> None:
        super().__init__(source, name)
        self.ahead: tuple[Batch, Iterator[Any]] | None = None
        """Of an iterator, which cannot begin again: the batch that was looked at, and the rest."""

    @override
    def place(self, batches: int, last: Batch | None) -> dict[str, Any]:
        if not batches or last is None:
            return {}
        return {"began": self.began, "last": digest(last)}

    @override
    def find(self, saved: Any, make: Callable[[Any], Batch]) -> Iterator[Any] | None:
        used, last = saved["batches"], None
        if not used:
            return None
        ahead, self.ahead = self.ahead, None
        if ahead is not None:
            last, iterator = ahead
            used -= 1
        else:
            self.put(saved["began"])
            iterator = self.begin()
        item = None
        for passed in islice(iterator, used):
            item = passed
        self.compare(last if item is None else make(item), saved)
        return iterator


class Told(Finder):
    """A source, or the dataset it reads from, says where it stands and is told where to stand.

    What it said before its last batch is kept, and the generators at that time. One that goes on
    gives that batch once more, which shows that its state holds all that its order depends on.
    """

    def __init__(self, source: Any, name: str) -> None:
        super().__init__(source, name)
        self._teller: Any = source if has_state(source) else source.dataset
        self._before: tuple[Any, Any] | None = None
        # Whether its state changes from batch to batch, or between passes only; a loader's does.
        self._moves = self._teller is source and isinstance(source, DataLoader)
        self._ended = False

    @override
    def _watched(self) -> Attributes:
        return Attributes(dict)  # it says what it remembers

    @override
    def begin(self) -> Iterator[Any]:
        return self._noted(super().begin())

    def _noted(self, iterator: Iterator[Any]) -> Iterator[Any]:
        opening = self._now()
        before: tuple[Any, Any] | None = opening
        for count, item in enumerate(iterator):
            self._ended = False
            self._before = before
            yield item
            # The first batch may be looked at before anybody says that places are asked for.
            before = self._now() if self.followed else None
            if before and not count:
                self._moves |= not _equal(opening[0], before[0])
        self._ended = True

    def _now(self) -> tuple[Any, Any]:
        state = self._teller.state_dict()
        if not getattr(self.source, "num_workers", 0):  # what came from workers is a copy
            state = copy.deepcopy(state)
        return state, read_generators(owners_of(self.source))

    @override
    def place(self, batches: int, last: Batch | None) -> dict[str, Any]:
        if last is None:
            return {}  # nothing was drawn
        if self._before is None:
            raise RuntimeError("the feed was not told that places are asked for: call follow()")
        state, generators = self._before
        place = {"before": state, "generators": described(generators), "last": digest(last)}
        if batches:
            return place
        now = {"state": self._teller.state_dict(), "ended": self._ended}
        return {**place, **now} if self._moves else now

    @override
    def find(self, saved: Any, make: Callable[[Any], Batch]) -> Iterator[Any] | None:
        if "before" not in saved:
            self._teller.load_state_dict(saved["state"])
            return None
        self._teller.load_state_dict(saved["before"])
        iterator = iter(self.source)
        restore_generators(saved["generators"], owners_of(self.source))
        item = next(iterator, None)
        last = None if item is None else make(item)
        if saved["batches"]:
            self.compare(last, saved)
            return self._noted(iterator)
        same = last is not None and digest(last) == saved["last"]
        if saved["ended"]:
            same = next(iterator, None) is None and same
        # Workers that end with their pass begin the next one anew, whatever they were told.
        told = keeps_workers(self.source) or not getattr(self.source, "num_workers", 0)
        if told and not same:
            warnings.warn(
                f"{self.name} said where it stood, and told so gives another batch than its last: "
                f"later passes may come in another order. Let the state_dict of the "
                f"{type(self._teller).__name__} hold all that its order depends on",
                stacklevel=2,
            )
            self._teller.load_state_dict(saved["state"])
        return None


def finder_of(source: Any, name: str) -> Finder:
    """Return how places in a source are found.

    Args:
        source: What is iterated.
        name: What to call it in errors.
    """
    loader = isinstance(source, DataLoader)
    if loader and not has_state(source) and not source.num_workers:
        samplers = [s for s in (source.sampler, source.batch_sampler) if s is not None]
        # Any other sampler may remember what it gave.
        known = all(type(s).__module__.startswith("torch.utils.data") for s in samplers)
        if known and not isinstance(source.dataset, IterableDataset):
            return Counted(source, name)
        if has_state(source.dataset):
            return Told(source, name)
    return Told(source, name) if has_state(source) else Replayed(source, name)


def has_state(source: object) -> bool:
    """Whether a source says itself where it stands."""
    return callable(getattr(source, "state_dict", None)) and callable(
        getattr(source, "load_state_dict", None)
    )


def keeps_workers(source: object) -> bool:
    """Whether its worker processes live on from one pass to the next."""
    return bool(getattr(source, "persistent_workers", False))


def owners_of(source: object) -> dict[str, object]:
    """Return the objects of a source that may hold generators in attributes."""
    found: dict[str, object] = {"source": source}
    for name in ("sampler", "batch_sampler", "dataset"):
        found[name] = getattr(source, name, None)
    return found


def _equal(one: Any, other: Any) -> bool:
    """Whether two states are the same."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(one[key], other[key]) for key in one)
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(_equal, one, other))
    if isinstance(one, (Tensor, np.ndarray)) or isinstance(other, (Tensor, np.ndarray)):
        return np.array_equal(one, other)
    return bool(one == other)
