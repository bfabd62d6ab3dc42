"""Which criterion to take, by the three rules of the paper."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal

from epochal.core.errors import UsageError, unknown_name
from epochal.stopping.criterion import Criterion
from epochal.stopping.measures import generalization_loss
from epochal.stopping.strips import GeneralizationLoss, ProgressQuotient, SuccessiveIncreases

if TYPE_CHECKING:
    from epochal.stopping.outcomes import Replay

__all__ = ["Recommendation", "recommend"]

_LITTLE: Final = 5.0
"""A curve that ends less than so many percent above its minimum overfits "very little"."""


@dataclass(frozen=True)
class Recommendation:
    """A criterion, and the rule of the paper that led to it.

    Attributes:
        criterion: The criterion; None if none of the kind was replayed.
        rule: 1, 2 or 3.
        reason: The rule, and what in the curve made it apply.
    """

    criterion: Criterion | None
    rule: int
    reason: str

    def __str__(self) -> str:
        name = "none of those tried" if self.criterion is None else repr(self.criterion)
        return f"rule {self.rule}: {name}: {self.reason}"


def recommend(
    replay: "Replay", goal: Literal["quality", "chance"] = "quality", gain: float = 0.04
) -> Recommendation:
    """Choose by the three rules; see `Replay.recommend`."""
    if goal not in ("quality", "chance"):
        raise UsageError(f"recommend: {unknown_name('goal', goal, ('quality', 'chance'))}")
    fastest = min(replay.rows, key=lambda row: (row.epochs, row.badness))
    if fastest.badness <= 1 + gain:
        return Recommendation(
            fastest.criterion,
            1,
            f"take a fast criterion unless a small gain is worth much time: after {fastest.epochs} "
            f"epochs it is {100 * (fastest.badness - 1):.2g} % worse than the best, which took "
            f"{replay.best.epochs}",
        )
    kind: type[GeneralizationLoss | ProgressQuotient | SuccessiveIncreases]
    if goal == "chance":
        kind, rule = GeneralizationLoss, 2
        why = "to find a good solution among several runs, take GL"
    else:
        loss = _overfitting(replay)
        kind = ProgressQuotient if loss < _LITTLE else SuccessiveIncreases
        rule = 3
        why = (
            "for the best average, take PQ where a network overfits very little and UP elsewhere: "
            f"this curve ends {loss:.3g} % above its minimum"
        )
    rows = [row for row in replay.rows if isinstance(row.criterion, kind)]
    row = min(rows, key=lambda row: (row.badness, row.epochs), default=None)
    return Recommendation(None if row is None else row.criterion, rule, why)


def _overfitting(replay: "Replay") -> float:
    """Return the generalization loss at the end of the recorded curve, in percent."""
    sign = 1.0 if replay.curve.mode == "min" else -1.0
    costs = [sign * value for value in replay.curve.validation if value is not None]
    # NaN is the worst end a curve can have, and never its minimum.
    numbers = [cost for cost in costs if cost == cost]
    return (
        float("inf")
        if costs[-1:] != numbers[-1:]
        else generalization_loss(numbers[-1], min(numbers))
    )
