"""What each criterion would have done on a curve that was recorded to its end."""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Literal, Never

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown
from epochal.stopping.criterion import Criterion
from epochal.stopping.curve import Curve, Recorded, curve_of
from epochal.stopping.recommend import Recommendation, recommend
from epochal.stopping.strips import GeneralizationLoss, ProgressQuotient, SuccessiveIncreases

__all__ = ["Outcome", "Replay", "paper_criteria", "replay"]


@dataclass(frozen=True)
class Outcome:
    """What one criterion would have done.

    Attributes:
        criterion: The criterion.
        stopped_epoch: The epoch after which it stops, as recorded; None if it never does.
        epochs: How many epochs are trained until then: all recorded ones if it never stops.
        best_epoch: The epoch of the best validation value until then, as recorded.
        best_after: How many epochs are trained up to that one, it included.
        validation: The validation value there.
        test: The test value there; None if none was recorded.
        slowness: `epochs` for each epoch of the best of the criteria compared: that with the best
            validation value and, among equals, the fewest epochs.
        redundancy: What is trained after the best epoch, as a share of what leads there.
        badness: The error for each unit of that of the best criterion: 1.02 is 2 % worse. Of the
            test value if it was recorded, else of the validation value; turned over for values to
            maximise. NaN if the two are not of one sign.
        reason: What the criterion said last.
    """

    criterion: Criterion
    stopped_epoch: int | None
    epochs: int
    best_epoch: int
    best_after: int
    validation: float
    test: float | None
    slowness: float
    redundancy: float
    badness: float
    reason: str


class Replay:
    """The outcomes of several criteria on one curve; `replay` makes it.

    Attributes:
        rows: One `Outcome` for each criterion, in the order given.
        best: The outcome of the best validation value and, among equals, the fewest epochs.
        curve: The curve.
    """

    def __init__(self, curve: Curve, rows: Sequence[Outcome], best: Outcome) -> None:
        self.curve = curve
        self.rows = tuple(rows)
        self.best = best

    def table(self) -> Any:
        """Return the outcomes as a table of rich, for `rich.print`."""
        from rich import box
        from rich.table import Table

        # Narrow enough for 80 columns, the width of output that goes to a file.
        title = f"{self.curve.monitor}, {len(self.curve.epochs)} epochs"
        table = Table(title=title, box=box.SIMPLE_HEAD, padding=0, show_edge=False)
        table.add_column("criterion", no_wrap=True)
        names = ["stops after", "best after", "best value"]
        names += ["test"] if self.curve.test else []
        for name in (*names, "slow- ness", "redun- dancy", "bad- ness"):
            table.add_column(name, justify="right")
        for row in self.rows:
            stops = "never" if row.stopped_epoch is None else str(row.epochs)
            values = [f"{row.validation:.4g}"]
            if self.curve.test:
                values.append("" if row.test is None else f"{row.test:.4g}")
            ratios = (row.slowness, row.redundancy, row.badness)
            table.add_row(
                *(repr(row.criterion), stops, str(row.best_after), *values),
                *(f"{ratio:.3f}" for ratio in ratios),
                style="bold" if row is self.best else None,
            )
        return table

    def to_pandas(self) -> Any:
        """Return the outcomes as a data frame, a row a criterion.

        Raises:
            ImportError: If pandas is not installed.
        """
        try:
            import pandas
        except ImportError as error:
            raise ImportError(
                "Replay.to_pandas needs pandas; install it with: pip install pandas"
            ) from error
        names = [field.name for field in fields(Outcome)]
        rows = [{name: getattr(row, name) for name in names} for row in self.rows]
        frame = pandas.DataFrame([{**row, "criterion": repr(row["criterion"])} for row in rows])
        # An epoch stays a whole number beside criteria that never stop.
        return frame.astype({"stopped_epoch": "Int64"}).set_index("criterion")

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the curve with the stops marked.

        Args:
            path: Where to save the picture; the suffix says the format. None not to.

        Returns:
            The axes of matplotlib.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        from epochal.stopping.plot import draw

        return draw(self, path)

    def recommend(
        self, goal: Literal["quality", "chance"] = "quality", gain: float = 0.04
    ) -> Recommendation:
        """Choose one of the criteria by the paper's three rules.

        Args:
            goal: If time does not decide: `"quality"` of the average run, or the `"chance"` of a
                good one among several.
            gain: How much better the slowest has to be to be worth its time, as a share.

        Raises:
            UsageError: If the goal is neither.
        """
        return recommend(self, goal, gain)


def replay(
    record: Recorded | Mapping[str, Sequence[Any]] | str | os.PathLike[str],
    criteria: Iterable[Criterion] | Criterion | None = None,
    *,
    monitor: str = "val_loss",
    training: str | None = None,
    test: str | None = None,
    mode: Literal["auto", "min", "max"] = "auto",
    **unknown: Never,
) -> Replay:
    """Say what each criterion would have done on a recorded curve.

    Train once without stopping, for long; then try criteria at no cost. A run that was itself
    stopped early says nothing of what would have come.

    Args:
        record: What `fit` returned, a dict of lists (an entry an epoch, None where there is no
            value), or a file that `CSVLogger` wrote, ours or Keras'.
        criteria: The criteria; by default the fourteen of the paper (without PQ if there are no
            training values).
        monitor: The column of validation values.
        training: The column of training values; by default the same name without `val_`.
        test: The column of test values; by default the same name with `test_`, if there is one.
        mode: `"min"`, `"max"`, or `"auto"`: by the name.

    Returns:
        The outcomes.

    Raises:
        UsageError: If a column is missing, no validation value is a number, or a criterion needs
            what a record does not have, as a budget of time does.

    Source:
        L. Prechelt, Early Stopping - but when?, LNCS 1524 (1998).

    Example:
        >>> from epochal.stopping import GeneralizationLoss, Patience
        >>> curve = {"val_loss": [1.0, 0.8, 0.9, 0.7, 0.75, 0.9]}
        >>> result = replay(curve, [Patience(1), GeneralizationLoss(20)])
        >>> [(row.epochs, row.best_after, row.validation) for row in result.rows]
        [(3, 2, 0.8), (6, 4, 0.7)]
        >>> [round(row.badness, 3) for row in result.rows]
        [1.143, 1.0]
    """
    reject_unknown(replay, unknown)
    curve = curve_of(record, monitor, training, test, mode)
    if criteria is None:
        trains = any(value is not None for value in curve.training)
        criteria = [c for c in paper_criteria() if trains or "training" not in c.needs]
    given = [criteria] if isinstance(criteria, Criterion) else list(criteria)
    if not given:
        raise UsageError("replay: there is no criterion to try")
    ends = [_end(curve, criterion) for criterion in given]
    sign = 1.0 if curve.mode == "min" else -1.0
    values = [sign * (curve.validation[best] or 0.0) for _, best, _, _ in ends]
    first = min(range(len(ends)), key=lambda index: (values[index], ends[index][0]))
    rows = [
        _outcome(curve, criterion, end, ends[first])
        for criterion, end in zip(given, ends, strict=True)
    ]
    return Replay(curve, rows, rows[first])


def paper_criteria(strip: int = 5) -> list[Criterion]:
    """Return new ones of the fourteen criteria that the paper compares.

    Args:
        strip: Every how many epochs they look at validation.

    Example:
        >>> len(paper_criteria()), paper_criteria()[0]
        (14, GeneralizationLoss(1, strip=5))
    """
    return [
        *(GeneralizationLoss(alpha, strip=strip) for alpha in (1, 2, 3, 5)),
        *(ProgressQuotient(alpha, strip=strip) for alpha in (0.5, 0.75, 1, 2, 3)),
        *(SuccessiveIncreases(s, strip=strip) for s in (2, 3, 4, 6, 8)),
    ]


_End = tuple[int, int, bool, str]


def _end(curve: Curve, criterion: Criterion) -> _End:
    """Return the epochs trained, the position of the best, whether it stopped, and why."""
    if not isinstance(criterion, Criterion):
        raise UsageTypeError(f"replay: {criterion!r} is no criterion")
    if unknown := criterion.needs - {"training"}:
        raise UsageError(
            f"replay: {criterion!r} limits {', '.join(sorted(unknown))}, which no curve records; "
            "limit epochs instead"
        )
    criterion.reset(curve.mode)
    best: int | None = None
    best_cost, stop, reason, position = math.inf, False, "", 0
    points = zip(curve.epochs, curve.training, curve.validation, strict=True)
    for position, (epoch, training, validation) in enumerate(points):
        cost = math.nan if validation is None else criterion.cost(validation)
        if cost < best_cost:
            best, best_cost = position, cost
        verdict = criterion.update(epoch, training, validation)
        stop, reason = verdict.stop, verdict.reason
        if stop:
            break
    if best is None:
        raise UsageError(
            f"replay: {curve.monitor!r} has no number up to where {criterion!r} ends; it says "
            f"{reason!r}"
        )
    return position + 1, best, stop, reason


def _outcome(curve: Curve, criterion: Criterion, end: _End, reference: _End) -> Outcome:
    epochs, best, stop, reason = end
    measured = curve.test or curve.validation
    badness = _ratio(measured[best], measured[reference[1]])
    return Outcome(
        criterion=criterion,
        stopped_epoch=curve.epochs[epochs - 1] if stop else None,
        epochs=epochs,
        best_epoch=curve.epochs[best],
        best_after=best + 1,
        validation=curve.validation[best] or 0.0,
        test=curve.test[best] if curve.test else None,
        slowness=epochs / reference[0],
        redundancy=epochs / (best + 1) - 1,
        badness=badness if curve.mode == "min" or not badness else 1 / badness,
        reason=reason,
    )


def _ratio(value: float | None, reference: float | None) -> float:
    if value is None or reference is None:
        return math.nan
    if value == reference:
        return 1.0
    if reference == 0:
        return math.inf if value > 0 else math.nan
    ratio = value / reference
    # Of two negative values the smaller is the better, and the ratio says the opposite.
    return ratio if ratio >= 0 and reference > 0 else math.nan
