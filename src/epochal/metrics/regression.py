"""Errors of numbers."""

from typing import Any, Never

from epochal.core.errors import reject_unknown
from epochal.functional import regression as functions
from epochal.metrics.mean import MeanMetricWrapper

__all__ = ["MeanAbsoluteError", "MeanSquaredError"]


class MeanSquaredError(MeanMetricWrapper, coalesce=True):
    """Mean of squared errors.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MeanSquaredError()([[0.0], [2.0]], [[1.0], [2.0]]))
        0.5
    """

    direction = "min"

    def __init__(
        self, name: str = "mean_squared_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MeanSquaredError.__init__, unknown)
        super().__init__(functions.mean_squared_error, name=name, dtype=dtype)


class MeanAbsoluteError(MeanMetricWrapper, coalesce=True):
    """Mean of absolute errors.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MeanAbsoluteError()([[0.0], [2.0]], [[1.0], [2.0]]))
        0.5
    """

    direction = "min"

    def __init__(
        self, name: str = "mean_absolute_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MeanAbsoluteError.__init__, unknown)
        super().__init__(functions.mean_absolute_error, name=name, dtype=dtype)
