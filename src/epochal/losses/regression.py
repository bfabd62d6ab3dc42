"""Losses between numbers."""

from collections.abc import Iterator
from typing import Never

import torch
import torch.nn.functional as F
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.functional import regression
from epochal.functional.shapes import align
from epochal.losses import checks
from epochal.losses.base import PlainLoss

__all__ = [
    "Huber",
    "LogCosh",
    "MeanAbsoluteError",
    "MeanAbsolutePercentageError",
    "MeanSquaredError",
    "MeanSquaredLogarithmicError",
]


class _Regression(PlainLoss):
    """What every loss between numbers checks: that there is one target for each prediction."""

    def check(self, y_true: Tensor, y_pred: Tensor) -> Iterator[str]:
        """Yield a sentence if targets and predictions differ in shape."""
        yield from checks.same_shape(y_true, y_pred)


class MeanSquaredError(_Regression):
    """The mean of `(y_true - y_pred)**2`: the usual loss for predicting numbers.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> MeanSquaredError()([[0.0], [1.0]], [[1.0], [1.0]])
        tensor(0.5000)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return regression.mean_squared_error(y_true, y_pred)

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean error of the batch."""
        y_true, y_pred = align(y_true, y_pred)
        return F.mse_loss(y_pred, y_true)


class MeanAbsoluteError(_Regression):
    """The mean of `|y_true - y_pred|`: for numbers with outliers, which it follows less.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> MeanAbsoluteError()([[0.0], [1.0]], [[1.0], [4.0]])
        tensor(2.)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return regression.mean_absolute_error(y_true, y_pred)

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean error of the batch."""
        y_true, y_pred = align(y_true, y_pred)
        return F.l1_loss(y_pred, y_true)


class MeanAbsolutePercentageError(_Regression):
    """The mean of `100 * |y_true - y_pred| / |y_true|`: for errors that matter in proportion.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> MeanAbsolutePercentageError()([[2.0], [4.0]], [[1.0], [4.0]])
        tensor(25.)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return regression.mean_absolute_percentage_error(y_true, y_pred)


class MeanSquaredLogarithmicError(_Regression):
    """The mean of `(log(1 + y_true) - log(1 + y_pred))**2`: for sizes that span magnitudes.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> MeanSquaredLogarithmicError()([[0.0], [1.0]], [[0.0], [1.0]])
        tensor(0.)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return regression.mean_squared_logarithmic_error(y_true, y_pred)


class Huber(_Regression):
    """Squared near zero, linear beyond `delta`: for numbers with a few outliers.

    Args:
        delta: The error, above 0, at which the square turns into a line.
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Raises:
        UsageError: If `delta` is not above 0.

    Example:
        >>> Huber()([[0.0], [0.0]], [[1.0], [3.0]])
        tensor(1.5000)
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = "sum_over_batch_size",
        name: str | None = "huber_loss",
        dtype: str | torch.dtype | None = None,
        **unknown: Never,
    ) -> None:
        super().__init__(reduction, name, dtype, **unknown)
        if not delta > 0:
            raise UsageError(f"Huber: delta is {delta}; give a number above 0")
        self.delta = delta

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return regression.huber(y_true, y_pred, self.delta)

    def batch_mean(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the mean error of the batch."""
        y_true, y_pred = align(y_true, y_pred)
        return F.huber_loss(y_pred, y_true, delta=self.delta)


class LogCosh(_Regression):
    """The mean of `log(cosh(y_pred - y_true))`: like Huber, and smooth everywhere.

    Args:
        reduction: How errors per sample become one number; see `Loss`.
        name: What the loss is called.
        dtype: The type to compute in.

    Example:
        >>> LogCosh()([[0.0]], [[1.0]])
        tensor(0.4338)
    """

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """Return the error of every sample."""
        return regression.log_cosh(y_true, y_pred)
