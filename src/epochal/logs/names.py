"""The names a run will log, known before its first step, and which way each of them is better."""

import re
from collections.abc import Iterator, Mapping
from typing import Literal

from epochal.core.errors import unknown_name

__all__ = ["Direction", "LogNames"]

Direction = Literal["min", "max"]

_MIN = re.compile(
    r"(^|_)(loss|error|err|mse|mae|mape|msle|rmse|bce|kld|nll|perplexity|crossentropy|entropy"
    r"|hinge|poisson|logcosh|divergence|brier|ece|false_positives|false_negatives)(_\d+)?$"
)
_MAX = re.compile(
    r"(^|_)(acc|accuracy|auc|auroc|precision|recall|sensitivity|specificity|f1|f2|f1_score|fbeta"
    r"|fbeta_score|f1score|fscore|iou|io_u|dice|jaccard|map|ndcg|mcc|kappa|r2|r2_score|bleu|rouge"
    r"|correlation|similarity|true_positives|true_negatives)(_\d+)?$"
)
_NEGATED = re.compile(r"(^|_)neg_")


class LogNames:
    """Every name that will be logged, each with the direction in which it gets better.

    Args:
        directions: Name to `"min"`, `"max"`, or None where its metric does not say.
        complete: False if the user's own step returns the logs, so that more may come.
        validates: Whether there is a validation at all.

    Example:
        >>> names = LogNames({"loss": "min", "val_score": None})
        >>> "val_score" in names, names.direction("loss"), names.direction("val_f1")
        (True, 'min', 'max')
    """

    def __init__(
        self,
        directions: Mapping[str, Direction | None],
        *,
        complete: bool = True,
        validates: bool = False,
    ) -> None:
        self._directions = dict(directions)
        self.complete = complete
        self.validates = validates

    def __contains__(self, name: object) -> bool:
        return name in self._directions

    def __iter__(self) -> Iterator[str]:
        return iter(self._directions)

    def __len__(self) -> int:
        return len(self._directions)

    def add(self, name: str, direction: Direction | None = None) -> None:
        """Add one name, keeping the direction it already has."""
        self._directions.setdefault(name, direction)

    def direction(self, name: str) -> Direction | None:
        """Return which way `name` gets better: from its metric, else from well-known names."""
        known = self._directions.get(name)
        if known is not None:
            return known
        lowered = name.lower()
        if _MIN.search(lowered):
            # scikit-learn negates errors so that more is better: `neg_mean_squared_error`.
            return "max" if _NEGATED.search(lowered) else "min"
        return "max" if _MAX.search(lowered) else None

    def problem_with(self, name: str) -> str | None:
        """Return why nothing called `name` can be monitored, or None if it can."""
        if name in self or not self.complete or name in ("learning_rate", "lr"):
            return None
        text = unknown_name("name to monitor", name, self)
        if name.startswith("val_") and not self.validates:
            text += " There is no validation: pass validation_data or validation_split to fit."
        return text
