"""Whether each prediction is right: one value per sample (or per element)."""

import torch
from torch import Tensor

from epochal.core.errors import UsageError
from epochal.functional.shapes import ArrayLike, align, as_tensor, class_indices

__all__ = [
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return 1 where an entry equals its target, else 0.

    Args:
        y_true: Targets, (N, ...).
        y_pred: Predictions of the same shape; (N,) and (N, 1) agree.

    Raises:
        UsageError: If the shapes differ.

    Example:
        >>> accuracy([1, 2, 3], [1, 2, 4])
        tensor([1., 1., 0.])
    """
    y_true, y_pred = as_tensor(y_true), as_tensor(y_pred)
    align(y_true, y_pred)  # refuses shapes that do not belong together
    if y_true.is_floating_point() and y_pred.is_floating_point():
        y_true = y_true.to(y_pred.dtype)
    # Compared in their own types: as float32, whole numbers above 2**24 would fall together.
    return (y_true.reshape(y_pred.shape) == y_pred).float()


def binary_accuracy(y_true: ArrayLike, y_pred: ArrayLike, threshold: float = 0.5) -> Tensor:
    """Return the share of each sample's entries on the right side of `threshold`.

    A prediction counts as 1 strictly above the threshold.

    Args:
        y_true: Targets, 0 or 1, (N, ...).
        y_pred: Predictions of the same shape; (N,) and (N, 1) agree.
        threshold: Where 0 ends.

    Returns:
        Shares, (N, ...) without the last axis; (N,) for (N,).

    Raises:
        UsageError: If the shapes differ.

    Example:
        >>> binary_accuracy([[1], [0]], [[0.8], [0.6]])
        tensor([1., 0.])
    """
    y_true, y_pred = align(y_true, y_pred)
    # In the targets' own type: to compare numbers with truth values, torch copies first.
    right = (y_true == (y_pred > threshold).to(y_true.dtype)).float()
    if right.ndim > 1:
        return right.squeeze(-1) if right.shape[-1] == 1 else right.mean(-1)
    return right


def categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return 1 where the largest prediction is the target's class, else 0.

    Args:
        y_true: One-hot targets, (..., C).
        y_pred: Scores, (..., C).

    Raises:
        UsageError: If the shapes differ.

    Example:
        >>> categorical_accuracy([[0, 1], [1, 0]], [[0.1, 0.9], [0.4, 0.6]])
        tensor([1., 0.])
    """
    return sparse_categorical_accuracy(*_classes_of_one_hot(y_true, y_pred))


def sparse_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike) -> Tensor:
    """Return 1 where the largest prediction is the target's class, else 0.

    Args:
        y_true: Class numbers, (...) or (..., 1).
        y_pred: Scores, (..., C).

    Raises:
        UsageError: If the shapes do not belong together.

    Example:
        >>> sparse_categorical_accuracy([1, 0], [[0.1, 0.9], [0.4, 0.6]])
        tensor([1., 0.])
    """
    target, y_pred = class_indices(y_true, y_pred)
    if y_pred.is_cpu and y_pred.numel() >= _MANY:
        return _is_largest(target, y_pred)
    return (target == y_pred.argmax(-1)).float()


def top_k_categorical_accuracy(y_true: ArrayLike, y_pred: ArrayLike, k: int = 5) -> Tensor:
    """Return 1 where the target's class is among the `k` best predictions, else 0.

    Args:
        y_true: One-hot targets, (..., C).
        y_pred: Scores, (..., C).
        k: How many of the best count.

    Raises:
        UsageError: If the shapes differ.

    Example:
        >>> top_k_categorical_accuracy([[0, 0, 1], [1, 0, 0]], [[0.1, 0.9, 0.8], [0, 1, 0.5]], k=2)
        tensor([1., 0.])
    """
    return sparse_top_k_categorical_accuracy(*_classes_of_one_hot(y_true, y_pred), k)


def sparse_top_k_categorical_accuracy(
    y_true: ArrayLike, y_pred: ArrayLike, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """Return 1 where the target's class is among the `k` best predictions, else 0.

    Ties with the k-th best count as in; with `k` of at least the number of classes all are right,
    but for a class whose score is NaN.

    Args:
        y_true: Class numbers, (...) or (..., 1).
        y_pred: Scores, (..., C); with `from_sorted_ids` class numbers, best first.
        k: How many of the best count.
        from_sorted_ids: Whether `y_pred` is ranked class numbers already.

    Raises:
        UsageError: If the shapes do not belong together.

    Example:
        >>> sparse_top_k_categorical_accuracy([2, 0], [[0.1, 0.9, 0.8], [0, 1, 0.5]], k=2)
        tensor([1., 0.])
    """
    target, y_pred = class_indices(y_true, y_pred)
    target = target.unsqueeze(-1)
    if from_sorted_ids:
        return (y_pred[..., :k] == target).any(-1).float()
    known = target.clamp(0, y_pred.shape[-1] - 1)  # a label that is no class is never right
    score = y_pred.gather(-1, known)
    right = ((y_pred > score).sum(-1, keepdim=True) < k) & ~torch.isnan(score) & (known == target)
    return right.squeeze(-1).float()


def _is_largest(target: Tensor, y_pred: Tensor) -> Tensor:
    """Return what a comparison with `argmax` gives; torch finds a largest value far faster."""
    largest = y_pred.amax(-1, keepdim=True)
    classes = y_pred.shape[-1]
    if (y_pred == largest).count_nonzero() != largest.numel():
        return (target == y_pred.argmax(-1)).float()  # NaN, or a tie, in which the first class wins
    known = target.clamp(0, classes - 1)
    right = y_pred.gather(-1, known.unsqueeze(-1)) == largest
    return (right.squeeze(-1) & (target == known)).float()


_MANY = 2**14  # scores; with fewer, more steps cost more than they save


def _classes_of_one_hot(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Tensor, Tensor]:
    y_true, y_pred = as_tensor(y_true), as_tensor(y_pred)
    if y_true.shape != y_pred.shape:
        raise UsageError(
            f"y_true has shape {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}; one-hot "
            "targets have the shape of y_pred: for class numbers use the sparse metric"
        )
    return y_true.argmax(-1), y_pred
