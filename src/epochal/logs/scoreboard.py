"""Losses and metrics of one pass over data: fed by the step, read by whoever looks."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from epochal.core.trees import flatten, map_leaves
from epochal.logs.names import Direction
from epochal.logs.running_mean import MeanMoment, RunningMean

__all__ = ["Measure", "Moment", "Scoreboard", "Scored"]

# Outputs kept by reference before they are scored together: one large update costs little more
# than one of a batch of 32, and 2**20 float32 values are 4 MiB.
_VALUES_KEPT = 2**20

State = tuple[Any, ...]


class Measure(Protocol):
    """What the scoreboard asks of a metric."""

    coalesce: bool
    direction: Direction | None

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None: ...
    def result(self) -> Any: ...
    def reset_state(self) -> None: ...
    def snapshot(self) -> State: ...
    def restore(self, snapshot: State) -> None: ...


class Scored(NamedTuple):
    """One metric in its place: the name it is logged under and the output it looks at."""

    name: str
    metric: Measure
    output: Any = None  # None: the only output; else the index or key of one of several
    weighted: bool = False


class Kept(NamedTuple):
    """What one batch left behind to be scored."""

    y_true: Any
    y_pred: Any
    sample_weight: Any


class Scoreboard:
    """The running losses and metrics of one pass (an epoch, a validation, an evaluation).

    `add` is called by every step and never waits for the device. Metrics that may be coalesced see
    the outputs of many batches at once; the others are updated at every batch.

    Args:
        losses: Names of the losses that `add` is given, the total first.
        scored: The metrics.
    """

    def __init__(self, losses: Sequence[str], scored: Iterable[Scored] = ()) -> None:
        self._means = {name: RunningMean() for name in losses}
        self._add_loss = next(iter(self._means.values())).add
        self._parts = list(self._means.values())[1:]
        scored = list(scored)
        self._scored = {entry.name: entry for entry in scored}
        self._coalesced = [entry for entry in scored if entry.metric.coalesce]
        self._direct = [entry for entry in scored if not entry.metric.coalesce]
        self._kept: list[Kept] = []
        self._scored_last: list[Kept] | None = None  # what the coalesced metrics took in last
        self._values = 0
        self._closed = False
        for entry in scored:
            entry.metric.reset_state()
        self._base = self._snapshots()
        self.names: tuple[str, ...] = (*self._means, *self._scored)

    @property
    def scores(self) -> bool:
        """Whether there is any metric, so that the step has to hand over outputs."""
        return bool(self._scored)

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
            self._values += (
                y_pred.numel()
                if isinstance(y_pred, Tensor)
                else sum(leaf.numel() for leaf in flatten(y_pred))
            )
            if self._values >= _VALUES_KEPT:
                self._score()

    def moment(self) -> "Moment":
        """Return this moment, readable later at its own values whatever is added meanwhile."""
        return Moment(
            self,
            {name: mean.moment() for name, mean in self._means.items()},
            self._base,
            self._kept,
            len(self._kept),
            # A metric of the user's own may keep what we cannot set aside: read it while it is true.
            {entry.name: entry.metric.result() for entry in self._direct},
        )

    def close(self) -> None:
        """Score what is left; the pass is over and another one may use the metrics."""
        self._score()
        self._closed = True

    def read_loss(self, name: str, moment: MeanMoment) -> Tensor | float:
        """Return the mean of one loss at `moment`."""
        return self._means[name].at(moment)

    def is_loss(self, name: str) -> bool:
        """Whether `name` is a loss rather than a metric."""
        return name in self._means

    def result(self, name: str, base: State, kept: list[Kept], length: int) -> Any:
        """Return a coalesced metric's result for `base` plus the first `length` of `kept`."""
        entry = self._scored[name]
        metric = entry.metric
        if not self._closed and length == len(kept):
            if kept is self._kept:
                self._score()
                return metric.result()
            if kept is self._scored_last and not self._kept:
                return metric.result()
        present = metric.snapshot()
        metric.restore(base[self._coalesced.index(entry)])
        try:
            for batch in _joined(kept[:length]):
                _update(entry, batch)
            return metric.result()
        finally:
            metric.restore(present)

    def _score(self) -> None:
        if self._kept:
            for batch in _joined(self._kept):
                for entry in self._coalesced:
                    _update(entry, batch)
            # A new list, not a cleared one: earlier moments still point at the old.
            self._scored_last, self._kept, self._values = self._kept, [], 0
            self._base = self._snapshots()

    def _snapshots(self) -> State:
        return tuple(entry.metric.snapshot() for entry in self._coalesced)


class Moment(NamedTuple):
    """One moment of a pass; `read` gives a value as it was then."""

    board: Scoreboard
    means: dict[str, MeanMoment]
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
        if self.board.is_loss(name):
            value: Any = self.board.read_loss(name, self.means[name])
        elif name in self.direct:
            value = self.direct[name]
        else:
            value = self.board.result(name, self.base, self.kept, self.length)
        return plain_number(value)


def plain_number(value: Any) -> Any:
    """Return a tensor or array as Python numbers; this is where the host waits for the device."""
    if isinstance(value, dict):
        return {key: plain_number(item) for key, item in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    return float(value) if isinstance(value, (int, bool)) else value


def _part(tree: Any, output: Any) -> Any:
    return tree if output is None or isinstance(tree, Tensor) or tree is None else tree[output]


def _update(entry: Scored, batch: Kept) -> None:
    weight = _part(batch.sample_weight, entry.output) if entry.weighted else None
    entry.metric.update_state(
        _part(batch.y_true, entry.output), _part(batch.y_pred, entry.output), sample_weight=weight
    )


def _joined(batches: list[Kept]) -> list[Kept]:
    """Return the batches as one, or as they are where their shapes differ (ragged sequences)."""
    if len(batches) < 2:
        return batches
    shapes = {
        tuple((leaf.shape[1:], leaf.dtype) for leaf in flatten(list(batch))) for batch in batches
    }
    if len(shapes) > 1 or any(leaf.ndim == 0 for leaf in flatten(list(batches[0]))):
        return batches
    return [
        Kept(
            *(
                map_leaves(lambda *parts: torch.cat(parts), *column)
                for column in zip(*batches, strict=True)
            )
        )
    ]
