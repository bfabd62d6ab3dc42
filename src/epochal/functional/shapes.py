"""Bringing targets and predictions to one shape and type, without silent broadcasting."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from epochal.core.errors import UsageError

__all__ = ["EPSILON", "ArrayLike", "align", "as_tensor", "class_indices", "match_weights"]

EPSILON = 1e-7
"""Keras' epsilon: probabilities are kept this far from 0 and 1 before a logarithm is taken."""

ArrayLike: TypeAlias = Tensor | npt.NDArray[Any] | Sequence[Any] | float
"""What stands in for a tensor when a function is called by hand."""

_HALF = (torch.float16, torch.bfloat16)


def as_tensor(value: ArrayLike) -> Tensor:
    """Return a tensor; whatever is not one yet becomes float32 where it held float64.

    Example:
        >>> as_tensor([0.5, 1.0]).dtype, as_tensor(np.array([0.5])).dtype, as_tensor([1, 2]).dtype
        (torch.float32, torch.float32, torch.int64)
    """
    if isinstance(value, Tensor):
        return value
    parts = list(value.values()) if isinstance(value, Mapping) else value
    if isinstance(parts, (list, tuple)) and any(isinstance(p, Tensor) and p.ndim for p in parts):
        raise UsageError(
            f"got a {type(value).__name__} of {len(parts)} where one tensor is expected; a model "
            "whose forward returns more in training than in evaluation needs a loss of your own, a "
            "function (y_true, y_pred) of what it returns"
        )
    tensor = torch.as_tensor(np.asarray(value))
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _predictions(y_pred: ArrayLike) -> Tensor:
    """Return predictions in a type that logarithms and sums can be taken in."""
    if not isinstance(y_pred, Tensor):
        y_pred = as_tensor(y_pred)
    # Half precision cannot hold 1 - 1e-7 and loses sums; Keras computes losses in float32 as well.
    if not y_pred.is_floating_point() or y_pred.dtype in _HALF:
        return y_pred.float()
    return y_pred


def align(y_true: ArrayLike, y_pred: ArrayLike) -> tuple[Tensor, Tensor]:
    """Return targets and predictions of the same shape, the targets in the predictions' type.

    A last dimension of 1 that only one of the two has is added or dropped: `(N,)` against `(N, 1)`
    compares row with row. Left to broadcasting it would become `(N, N)`, every row against every
    other, which trains without an error and learns nothing.

    Args:
        y_true: Targets, shape `(N, ...)`.
        y_pred: Predictions, shape `(N, ...)`.

    Returns:
        Both as tensors of one shape and type.

    Raises:
        UsageError: If the shapes differ in anything but a last dimension of 1.

    Example:
        >>> y_true, y_pred = align([1, 0], [[0.9], [0.2]])
        >>> y_true.shape, y_pred.shape, y_true.dtype
        (torch.Size([2, 1]), torch.Size([2, 1]), torch.float32)
    """
    y_pred = _predictions(y_pred)
    if not isinstance(y_true, Tensor):
        y_true = as_tensor(y_true)
    if y_true.dtype != y_pred.dtype:
        y_true = y_true.to(y_pred.dtype)
    if y_true.shape == y_pred.shape:
        return y_true, y_pred
    if y_pred.shape == (*y_true.shape, 1):
        if y_true.ndim == 1:
            return y_true.unsqueeze(-1), y_pred
        return y_true, y_pred.squeeze(-1)
    if y_true.shape == (*y_pred.shape, 1):
        if y_pred.ndim == 1:
            return y_true, y_pred.unsqueeze(-1)
        return y_true.squeeze(-1), y_pred
    raise UsageError(
        f"y_true has shape {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}; they are "
        "compared element by element, so give both the same shape"
    )


def class_indices(y_true: ArrayLike, y_pred: ArrayLike, axis: int = -1) -> tuple[Tensor, Tensor]:
    """Return integer class labels and the predictions they index.

    Args:
        y_true: Labels, shape `(N, ...)` or `(N, ..., 1)`; whole numbers of any type.
        y_pred: One score per class, shape `(N, ..., C)`.
        axis: Where the classes stand in `y_pred`.

    Returns:
        Labels as int64 of `y_pred`'s shape without the class axis, and `y_pred`.

    Raises:
        UsageError: If the shapes do not belong together.

    Example:
        >>> labels, _ = class_indices([[0.0], [1.0]], [[0.9, 0.1], [0.2, 0.8]])
        >>> labels
        tensor([0, 1])
    """
    y_pred = _predictions(y_pred)
    if not isinstance(y_true, Tensor):
        y_true = as_tensor(y_true)
    if y_true.ndim == y_pred.ndim and y_true.shape[axis] == 1:
        y_true = y_true.squeeze(axis)
    rest = list(y_pred.shape)
    if rest:
        del rest[axis]
    if list(y_true.shape) != rest:
        raise UsageError(
            f"y_true has shape {tuple(y_true.shape)} and y_pred {tuple(y_pred.shape)}; integer "
            f"labels have the shape of y_pred without its class axis, here {tuple(rest)}"
        )
    return y_true.long(), y_pred


def match_weights(weights: ArrayLike, values: Tensor) -> Tensor:
    """Return `weights` so that they multiply `values` row by row.

    Args:
        weights: One weight per sample `(N,)`, or per entry of the first dimensions of `values`; a
            last dimension of 1 more than `values` has is dropped.
        values: Errors, shape `(N, ...)`.

    Raises:
        UsageError: If the shapes do not belong together.

    Example:
        >>> match_weights([1.0, 0.0], torch.ones(2, 3)).shape
        torch.Size([2, 1])
    """
    if not isinstance(weights, Tensor):
        weights = as_tensor(weights)
    weights = weights.to(values.device, values.dtype)
    if weights.shape == values.shape or weights.ndim == 0 or values.ndim == 0:
        return weights
    while weights.ndim > values.ndim and weights.shape[-1] == 1:
        weights = weights.squeeze(-1)
    fits = all(w in (1, v) for w, v in zip(weights.shape, values.shape, strict=False))
    if weights.ndim > values.ndim or not fits:
        raise UsageError(
            f"sample_weight has shape {tuple(weights.shape)} for values of shape "
            f"{tuple(values.shape)}; give one weight per sample, shape {tuple(values.shape[:1])}, "
            f"or one per value"
        )
    return weights.reshape(*weights.shape, *(1,) * (values.ndim - weights.ndim))
