"""Whether each prediction is right: one value per sample (or per element)."""

from torch import Tensor

__all__ = [
    "accuracy",
    "binary_accuracy",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "sparse_top_k_categorical_accuracy",
    "top_k_categorical_accuracy",
]


def accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return 1 where an entry equals its target, else 0; (N, ...) both, (N,) and (N, 1) agree."""
    return (_aligned(y_true, y_pred) == y_pred).float()


def binary_accuracy(y_true: Tensor, y_pred: Tensor, threshold: float = 0.5) -> Tensor:
    """Return the share of each sample's entries on the right side of `threshold`.

    A prediction counts as 1 strictly above the threshold.

    Args:
        y_true: Targets, 0 or 1, (N, ...).
        y_pred: Predictions of the same shape.
        threshold: Where 0 ends.

    Example:
        >>> binary_accuracy(torch.tensor([[1.0], [0.0]]), torch.tensor([[0.8], [0.6]])).tolist()
        [1.0, 0.0]
    """
    right = (_aligned(y_true, y_pred) == (y_pred > threshold)).float()
    return right.mean(-1) if right.ndim > 1 else right


def categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return 1 where the largest prediction is the target's class; one-hot (..., C) targets."""
    return (y_true.argmax(-1) == y_pred.argmax(-1)).float()


def sparse_categorical_accuracy(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return 1 where the largest prediction is the target's class; integer (...) or (..., 1)."""
    return (_class_numbers(y_true, y_pred) == y_pred.argmax(-1)).float()


def top_k_categorical_accuracy(y_true: Tensor, y_pred: Tensor, k: int = 5) -> Tensor:
    """Return 1 where the target's class is among the `k` largest predictions; one-hot targets."""
    return sparse_top_k_categorical_accuracy(y_true.argmax(-1), y_pred, k)


def sparse_top_k_categorical_accuracy(
    y_true: Tensor, y_pred: Tensor, k: int = 5, from_sorted_ids: bool = False
) -> Tensor:
    """Return 1 where the target's class is among the `k` best predictions.

    Ties with the k-th best count as in; with `k` of at least the number of classes all are right.

    Args:
        y_true: Class numbers, (...) or (..., 1).
        y_pred: Scores, (..., C); with `from_sorted_ids` class numbers, best first.
        k: How many of the best count.
        from_sorted_ids: Whether `y_pred` is ranked class numbers already.
    """
    target = _class_numbers(y_true, y_pred)
    if from_sorted_ids:
        return (y_pred[..., :k] == target.unsqueeze(-1)).any(-1).float()
    score = y_pred.gather(-1, target.long().unsqueeze(-1))
    return ((y_pred > score).sum(-1) < k).float()


def _aligned(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return `y_true` in the shape of `y_pred`, where they differ by a last dimension of 1."""
    if y_true.ndim + 1 == y_pred.ndim and y_pred.shape[-1] == 1:
        return y_true.unsqueeze(-1)
    if y_true.ndim == y_pred.ndim + 1 and y_true.shape[-1] == 1:
        return y_true.squeeze(-1)
    return y_true


def _class_numbers(y_true: Tensor, y_pred: Tensor) -> Tensor:
    return y_true.squeeze(-1) if y_true.ndim == y_pred.ndim and y_true.shape[-1] == 1 else y_true
