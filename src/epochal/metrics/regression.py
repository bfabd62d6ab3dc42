"""Errors of numbers."""

from typing import Any, Never

from torch import Tensor
from typing_extensions import override

from epochal.core.errors import reject_unknown
from epochal.functional import regression as functions
from epochal.metrics.base import as_tensor
from epochal.metrics.mean import MeanMetricWrapper

__all__ = [
    "LogCoshError",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
    "RootMeanSquaredError",
]


class ErrorMetric(MeanMetricWrapper):
    """An error of each sample, averaged over the numbers that a sample has."""

    direction = "min"

    @override
    def update_state(  # type: ignore[override]  # as every metric's but `Mean`'s
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> None:
        y_pred = as_tensor(y_pred)
        # (N,) are N samples of one number each: the functions average over the last axis, and
        # over samples it would leave nothing for the weights to weigh.
        super().update_state(
            y_true, y_pred.unsqueeze(-1) if y_pred.ndim == 1 else y_pred, sample_weight
        )


class MeanSquaredError(ErrorMetric, coalesce=True):
    """Mean of squared errors.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MeanSquaredError()([[0.0], [2.0]], [[1.0], [2.0]]))
        0.5
    """

    def __init__(
        self, name: str = "mean_squared_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MeanSquaredError.__init__, unknown)
        super().__init__(functions.mean_squared_error, name=name, dtype=dtype)


class MeanAbsoluteError(ErrorMetric, coalesce=True):
    """Mean of absolute errors.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MeanAbsoluteError()([[0.0], [2.0]], [[1.0], [2.0]]))
        0.5
    """

    def __init__(
        self, name: str = "mean_absolute_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MeanAbsoluteError.__init__, unknown)
        super().__init__(functions.mean_absolute_error, name=name, dtype=dtype)


class RootMeanSquaredError(ErrorMetric, coalesce=True):
    """Root of the mean of squared errors over everything seen, in the unit of the targets.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> round(float(RootMeanSquaredError()([[0.0], [2.0]], [[1.0], [2.0]])), 4)
        0.7071
    """

    def __init__(
        self, name: str = "root_mean_squared_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(RootMeanSquaredError.__init__, unknown)
        super().__init__(functions.mean_squared_error, name=name, dtype=dtype)

    @override
    def result(self) -> Tensor:
        return super().result().sqrt()


class MeanAbsolutePercentageError(ErrorMetric, coalesce=True):
    """Mean of absolute errors in percent of the targets; very large where a target is 0.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MeanAbsolutePercentageError()([[2.0], [4.0]], [[1.0], [5.0]]))
        37.5
    """

    def __init__(
        self, name: str = "mean_absolute_percentage_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MeanAbsolutePercentageError.__init__, unknown)
        super().__init__(functions.mean_absolute_percentage_error, name=name, dtype=dtype)


class MeanSquaredLogarithmicError(ErrorMetric, coalesce=True):
    """Mean of squared differences of `log(1 + value)`, for targets that span magnitudes.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> float(MeanSquaredLogarithmicError()([[3.0]], [[3.0]]))
        0.0
    """

    def __init__(
        self, name: str = "mean_squared_logarithmic_error", dtype: Any = None, **unknown: Never
    ) -> None:
        reject_unknown(MeanSquaredLogarithmicError.__init__, unknown)
        super().__init__(functions.mean_squared_logarithmic_error, name=name, dtype=dtype)


class LogCoshError(ErrorMetric, coalesce=True):
    """Mean of `log(cosh(error))`: squared for small errors, absolute for large ones.

    Args:
        name: Name it is logged under.
        dtype: Type of its weights.

    Example:
        >>> round(float(LogCoshError()([[0.0]], [[1.0]])), 4)
        0.4338
    """

    def __init__(self, name: str = "logcosh", dtype: Any = None, **unknown: Never) -> None:
        reject_unknown(LogCoshError.__init__, unknown)
        super().__init__(functions.log_cosh, name=name, dtype=dtype)
