"""Patience, smoothing, and remembering: criteria about how a curve is looked at."""

import math
from collections.abc import Mapping
from typing import Any, Literal, Never

from typing_extensions import override

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown, unknown_name
from epochal.stopping.criterion import Criterion, Verdict

__all__ = ["Once", "Patience", "Smoothed"]


class Patience(Criterion):
    """Stops after `patience` validations in a row without improvement, as Keras counts them.

    NaN is no improvement; an epoch that did not validate is not counted. Zero and negative values
    need no care unless `min_delta` is relative: then it counts against the absolute best.

    Args:
        patience: How many validations in a row; 0 and 1 both stop at the first.
        min_delta: A change has to be larger than this to count.
        baseline: Until the value is better than this, no improvement counts.
        min_delta_mode: `"abs"`, or `"rel"` for a share of the best value: 0.01 is one percent.

    Raises:
        UsageError: If `patience` is negative or the mode unknown.

    Example:
        >>> patience = Patience(2, min_delta=0.01, min_delta_mode="rel")
        >>> curve = [1.0, 0.5, 0.499, 0.498]
        >>> [patience.update(epoch, None, value).stop for epoch, value in enumerate(curve)]
        [False, False, False, True]
    """

    state = ("best", "wait")

    def __init__(
        self,
        patience: int = 0,
        min_delta: float = 0.0,
        baseline: float | None = None,
        min_delta_mode: Literal["abs", "rel"] = "abs",
        **unknown: Never,
    ) -> None:
        reject_unknown(Patience.__init__, unknown)
        if patience < 0:
            raise UsageError(f"Patience: patience is {patience}; give 0 or more")
        if min_delta_mode not in ("abs", "rel"):
            raise UsageError(
                f"Patience: {unknown_name('min_delta_mode', min_delta_mode, ('abs', 'rel'))}"
            )
        self.patience = patience
        self.min_delta = abs(min_delta)
        self.baseline = baseline
        self.min_delta_mode = min_delta_mode
        self.reset()

    @override
    def start(self) -> None:
        self.best: float | None = None
        self.wait = 0

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        if validation is None:
            return Verdict(False, "not validated")
        self.wait += 1
        now = self.cost(validation)
        # NaN is below nothing, but would become the first best.
        if not math.isnan(now) and (self.best is None or self._better(now, self.best)):
            self.best = now
            if self.baseline is None or self._better(now, self.cost(self.baseline)):
                self.wait = 0
        limit = max(self.patience, 1)
        return Verdict(
            self.wait >= limit, f"{self.wait} of {limit} validations without improvement"
        )

    def _better(self, now: float, than: float) -> bool:
        margin = self.min_delta * abs(than) if self.min_delta_mode == "rel" else self.min_delta
        return now + margin < than


class _Wrapper(Criterion):
    """A criterion around another one."""

    def __init__(self, criterion: Criterion) -> None:
        if not isinstance(criterion, Criterion):
            raise UsageTypeError(f"{type(self).__name__}: {criterion!r} is no criterion")
        self.criterion = criterion
        self.needs = criterion.needs

    @override
    def reset(self, mode: Literal["min", "max"] = "min") -> None:
        super().reset(mode)
        self.criterion.reset(mode)

    @override
    def spend(
        self, *, seconds: float | None = None, steps: int | None = None, samples: int | None = None
    ) -> None:
        self.criterion.spend(seconds=seconds, steps=steps, samples=samples)

    @override
    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "criterion": self.criterion.state_dict()}

    @override
    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict({key: state[key] for key in state if key != "criterion"})
        if "criterion" not in state:
            raise UsageTypeError(f"{type(self).__name__}: the state has no 'criterion'")
        self.criterion.load_state_dict(state["criterion"])


class Smoothed(_Wrapper):
    """Shows a criterion the mean of the last validations instead of the last one.

    For validation values that jump about, as those of small or re-drawn validation sets do. The
    training value is passed on as it is: its jitter is part of what P measures. Until `window`
    values are there, the mean is of those that are. A NaN or infinite value is passed on and left
    out of the means after it; an epoch that did not validate changes nothing.

    Args:
        criterion: The criterion; it is used, not copied.
        window: How many validations.

    Raises:
        UsageError: If `window` is not positive.
        UsageTypeError: If `criterion` is none.

    Example:
        >>> noisy = [1.0, 0.7, 0.8, 0.6]
        >>> smooth = Smoothed(Patience(1), window=2)
        >>> [smooth.update(epoch, None, value).stop for epoch, value in enumerate(noisy)]
        [False, False, False, False]
    """

    state = ("values",)

    def __init__(self, criterion: Criterion, window: int = 5, **unknown: Never) -> None:
        reject_unknown(Smoothed.__init__, unknown)
        if window < 1:
            raise UsageError(f"Smoothed: window is {window}; give 1 validation or more")
        super().__init__(criterion)
        self.window = window
        self.reset()

    @override
    def start(self) -> None:
        self.values: list[float] = []

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        if validation is not None and math.isfinite(validation):
            self.values = [*self.values, validation][-self.window :]
            validation = math.fsum(self.values) / len(self.values)
        return self.criterion.update(epoch, training, validation)


class Once(_Wrapper):
    """Remembers that a criterion has said stop, and says so from then on.

    For "each of them at least once", as in the paper's rule for how long to record a run:
    `Once(GeneralizationLoss(5)) & Once(SuccessiveIncreases(8)) & Once(ProgressQuotient(3))`.

    Args:
        criterion: The criterion; it is used, not copied.

    Raises:
        UsageTypeError: If `criterion` is none.

    Example:
        >>> from epochal.stopping import Threshold
        >>> once = Once(Threshold(0.5))
        >>> [once.update(epoch, None, value).stop for epoch, value in enumerate([1.0, 0.4, 0.9])]
        [False, True, True]
    """

    state = ("fired",)

    def __init__(self, criterion: Criterion, **unknown: Never) -> None:
        reject_unknown(Once.__init__, unknown)
        super().__init__(criterion)
        self.reset()

    @override
    def start(self) -> None:
        self.fired = 0

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        verdict = self.criterion.update(epoch, training, validation)
        if verdict.stop and not self.fired:
            self.fired = epoch + 1
        if self.fired:
            return Verdict(True, f"{self.criterion!r} said stop after epoch {self.fired}")
        return verdict
