"""Hinge errors: zero once the right side is ahead by a margin of 1."""

from typing import Any, Never

from epochal.core.errors import reject_unknown
from epochal.functional import hinge as functions
from epochal.metrics.regression import ErrorMetric
from epochal.metrics.rows import RowMetric

__all__ = ["CategoricalHinge", "Hinge", "SquaredHinge"]


class Hinge(ErrorMetric, coalesce=True):
    """Mean of `max(1 - y_true * y_pred, 0)`, for labels -1 and 1 (or 0 and 1).

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(Hinge()([1, -1], [0.5, -2.0]))
        0.25
    """

    def __init__(self, name: str = "hinge", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(Hinge.__init__, unknown)
        super().__init__(functions.hinge, name=name, dtype=dtype)


class SquaredHinge(ErrorMetric, coalesce=True):
    """Mean of `max(1 - y_true * y_pred, 0)**2`, for labels -1 and 1 (or 0 and 1).

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(SquaredHinge()([1, 0], [0.5, 1.0]))
        2.125
    """

    def __init__(self, name: str = "squared_hinge", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(SquaredHinge.__init__, unknown)
        super().__init__(functions.squared_hinge, name=name, dtype=dtype)


class CategoricalHinge(RowMetric, coalesce=True):
    """Mean of how far the best wrong class comes within 1 of the right one.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> round(float(CategoricalHinge()([[0.0, 1.0]], [[0.4, 0.6]])), 6)
        0.8
    """

    direction = "min"

    def __init__(
        self, name: str = "categorical_hinge", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(CategoricalHinge.__init__, unknown)
        super().__init__(functions.categorical_hinge, name, dtype)
