"""Losses and metrics of one pass over data: fed by the step, read by whoever looks."""

import copy
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.core.trees import flatten, map_leaves, pick
from epochal.logs.names import Direction
from epochal.logs.running_mean import MeanMoment, RunningMean
from epochal.logs.values import plain_number, set_aside

__all__ = ["Measure", "Moment", "Scoreboard", "Scored"]

# Targets and outputs kept by reference before they are scored together: one large update costs
# little more than one of a batch of 32. They are small tensors among large ones that come and go,
# whose memory an allocator cannot use again before they go as well: 2**20 values took 100 MB more
# of a pass over a million rows, and saved no time. A tensor costs about a kilobyte besides its
# values, so their number is bounded as well.
_VALUES_KEPT = 2**17
_BATCHES_KEPT = 1024

State = tuple[Any, ...]


class Measure(Protocol):
    """What the scoreboard asks of a metric."""

    coalesce: bool
    direction: Direction | None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Take one batch in."""

    def update_shared(
        self, shared: dict[Any, Any], y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        """Take one batch in, if the metric may be coalesced; `shared` is the same for all."""

    def result(self) -> Any:
        """Return the value so far."""

    def reset_state(self) -> None:
        """Forget everything taken in."""

    def snapshot(self) -> State:
        """Return what `result` is made of, if the metric may be coalesced."""

    def restore(self, snapshot: State) -> None:
        """Put a snapshot back."""

    def everything(self) -> dict[str, Any]:
        """Return all that updates have changed, for a checkpoint."""

    def take_everything(self, state: Mapping[str, Any]) -> None:
        """Take back what `everything` returned."""


class Scored(NamedTuple):
    """One metric in its place: the name it is logged under and the output it looks at."""

    name: str
    metric: Measure
    output: Any = None  # None: the only output; else the index or key of one of several
    weighted: bool = False
    keys: Mapping[str, str] | None = None
    """If the result is a dict: the name each of its values is logged under, to its key there."""
    output_name: str = ""
    """What the output is called where targets or weights are a dict, and it has a number."""

    @property
    def names(self) -> tuple[str, ...]:
        """Every name it is logged under."""
        return (self.name,) if self.keys is None else tuple(self.keys)

    def value(self, result: Any, name: str) -> Any:
        """Return the part of a result that is logged under `name`.

        Raises:
            UsageError: If a dict has other keys than were known before training.
        """
        if not isinstance(result, dict):
            return result
        expected = [] if self.keys is None else list(self.keys.values())
        if self.keys is None or set(result) != set(expected):
            raise UsageError(
                f"the metric {self.name!r} returned a dict with the keys {list(result)}; before "
                f"training {expected or 'none'} were known. Set outputs = {tuple(result)} in its "
                "class, so that logs and callbacks know what is coming"
            )
        return result[self.keys[name]]


class Kept(NamedTuple):
    """What one batch left behind to be scored."""

    y_true: Any
    y_pred: Any
    sample_weight: Any


class Scoreboard:
    """The running losses and metrics of one pass (an epoch, a validation, an evaluation).

    Every step adds to it, and that never waits for the device. Metrics that may be coalesced see
    the outputs of many batches at once; the others are updated at every batch. The state of the
    former is kept here, so that another scoreboard may use the same metrics meanwhile.

    Args:
        losses: Names of the losses that `add_loss` is given, the total first.
        scored: The metrics.
    """

    def __init__(self, losses: Sequence[str], scored: Iterable[Scored] = ()) -> None:
        self._means = {name: RunningMean() for name in losses}
        self._add_loss = next(iter(self._means.values())).add
        self._parts = list(self._means.values())[1:]
        scored = _apart(scored)
        self._scored = {name: entry for entry in scored for name in entry.names}
        self._coalesced = [entry for entry in scored if entry.metric.coalesce]
        self._direct = [entry for entry in scored if not entry.metric.coalesce]
        self._kept: list[Kept] = []
        self._values = 0
        self._read: _Read | None = None
        for entry in scored:
            entry.metric.reset_state()
        self._base: State = tuple(entry.metric.snapshot() for entry in self._coalesced)
        self.names: tuple[str, ...] = (*self._means, *self._scored)

    @property
    def scores(self) -> bool:
        """Whether there is any metric, so that the step has to hand over outputs."""
        return bool(self._scored)

    @property
    def rows(self) -> int:
        """How many rows the pass has seen."""
        return int(next(iter(self._means.values())).weight)

    def add_loss(self, loss: Tensor, size: int, parts: Sequence[Tensor] = ()) -> None:
        """Add one batch's loss, and the losses of its single outputs if there are several."""
        self._add_loss(loss, size)
        for mean, part in zip(self._parts, parts, strict=True):
            mean.add(part, size)

    def add_outputs(self, y_true: Any, y_pred: Any, sample_weight: Any) -> None:
        """Add one batch's targets and (detached) outputs for the metrics."""
        kept = Kept(y_true, y_pred, sample_weight)
        for entry in self._direct:
            _update(entry, kept)
        if self._coalesced:
            self._kept.append(kept)
            self._values += _size(y_true) + _size(y_pred)
            if self._values >= _VALUES_KEPT or len(self._kept) >= _BATCHES_KEPT:
                self._score()

    def moment(self) -> "Moment":
        """Return this moment, readable later at its own values whatever is added meanwhile."""
        kept = self._kept
        means = [*map(RunningMean.moment, self._means.values())]
        # A metric of the user's own may keep its state anywhere: ask it while it is true.
        direct = dict(chain.from_iterable(map(_results, self._direct))) if self._direct else {}
        return Moment(self, means, self._base, kept, len(kept), direct)

    def state_dict(self) -> dict[str, Any]:
        """Return the sums of the pass and what is still to be scored, for a checkpoint.

        Nothing is scored for it: when a run is saved must not change a bit of what it logs.
        """
        return {
            "names": list(self.names),
            "means": {name: mean.state_dict() for name, mean in self._means.items()},
            "base": self._base,
            "kept": [list(batch) for batch in self._kept],
            "direct": [entry.metric.everything() for entry in self._direct],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take back what `state_dict` returned.

        Raises:
            UsageError: If it is of other losses and metrics.
        """
        if tuple(state["names"]) != self.names:
            raise UsageError(
                f"the epoch that goes on was logging {', '.join(state['names'])}, and now "
                f"{', '.join(self.names)} would be; compile with the same losses and metrics"
            )
        for name, mean in state["means"].items():
            self._means[name].load_state_dict(mean)
        self._base = state["base"]
        self._kept = [Kept(*batch) for batch in state["kept"]]
        self._values = sum(_size(batch.y_true) + _size(batch.y_pred) for batch in self._kept)
        for entry, direct in zip(self._direct, state["direct"], strict=True):
            entry.metric.take_everything(direct)

    def close(self) -> None:
        """Score what is left; the pass is over and another one may use the metrics."""
        self._score()

    def read_loss(self, name: str, means: Sequence[MeanMoment]) -> Tensor | float | None:
        """Return the mean of a loss as it stands in `means`; None if it is a metric's name."""
        if name not in self._means:
            return None
        return self._means[name].at(means[self.names.index(name)])

    def result(self, name: str, base: State, kept: list[Kept], length: int) -> Any:
        """Return a coalesced metric's result for `base` plus the first `length` of `kept`."""
        entry = self._scored[name]
        metric = entry.metric
        present = metric.snapshot()
        try:
            metric.restore(self._up_to(base, kept, length)[self._coalesced.index(entry)])
            return set_aside(entry.value(metric.result(), name))
        finally:
            metric.restore(present)

    def _up_to(self, base: State, kept: list[Kept], length: int) -> State:
        """Return the metrics' states after the first `length` of `kept`.

        They are scored on the side: the sums of the pass are made at the same places whether
        somebody reads or not, so that no bit of a history depends on when a screen was drawn.
        """
        read = self._read
        if read is None or read.kept is not kept or read.length > length:
            read = _Read(kept, 0, base)
        if read.length < length:
            read = _Read(kept, length, self._advanced(read.state, kept[read.length : length]))
        self._read = read
        return read.state

    def _score(self) -> None:
        if self._kept:
            self._base = self._advanced(self._base, self._kept)
            # A new list, not a cleared one: earlier moments still point at the old.
            self._kept, self._values, self._read = [], 0, None

    def _advanced(self, base: State, kept: list[Kept]) -> State:
        joined = _joined(kept)
        # What several metrics compute of a batch, such as counts at thresholds, is made once.
        shared: list[dict[Any, Any]] = [{} for _ in joined]
        return tuple(
            _advanced(entry, state, joined, shared)
            for entry, state in zip(self._coalesced, base, strict=True)
        )


class _Read(NamedTuple):
    """How far batches that are still to be scored have been scored on the side."""

    kept: list[Kept]
    length: int
    state: State


class Moment(NamedTuple):
    """One moment of a pass; `read` gives a value as it was then."""

    board: Scoreboard
    means: list[MeanMoment]
    base: State
    kept: list[Kept]
    length: int
    direct: dict[str, Any]

    @property
    def names(self) -> tuple[str, ...]:
        """What can be read, in the order it is logged."""
        return self.board.names

    def read(self, name: str) -> Any:
        """Return one value as a plain float (or a list of floats for a vector)."""
        value: Any = self.board.read_loss(name, self.means)
        if value is None and name in self.direct:
            value = self.direct[name]
        elif value is None:
            value = self.board.result(name, self.base, self.kept, self.length)
        return plain_number(value)


def _size(tree: Any) -> int:
    if isinstance(tree, Tensor):
        return tree.numel()
    return sum(leaf.numel() for leaf in flatten(tree))


def _part(tree: Any, entry: Scored) -> Any:
    output = entry.output
    if output is None or isinstance(tree, Tensor) or tree is None:
        return tree
    if isinstance(tree, dict) and output not in tree:
        return tree.get(entry.output_name)  # weights of which this output has none, too
    return pick(tree, output)


def _apart(scored: Iterable[Scored]) -> list[Scored]:
    """Return the metrics, those that stand for two outputs with a copy for the second."""
    found: list[Scored] = []
    for entry in scored:
        # The state of one that is coalesced is kept apart anyway; any other has only its own.
        twice = any(entry.metric is other.metric for other in found)
        copied = twice and not entry.metric.coalesce
        found.append(entry._replace(metric=copy.deepcopy(entry.metric)) if copied else entry)
    return found


def _results(entry: Scored) -> list[tuple[str, Any]]:
    result = set_aside(entry.metric.result())
    return [(name, entry.value(result, name)) for name in entry.names]


def _seen(entry: Scored, batch: Kept) -> tuple[Any, Any, Any]:
    """Return what a metric sees of a batch."""
    weight = _part(batch.sample_weight, entry) if entry.weighted else None
    return _part(batch.y_true, entry), _part(batch.y_pred, entry), weight


def _update(entry: Scored, batch: Kept) -> None:
    y_true, y_pred, weight = _seen(entry, batch)
    entry.metric.update_state(y_true, y_pred, sample_weight=weight)


def _advanced(
    entry: Scored, base: State, batches: list[Kept], shared: list[dict[Any, Any]]
) -> State:
    """Return the state that leads on from `base`, whoever used the metric meanwhile."""
    entry.metric.restore(base)
    for batch, computed in zip(batches, shared, strict=True):
        entry.metric.update_shared(computed, *_seen(entry, batch))
    return entry.metric.snapshot()


def _joined(batches: list[Kept]) -> list[Kept]:
    """Return the batches as one, or as they are where their shapes differ (ragged sequences)."""
    columns = list(zip(*batches, strict=True))
    if len(batches) < 2 or not all(map(_alike, columns)):
        return batches
    return [Kept(*map(_cat, columns))]


def _alike(column: Sequence[Any]) -> bool:
    """Whether trees hold tensors whose rows are of one shape and type."""
    first = column[0]
    if isinstance(first, Tensor):
        # Most batches have the very shape of the first; to cut the rows off takes longer to ask.
        shape, rest, dtype = first.shape, first.shape[1:], first.dtype
        return first.ndim > 0 and all(
            isinstance(part, Tensor)
            and (part.shape == shape or (part.ndim > 0 and part.shape[1:] == rest))
            and part.dtype == dtype
            for part in column
        )
    leaves = [flatten(tree) for tree in column]
    if any(len(tree) != len(leaves[0]) for tree in leaves):
        return False
    return all(map(_alike, zip(*leaves, strict=True)))


def _cat(column: Sequence[Any]) -> Any:
    if isinstance(column[0], Tensor):
        return torch.cat(column)  # type: ignore[arg-type]  # a tuple will do
    return map_leaves(lambda *parts: torch.cat(parts), *column)
