"""When to stop training: the criteria of the literature, combined."""

from typing import TYPE_CHECKING

from epochal.core.first_use import at_first_use

if TYPE_CHECKING:
    from epochal.stopping.criterion import All, AnyOf, Criterion, Verdict
    from epochal.stopping.curve import Curve, read_log
    from epochal.stopping.limits import Budget, Divergence, MinimumEpochs, Threshold
    from epochal.stopping.measures import generalization_loss, progress, progress_quotient
    from epochal.stopping.outcomes import Outcome, Replay, paper_criteria, replay
    from epochal.stopping.patience import Once, Patience, Smoothed
    from epochal.stopping.recommend import Recommendation
    from epochal.stopping.strips import (
        GeneralizationLoss,
        LowProgress,
        ProgressQuotient,
        SuccessiveIncreases,
    )

__all__ = [
    "Criterion",
    "Verdict",
    "Patience",
    "GeneralizationLoss",
    "ProgressQuotient",
    "SuccessiveIncreases",
    "LowProgress",
    "Threshold",
    "Divergence",
    "Budget",
    "MinimumEpochs",
    "Smoothed",
    "Once",
    "All",
    "AnyOf",
    "generalization_loss",
    "progress",
    "progress_quotient",
    "replay",
    "Replay",
    "Outcome",
    "Curve",
    "Recommendation",
    "paper_criteria",
    "read_log",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = at_first_use(
        __name__,
        {
            "epochal.stopping.criterion": "All AnyOf Criterion Verdict",
            "epochal.stopping.curve": "Curve read_log",
            "epochal.stopping.limits": "Budget Divergence MinimumEpochs Threshold",
            "epochal.stopping.measures": "generalization_loss progress progress_quotient",
            "epochal.stopping.outcomes": "Outcome Replay paper_criteria replay",
            "epochal.stopping.patience": "Once Patience Smoothed",
            "epochal.stopping.recommend": "Recommendation",
            "epochal.stopping.strips": (
                "GeneralizationLoss LowProgress ProgressQuotient SuccessiveIncreases"
            ),
        },
    )
