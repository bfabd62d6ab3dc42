"""Accepted for old scripts."""

from collections.abc import Iterable
from typing import Never

from epochal.callbacks.base import Callback
from epochal.core.errors import reject_unknown

__all__ = ["BaseLogger"]


class BaseLogger(Callback):
    """Does nothing: batch logs are means over the epoch already, which is what it once made.

    Args:
        stateful_metrics: Names of metrics that are not to be averaged; none are averaged again.

    Example:
        >>> BaseLogger(stateful_metrics=["auc"]).stateful_metrics
        {'auc'}
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None, **unknown: Never) -> None:
        reject_unknown(BaseLogger.__init__, unknown)
        self.stateful_metrics = set(stateful_metrics or ())
