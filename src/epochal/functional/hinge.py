"""Hinge errors: zero once the right side is ahead by a margin of 1."""

import torch
from torch import Tensor

from epochal.functional.shapes import ArrayLike, align

__all__ = ["categorical_hinge", "hinge", "squared_hinge"]


def _margins(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return `max(1 - y_true * y_pred, 0)`, labels 0 and 1 read as -1 and 1."""
    y_true, y_pred = align(y_true, y_pred)
    # Decided on the device: asking for it in Python would wait for the device at every batch.
    zero_one = ((y_true == 0) | (y_true == 1)).all()
    signs = torch.where(zero_one, 2.0 * y_true - 1.0, y_true)
    return (1.0 - signs * y_pred).clamp_min(0.0)


def hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `max(1 - y_true * y_pred, 0)` over the last axis.

    Args:
        y_true: Labels -1 and 1 (or 0 and 1), shape `(N, ..., D)`.
        y_pred: Scores of the same shape, one side below 0 and the other above.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> hinge([[1.0], [-1.0]], [[0.5], [-2.0]])
        tensor([0.5000, 0.0000])
    """
    return _margins(y_true, y_pred).mean(-1)


def squared_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `max(1 - y_true * y_pred, 0)**2` over the last axis.

    Args:
        y_true: Labels -1 and 1 (or 0 and 1), shape `(N, ..., D)`.
        y_pred: Scores of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> squared_hinge([[1.0], [0.0]], [[0.5], [1.0]])
        tensor([0.2500, 4.0000])
    """
    return _margins(y_true, y_pred).square().mean(-1)


def categorical_hinge(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return by how much the best wrong class comes within 1 of the right one.

    Args:
        y_true: One-hot targets, shape `(N, ..., C)`.
        y_pred: Scores of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> categorical_hinge([[0.0, 1.0]], [[0.4, 0.6]])
        tensor([0.8000])
    """
    y_true, y_pred = align(y_true, y_pred)
    right = (y_true * y_pred).sum(-1)
    wrong = ((1.0 - y_true) * y_pred).amax(-1)
    return (wrong - right + 1.0).clamp_min(0.0)
