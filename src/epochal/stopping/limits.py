"""Criteria that need no theory: a target, a disaster, a budget, a least number of epochs."""

import math
import re
from collections.abc import Sequence
from datetime import timedelta
from typing import Final, Never

from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown
from epochal.stopping.criterion import Criterion, Verdict

__all__ = ["Budget", "Divergence", "MinimumEpochs", "Threshold"]

_UNITS: Final = {"d": 86400, "h": 3600, "m": 60, "min": 60, "s": 1}
_PART: Final = re.compile(r"\s*(\d+(?:\.\d+)?)\s*(min|[dhms])")


class Threshold(Criterion):
    """Stops when the validation value reaches a target: as good as it or better.

    NaN reaches nothing, and an epoch that did not validate is no check. Zero and negative targets
    are values like any other.

    Args:
        value: The target.

    Example:
        >>> target = Threshold(0.9)
        >>> target.reset(mode="max")
        >>> target.update(0, None, 0.85).stop, target.update(1, None, 0.9).stop
        (False, True)
    """

    def __init__(self, value: float, **unknown: Never) -> None:
        reject_unknown(Threshold.__init__, unknown)
        self.value = value
        self.reset()

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        if validation is None:
            return Verdict(False, "not validated")
        reached = self.cost(validation) <= self.cost(self.value)
        has = "has" if reached else "has not"
        return Verdict(reached, f"{validation:.5g} {has} reached {self.value:g}")


class Divergence(Criterion):
    """Stops when training has gone wrong for good: NaN, infinity, or worse than a limit.

    Looks at the training and the validation value; what is not measured is not judged.

    Args:
        limit: A value strictly worse than this is hopeless too; None to look for NaN and infinity
            only. It is a value, not a ratio: for "5 % above the best" take `GeneralizationLoss`.

    Example:
        >>> Divergence().update(7, float("nan"), 0.5)
        Verdict(stop=True, reason='the training value is nan')
    """

    def __init__(self, limit: float | None = None, **unknown: Never) -> None:
        reject_unknown(Divergence.__init__, unknown)
        self.limit = limit
        self.reset()

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        for name, value in (("training", training), ("validation", validation)):
            if value is None:
                continue
            if not math.isfinite(value):
                return Verdict(True, f"the {name} value is {value}")
            if self.limit is not None and self.cost(value) > self.cost(self.limit):
                return Verdict(True, f"the {name} value {value:.5g} is beyond {self.limit:g}")
        return Verdict(False, "not diverged")


class MinimumEpochs(Criterion):
    """Says stop once `n` epochs have run: `GeneralizationLoss(5) & MinimumEpochs(20)`.

    For curves that jump about at first. Epochs count from the start of the run, by their number.

    Args:
        n: How many epochs have to run.

    Raises:
        UsageError: If `n` is negative.

    Example:
        >>> [MinimumEpochs(2).update(epoch, None, None).stop for epoch in range(3)]
        [False, True, True]
    """

    def __init__(self, n: int, **unknown: Never) -> None:
        reject_unknown(MinimumEpochs.__init__, unknown)
        if n < 0:
            raise UsageError(f"MinimumEpochs: n is {n}; give a number of epochs, 0 or more")
        self.n = n
        self.reset()

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        return Verdict(epoch + 1 >= self.n, f"{epoch + 1} of at least {self.n} epochs have run")


class Budget(Criterion):
    """Stops when time, epochs, steps or samples are used up, whichever is first.

    It looks when it is asked, after an epoch, so the epoch at hand is finished. It does not look
    at values at all. A resumed run goes on with what is left, and the pause costs nothing.

    `EarlyStopping` says what was spent. In a loop of your own, call `spend` before `update`.

    Args:
        time: Seconds, a `timedelta`, or text such as `"2h"`, `"90 min"`, `"1d 6h"`, `"1h30m"`.
        epochs: How many epochs, counted from the first one seen.
        steps: How many updates of the weights.
        samples: How many training samples.

    Raises:
        UsageError: If nothing is limited, a limit is not positive, or the time cannot be read; in
            `update`, if nobody has said what is limited here.

    Example:
        >>> budget = Budget(time="1h30m", steps=1000)
        >>> budget.spend(seconds=600, steps=1000)
        >>> budget.update(0, 0.5, 0.6)
        Verdict(stop=True, reason='1000 of 1000 steps are used up')
    """

    state = ("first_epoch", "seconds_spent", "steps_spent", "samples_spent")

    def __init__(
        self,
        time: float | str | timedelta | None = None,
        epochs: int | None = None,
        steps: int | None = None,
        samples: int | None = None,
        **unknown: Never,
    ) -> None:
        reject_unknown(Budget.__init__, unknown)
        self.time = time
        self.epochs = epochs
        self.steps = steps
        self.samples = samples
        self.seconds = None if time is None else _seconds(time)
        limits = {"seconds": self.seconds, "epochs": epochs, "steps": steps, "samples": samples}
        given = {name: limit for name, limit in limits.items() if limit is not None}
        if not given:
            raise UsageError("Budget: nothing is limited; give time, epochs, steps or samples")
        for name, limit in given.items():
            if not limit > 0:
                raise UsageError(f"Budget: {name} is {limit:g}; give more than 0")
        self.needs = frozenset(given) - {"epochs"}
        self.reset()

    @override
    def start(self) -> None:
        self.first_epoch: int | None = None
        self.seconds_spent: float | None = None
        self.steps_spent: int | None = None
        self.samples_spent: int | None = None

    @override
    def spend(
        self, *, seconds: float | None = None, steps: int | None = None, samples: int | None = None
    ) -> None:
        if seconds is not None:
            self.seconds_spent = (self.seconds_spent or 0.0) + seconds
        if steps is not None:
            self.steps_spent = (self.steps_spent or 0) + steps
        if samples is not None:
            self.samples_spent = (self.samples_spent or 0) + samples

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        if self.first_epoch is None:
            self.first_epoch = epoch
        accounts: Sequence[tuple[str, float | None, float | None]] = (
            ("seconds", self.seconds, self.seconds_spent),
            ("epochs", self.epochs, epoch + 1 - self.first_epoch),
            ("steps", self.steps, self.steps_spent),
            ("samples", self.samples, self.samples_spent),
        )
        used: list[str] = []
        for name, limit, spent in accounts:
            if limit is None:
                continue
            if spent is None:
                raise UsageError(
                    f"{self!r}: nobody said how many {name} an epoch took; "
                    f"call spend({name}=...) before update, or limit epochs"
                )
            if spent >= limit:
                return Verdict(True, f"{spent:.10g} of {limit:.10g} {name} are used up")
            used.append(f"{spent:.10g} of {limit:.10g} {name}")
        return Verdict(False, f"{', '.join(used)} are used")


def _seconds(time: float | str | timedelta) -> float:
    if isinstance(time, timedelta):
        return time.total_seconds()
    if not isinstance(time, str):
        return float(time)
    total, position = 0.0, 0
    while part := _PART.match(time, position):
        total += float(part[1]) * _UNITS[part[2]]
        position = part.end()
    if not position or time[position:].strip():
        raise UsageError(
            f"Budget: cannot read time {time!r}; give seconds, or text such as '2h' or '1h30m' "
            "(d, h, m or min, s)"
        )
    return total
