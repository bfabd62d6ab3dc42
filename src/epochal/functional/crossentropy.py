"""Cross-entropies of predicted probabilities or logits, one value per sample."""

import torch
import torch.nn.functional as F
from torch import Tensor

from epochal.functional.shapes import EPSILON, ArrayLike, align, class_indices

__all__ = [
    "binary_crossentropy",
    "binary_focal_crossentropy",
    "binary_logits",
    "categorical_crossentropy",
    "categorical_focal_crossentropy",
    "categorical_generalized_cross_entropy",
    "sparse_categorical_crossentropy",
]


def binary_logits(y_pred: Tensor, from_logits: bool) -> Tensor:
    """Return logits, from probabilities clipped to `[1e-7, 1 - 1e-7]` unless they are logits yet.

    `F.binary_cross_entropy` on probabilities is slower, raises on the first NaN on a CPU and kills
    the CUDA context on a GPU. Through logits a NaN stays a NaN that callbacks can act on.
    """
    return y_pred if from_logits else torch.logit(y_pred, EPSILON)


def binary_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Return the binary cross-entropy, averaged over `axis`.

    Args:
        y_true: Targets from 0 to 1, shape `(N, ..., D)`.
        y_pred: Probabilities (or logits) of the same shape.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far, from 0 to 1, targets are moved towards 0.5.
        axis: The axis to average over.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> binary_crossentropy([[1.0], [0.0]], [[0.5], [0.0]]).round(decimals=4)
        tensor([0.6931, 0.0000])
    """
    y_true, y_pred = align(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = binary_logits(y_pred, from_logits)
    return F.binary_cross_entropy_with_logits(logits, y_true, reduction="none").mean(axis)


def binary_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Return the binary cross-entropy weighted by `(1 - p)**gamma`, `p` the target's probability.

    For data where easy samples of one class outnumber all others (Lin et al., 2017, "Focal loss
    for dense object detection", https://arxiv.org/abs/1708.02002).

    Args:
        y_true: Targets from 0 to 1, shape `(N, ..., D)`.
        y_pred: Probabilities (or logits) of the same shape.
        apply_class_balancing: Whether class 1 counts `alpha` and class 0 `1 - alpha`.
        alpha: The weight of class 1.
        gamma: How strongly easy samples are discounted; 0 gives the plain cross-entropy.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far, from 0 to 1, targets are moved towards 0.5.
        axis: The axis to average over.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> binary_focal_crossentropy([[1.0]], [[0.5]])
        tensor([0.1733])
    """
    y_true, y_pred = align(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    logits = binary_logits(y_pred, from_logits)
    p = y_pred.sigmoid() if from_logits else y_pred
    error = F.binary_cross_entropy_with_logits(logits, y_true, reduction="none")
    error = error * (1.0 - (y_true * p + (1.0 - y_true) * (1.0 - p))) ** gamma
    if apply_class_balancing:
        error = error * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return error.mean(axis)


def _smooth(y_true: Tensor, label_smoothing: float, axis: int) -> Tensor:
    if not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + label_smoothing / y_true.shape[axis]


def _clipped(y_pred: Tensor, axis: int) -> Tensor:
    """Return rows of probabilities that sum to 1 and stay clear of 0 and 1."""
    return (y_pred / y_pred.sum(axis, keepdim=True)).clamp(EPSILON, 1.0 - EPSILON)


def categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Return the cross-entropy between one-hot (or soft) targets and predicted classes.

    Args:
        y_true: One weight per class, shape `(N, ..., C)`, rows summing to 1.
        y_pred: Probabilities (or logits) of the same shape; probabilities are made to sum to 1.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far, from 0 to 1, targets are moved towards `1 / C`.
        axis: Where the classes stand.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> categorical_crossentropy([[0.0, 1.0, 0.0]], [[0.05, 0.9, 0.05]])
        tensor([0.1054])
    """
    y_true, y_pred = align(y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, axis)
    logs = F.log_softmax(y_pred, axis) if from_logits else _clipped(y_pred, axis).log()
    return -(y_true * logs).sum(axis)


def categorical_focal_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Return the categorical cross-entropy weighted by `alpha * (1 - p)**gamma`.

    For data where easy samples outnumber all others (Lin et al., 2017, "Focal loss for dense
    object detection", https://arxiv.org/abs/1708.02002).

    Args:
        y_true: One weight per class, shape `(N, ..., C)`.
        y_pred: Probabilities (or logits) of the same shape.
        alpha: The weight of every class.
        gamma: How strongly easy samples are discounted.
        from_logits: Whether `y_pred` holds logits.
        label_smoothing: How far, from 0 to 1, targets are moved towards `1 / C`.
        axis: Where the classes stand.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> categorical_focal_crossentropy([[0.0, 1.0]], [[0.5, 0.5]])
        tensor([0.0433])
    """
    y_true, y_pred = align(y_true, y_pred)
    y_true = _smooth(y_true, label_smoothing, axis)
    p = _clipped(y_pred.softmax(axis) if from_logits else y_pred, axis)
    return -(alpha * (1.0 - p) ** gamma * y_true * p.log()).sum(axis)


def sparse_categorical_crossentropy(
    y_true: ArrayLike,
    y_pred: ArrayLike,
    from_logits: bool = False,
    ignore_class: int | None = None,
    axis: int = -1,
) -> Tensor:
    """Return the cross-entropy between integer labels and predicted classes.

    Args:
        y_true: Labels from 0 to C - 1, shape `(N, ...)` or `(N, ..., 1)`.
        y_pred: Probabilities (or logits), shape `(N, ..., C)`.
        from_logits: Whether `y_pred` holds logits.
        ignore_class: A label whose entries count 0 (padding, "void" pixels).
        axis: Where the classes stand in `y_pred`.

    Returns:
        Errors, shape `(N, ...)`.

    Example:
        >>> sparse_categorical_crossentropy([1, 0], [[0.1, 0.9], [0.5, 0.5]])
        tensor([0.1054, 0.6931])
    """
    labels, y_pred = class_indices(y_true, y_pred, axis)
    ignored = None
    if ignore_class is not None:
        ignored = labels == ignore_class
        labels = labels.masked_fill(ignored, 0)
    if from_logits:
        error = F.cross_entropy(y_pred.movedim(axis, 1), labels, reduction="none")
    else:
        chosen = y_pred.gather(axis, labels.unsqueeze(axis)).squeeze(axis)
        error = -(chosen / y_pred.sum(axis)).clamp(EPSILON, 1.0 - EPSILON).log()
    return error if ignored is None else error.masked_fill(ignored, 0.0)


def categorical_generalized_cross_entropy(
    y_true: ArrayLike, y_pred: ArrayLike, q: float = 0.5
) -> Tensor:
    """Return `(1 - p**q) / q`, with `p` the probability given to the label's class.

    For labels that are partly wrong: from the cross-entropy (`q` near 0) to the mean absolute
    error (`q` near 1), which hardly follows a label it cannot explain (Zhang and Sabuncu, 2018,
    https://arxiv.org/abs/1805.07836).

    Args:
        y_true: Labels from 0 to C - 1, shape `(N,)` or `(N, 1)`.
        y_pred: Probabilities, shape `(N, C)`.
        q: Between 0 and 1.

    Returns:
        Errors, shape `(N,)`.

    Example:
        >>> categorical_generalized_cross_entropy([0], [[0.25, 0.75]])
        tensor([1.])
    """
    labels, y_pred = class_indices(y_true, y_pred)
    # The slope of p**q at 0 is infinite: a clipped probability keeps the gradient a number.
    p = y_pred.gather(-1, labels.unsqueeze(-1)).squeeze(-1).clamp_min(EPSILON)
    return (1.0 - p**q) / q
