"""When to stop training: the criteria of the literature, combined."""

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
