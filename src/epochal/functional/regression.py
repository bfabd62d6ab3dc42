"""Errors of predicted numbers, averaged over the last axis."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from epochal.functional.shapes import EPSILON, ArrayLike, align

__all__ = [
    "huber",
    "log_cosh",
    "mean_absolute_error",
    "mean_absolute_percentage_error",
    "mean_squared_error",
    "mean_squared_logarithmic_error",
]


def mean_squared_error(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `(y_true - y_pred)**2` over the last axis.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> mean_squared_error([[0.0, 1.0], [0.0, 0.0]], [[1.0, 1.0], [1.0, 0.0]])
        tensor([0.5000, 0.5000])
    """
    y_true, y_pred = align(y_true, y_pred)
    return _mean_of_last(F.mse_loss(y_pred, y_true, reduction="none"))


def mean_absolute_error(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `|y_true - y_pred|` over the last axis.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> mean_absolute_error([[0.0, 1.0]], [[2.0, 1.0]])
        tensor([1.])
    """
    y_true, y_pred = align(y_true, y_pred)
    return _mean_of_last(F.l1_loss(y_pred, y_true, reduction="none"))


def mean_absolute_percentage_error(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return `100 * mean(|y_true - y_pred| / |y_true|)` over the last axis.

    A target of 0 counts as 1e-7, so that one zero makes the error very large; prefer another error
    where targets may be zero.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.

    Returns:
        Errors in percent, shape `(N, ...)`.

    Example:
        >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 5.0]])
        tensor([37.5000])
    """
    y_true, y_pred = align(y_true, y_pred)
    return 100.0 * ((y_true - y_pred).abs() / y_true.abs().clamp_min(EPSILON)).mean(-1)


def mean_squared_logarithmic_error(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `(log(1 + y_true) - log(1 + y_pred))**2` over the last axis.

    For targets that span orders of magnitude; values below 1e-7 count as 1e-7.

    Args:
        y_true: Targets, 0 or more, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> mean_squared_logarithmic_error([[0.0]], [[math.e - 1]])
        tensor([1.0000])
    """
    y_true, y_pred = align(y_true, y_pred)
    difference = y_pred.clamp_min(EPSILON).log1p() - y_true.clamp_min(EPSILON).log1p()
    return difference.square().mean(-1)


def huber(y_true: ArrayLike, y_pred: ArrayLike, delta: float = 1.0) -> Tensor:
    """Return the mean Huber error over the last axis: squared near zero, linear beyond `delta`.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.
        delta: The error, above 0, at which the square turns into a line.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> huber([[0.0], [0.0]], [[0.5], [3.0]])
        tensor([0.1250, 2.5000])
    """
    y_true, y_pred = align(y_true, y_pred)
    return F.huber_loss(y_pred, y_true, reduction="none", delta=delta).mean(-1)


def log_cosh(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `log(cosh(y_pred - y_true))` over the last axis.

    Like the squared error for small errors and the absolute one for large, and smooth everywhere.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> log_cosh([[0.0]], [[1.0]])
        tensor([0.4338])
    """
    y_true, y_pred = align(y_true, y_pred)
    error = y_pred - y_true
    # cosh itself overflows beyond 88 in float32; this form of the same thing does not.
    return (error + torch.nn.functional.softplus(-2.0 * error) - math.log(2.0)).mean(-1)


def _mean_of_last(errors: Tensor) -> Tensor:
    """Return the mean over the last axis; of a single column, that column as it is."""
    return errors.squeeze(-1) if errors.shape[-1:] == (1,) else errors.mean(-1)
