"""The criteria of Prechelt's paper: GL, PQ, UP, and the end of progress."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import ClassVar, Never

from typing_extensions import override

from epochal.core.errors import UsageError, reject_unknown
from epochal.stopping.criterion import Criterion, Verdict
from epochal.stopping.measures import generalization_loss, progress, progress_quotient

__all__ = ["GeneralizationLoss", "LowProgress", "ProgressQuotient", "SuccessiveIncreases"]


class _Strips(Criterion):
    """A criterion that looks at the end of every strip of `strip` epochs; strips do not overlap.

    Strips are counted from the first epoch fed. What follows the last whole strip is not judged.
    """

    strip: int
    state: ClassVar[Sequence[str]] = ("count", "losses")

    def _check_strip(self, strip: int) -> None:
        if strip < 1:
            raise UsageError(f"{type(self).__name__}: strip is {strip}; give 1 epoch or more")

    @override
    def start(self) -> None:
        self.count = 0
        self.losses: list[float] = []

    @override
    def update(self, epoch: int, training: float | None, validation: float | None) -> Verdict:
        if "training" in self.needs:
            if training is None:
                raise UsageError(
                    f"{self!r} compares with training progress, and epoch {epoch} has no training "
                    "value; give it the training loss of every epoch"
                )
            self.losses.append(self.cost(training))
        self.count += 1
        if self.count < self.strip:
            return Verdict(False, f"epoch {self.count} of a strip of {self.strip}")
        strip, self.count, self.losses = self.losses, 0, []
        return self.judge(strip, validation)

    @abstractmethod
    def judge(self, strip: list[float], validation: float | None) -> Verdict:
        """Answer at the end of a strip, of which the training values are given as costs."""

    def _cost_or_none(self, validation: float | None) -> float | None:
        if validation is None or not math.isfinite(validation):
            return None
        return self.cost(validation)


class GeneralizationLoss(_Strips):
    """GL: stops when the validation value is `alpha` percent worse than the best so far.

    The quickest way to a good solution when several runs are made and the best is picked. A small
    `alpha` stops at the first ripple; 5 sits out most of them.

    The rule is `100 * (E / |E_opt| - 1) > alpha`, strictly, with `E_opt` the best *validation*
    value up to and including this epoch. A best of zero: any rise is infinite and stops. Negative
    values: the change counts in percent of the absolute best. An epoch that is not measured, or is
    NaN or infinite, is no check and never the best (combine with `Divergence`).

    Args:
        alpha: The loss that is too much, in percent.
        strip: Look at every so many epochs only, values between are not read, `E_opt` included.
            The paper reports all its numbers with 5. A last partial strip is not judged.

    Raises:
        UsageError: If `alpha` is negative or `strip` is not positive.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998).

    Example:
        >>> loss = GeneralizationLoss(5)
        >>> [loss.update(t, None, value).stop for t, value in enumerate([1.0, 0.5, 0.52, 0.53])]
        [False, False, False, True]
    """

    state = (*_Strips.state, "best")

    def __init__(self, alpha: float, strip: int = 1, **unknown: Never) -> None:
        reject_unknown(GeneralizationLoss.__init__, unknown)
        _check_alpha(self, alpha)
        self._check_strip(strip)
        self.alpha = alpha
        self.strip = strip
        self.reset()

    @override
    def start(self) -> None:
        super().start()
        self.best: float | None = None

    @override
    def judge(self, strip: list[float], validation: float | None) -> Verdict:
        now = self._cost_or_none(validation)
        if now is None:
            return Verdict(False, "GL: no finite validation value")
        self.best = now if self.best is None else min(self.best, now)
        loss = generalization_loss(now, self.best)
        return _compared("GL", loss, " %", self.alpha)


class ProgressQuotient(_Strips):
    """PQ: stops when generalization loss outweighs training progress by a factor of `alpha`.

    Lets a run go on that overfits but still learns fast, because validation often recovers. Gives
    the best average quality for networks that overfit little. On curves whose training loss falls
    for long it fires late or never: combine it, `ProgressQuotient(1) | LowProgress()`.

    The rule is `GL / P > alpha`, strictly, at the end of each strip: GL in percent against the best
    validation value of all strip ends so far, this one included, and P in per thousand, the mean
    of the strip's training values against the strip's own best. Without progress (P of 0) any
    loss stops, and no loss does not. A strip with a NaN or infinite training value, or without a
    finite validation value at its end, is no check. A last partial strip is not judged.

    Args:
        alpha: The quotient that is too much; 0.5 is fast, 3 is slow.
        strip: Length of a strip, in epochs; strips do not overlap.

    Raises:
        UsageError: If `alpha` is negative or `strip` is not positive; in `update`, if there is no
            training value.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998).

    Example:
        >>> quotient = ProgressQuotient(0.5, strip=2)
        >>> curve = [(1.0, 1.0), (0.8, 0.9), (0.79, 0.9), (0.79, 0.91)]
        >>> [quotient.update(t, *values).stop for t, values in enumerate(curve)]
        [False, False, False, True]
    """

    state = (*_Strips.state, "best")
    needs = frozenset({"training"})

    def __init__(self, alpha: float, strip: int = 5, **unknown: Never) -> None:
        reject_unknown(ProgressQuotient.__init__, unknown)
        _check_alpha(self, alpha)
        self._check_strip(strip)
        self.alpha = alpha
        self.strip = strip
        self.reset()

    @override
    def start(self) -> None:
        super().start()
        self.best: float | None = None

    @override
    def judge(self, strip: list[float], validation: float | None) -> Verdict:
        now = self._cost_or_none(validation)
        if now is None:
            return Verdict(False, "PQ: no finite validation value at the end of the strip")
        self.best = now if self.best is None else min(self.best, now)
        if not all(map(math.isfinite, strip)):
            return Verdict(False, "PQ: a training value of the strip is not finite")
        loss = generalization_loss(now, self.best)
        return _compared("PQ", progress_quotient(loss, progress(strip)), "", self.alpha)


class SuccessiveIncreases(_Strips):
    """UP: stops when the validation value got worse in `s` successive strips.

    Looks at the direction only, however large the change: gives the best average quality for
    networks that overfit, and goes on working where the size of the error changes for other
    reasons, as when pruning.

    The rule is `E(t) > E(t - strip)`, strictly, at `s` ends of strips in a row; an equal or better
    value starts the count anew. An end that is not measured, or is NaN or infinite, is passed over:
    the next one is compared with the last that was. Zero and negative values need no care. A last
    partial strip is not judged.

    Args:
        s: How many increases in a row stop; 2 is fast, 8 is slow.
        strip: Length of a strip, in epochs; strips do not overlap.

    Raises:
        UsageError: If `s` or `strip` is not positive.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998).

    Example:
        >>> up = SuccessiveIncreases(2, strip=1)
        >>> [up.update(t, None, value).stop for t, value in enumerate([1.0, 1.1, 1.0, 1.1, 1.2])]
        [False, False, False, False, True]
    """

    state = (*_Strips.state, "previous", "increases")

    def __init__(self, s: int, strip: int = 5, **unknown: Never) -> None:
        reject_unknown(SuccessiveIncreases.__init__, unknown)
        if s < 1:
            raise UsageError(f"SuccessiveIncreases: s is {s}; give 1 strip or more")
        self._check_strip(strip)
        self.s = s
        self.strip = strip
        self.reset()

    @override
    def start(self) -> None:
        super().start()
        self.previous: float | None = None
        self.increases = 0

    @override
    def judge(self, strip: list[float], validation: float | None) -> Verdict:
        now = self._cost_or_none(validation)
        if now is None:
            return Verdict(False, "UP: no finite validation value at the end of the strip")
        worse = self.previous is not None and now > self.previous
        self.increases = self.increases + 1 if worse else 0
        self.previous = now
        return Verdict(
            self.increases >= self.s, f"UP: worse in {self.increases} strips in a row of {self.s}"
        )


class LowProgress(_Strips):
    """Stops when training itself no longer gets anywhere.

    GL, PQ and UP may never fire; this ends a run of which the training value has settled. It does
    not look at validation.

    The rule is `P < threshold`, strictly, at the end of each strip, with P the mean of the strip's
    training values above the strip's own best. P is large both when training falls and when it
    jitters. A best of zero: P is infinite, or 0 if the whole strip is zero. Negative values: P
    counts against the absolute best. A strip with NaN or infinity is no check. A last partial
    strip is not judged.

    Args:
        threshold: The progress that is too little, in per thousand.
        strip: Length of a strip, in epochs; strips do not overlap.

    Raises:
        UsageError: If `threshold` is negative or `strip` is not positive; in `update`, if there is
            no training value.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998).

    Example:
        >>> settled = LowProgress(strip=2)
        >>> [settled.update(t, loss, None).stop for t, loss in enumerate([1.0, 0.9, 0.9, 0.9])]
        [False, False, False, True]
    """

    needs = frozenset({"training"})

    def __init__(self, threshold: float = 0.1, strip: int = 5, **unknown: Never) -> None:
        reject_unknown(LowProgress.__init__, unknown)
        if not threshold >= 0:
            raise UsageError(f"LowProgress: threshold is {threshold}; give per thousand, 0 or more")
        self._check_strip(strip)
        self.threshold = threshold
        self.strip = strip
        self.reset()

    @override
    def judge(self, strip: list[float], validation: float | None) -> Verdict:
        if not all(map(math.isfinite, strip)):
            return Verdict(False, "a training value of the strip is not finite")
        now = progress(strip)
        low = now < self.threshold
        sign = "<" if low else ">="
        return Verdict(low, f"training progress {now:.4g} {sign} {self.threshold:g} per thousand")


def _check_alpha(criterion: Criterion, alpha: float) -> None:
    if not alpha >= 0:
        raise UsageError(f"{type(criterion).__name__}: alpha is {alpha}; give 0 or more")


def _compared(name: str, value: float, unit: str, limit: float) -> Verdict:
    above = value > limit
    return Verdict(above, f"{name} {value:.4g}{unit} {'>' if above else '<='} {limit:g}{unit}")
