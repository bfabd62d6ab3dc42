"""Errors between distributions, counts, directions and regions."""

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from epochal.functional.shapes import EPSILON, ArrayLike, align

__all__ = ["cosine_similarity", "dice", "kl_divergence", "poisson", "tversky"]


def kl_divergence(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the Kullback-Leibler divergence `sum(y_true * log(y_true / y_pred))`.

    Args:
        y_true: Probabilities, shape `(N, ..., C)`; both are clipped to `[1e-7, 1]`.
        y_pred: Probabilities of the same shape.

    Returns:
        Divergences in nats, shape `(N, ...)`.

    Example:
        >>> kl_divergence([[0.5, 0.5]], [[0.25, 0.75]])
        tensor([0.1438])
    """
    y_true, y_pred = align(y_true, y_pred)
    y_true, y_pred = y_true.clamp(EPSILON, 1.0), y_pred.clamp(EPSILON, 1.0)
    return (y_true * (y_true / y_pred).log()).sum(-1)


def poisson(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return the mean of `y_pred - y_true * log(y_pred)` over the last axis.

    For counts: the likelihood of a Poisson distribution with mean `y_pred`, up to a constant.

    Args:
        y_true: Counts, shape `(N, ..., D)`.
        y_pred: Predicted means, 0 or more, of the same shape.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> poisson([[2.0]], [[1.0]])
        tensor([1.0000])
    """
    y_true, y_pred = align(y_true, y_pred)
    return (y_pred - y_true * (y_pred + EPSILON).log()).mean(-1)


def cosine_similarity(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> Tensor:
    """Return minus the cosine between targets and predictions: -1 where they point the same way.

    Args:
        y_true: Targets, shape `(N, ..., D)`.
        y_pred: Predictions of the same shape.
        axis: Where the vectors' entries stand.

    Returns:
        Values from -1 to 1, shape `(N, ...)`; 0 where a vector is zero.

    Example:
        >>> cosine_similarity([[0.0, 2.0]], [[0.0, 5.0]])
        tensor([-1.])
    """
    y_true, y_pred = align(y_true, y_pred)
    return -(F.normalize(y_true, dim=axis) * F.normalize(y_pred, dim=axis)).sum(axis)


def _total(values: Tensor, axis: int | Sequence[int] | None) -> Tensor:
    if axis is None:
        return values.sum()
    return values.sum(axis if isinstance(axis, int) else tuple(axis))


def dice(y_true: ArrayLike, y_pred: ArrayLike, axis: int | Sequence[int] | None = None) -> Tensor:
    """Return one minus the Dice overlap, `1 - 2 |A and B| / (|A| + |B|)`.

    For segmentation, where the region sought is small.

    Args:
        y_true: Masks from 0 to 1, shape `(N, ...)`.
        y_pred: Predicted masks of the same shape.
        axis: The axes one overlap is taken over; all of them when None.

    Returns:
        Errors of the shape that is left, one number for the whole batch when `axis` is None.

    Example:
        >>> dice([[1.0, 0.0]], [[1.0, 1.0]], axis=1)
        tensor([0.3333])
    """
    y_true, y_pred = align(y_true, y_pred)
    both = _total(y_true * y_pred, axis)
    return 1.0 - 2.0 * both / (_total(y_true, axis) + _total(y_pred, axis) + EPSILON)


def tversky(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.5,
    beta: float = 0.5,
    axis: int | Sequence[int] | None = None,
) -> Tensor:
    """Return one minus the Tversky overlap, Dice with the two kinds of mistake weighted apart.

    Salehi et al., 2017, https://arxiv.org/abs/1706.05721. As in Keras, `alpha` weighs what was
    missed and `beta` what was marked wrongly.

    Args:
        y_true: Masks from 0 to 1, shape `(N, ...)`.
        y_pred: Predicted masks of the same shape.
        alpha: Weight of target left out by the prediction.
        beta: Weight of prediction outside of the target.
        axis: The axes one overlap is taken over; all of them when None.

    Returns:
        Errors of the shape that is left, one number for the whole batch when `axis` is None.

    Example:
        >>> tversky([[1.0, 0.0]], [[1.0, 1.0]], beta=1.0, axis=1)
        tensor([0.5000])
    """
    y_true, y_pred = align(y_true, y_pred)
    both = _total(y_true * y_pred, axis)
    missed = _total(y_true * (1.0 - y_pred), axis)
    wrong = _total((1.0 - y_true) * y_pred, axis)
    return 1.0 - both / (both + alpha * missed + beta * wrong + EPSILON)
