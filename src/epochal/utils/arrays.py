"""Labels to one-hot rows, rows to unit length: tensors for tensors, NumPy for everything else."""

from typing import Any, Never, TypeAlias, overload

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from epochal.core.errors import UsageError, UsageTypeError, reject_unknown

__all__ = ["normalize", "to_categorical"]

Array: TypeAlias = npt.NDArray[Any]


@overload
def to_categorical(x: Tensor, num_classes: int | None = None, **unknown: Never) -> Tensor: ...


@overload
def to_categorical(
    x: npt.ArrayLike, num_classes: int | None = None, **unknown: Never
) -> npt.NDArray[np.float32]: ...


def to_categorical(
    x: npt.ArrayLike | Tensor, num_classes: int | None = None, **unknown: Never
) -> npt.NDArray[np.float32] | Tensor:
    """Return class numbers as rows of 0 with a 1 at the class.

    Use it for losses and metrics that want one-hot labels, such as `categorical_crossentropy`.

    Args:
        x: Class numbers from 0; any shape. A last axis of one entry is dropped.
        num_classes: The length of a row; the largest class number plus one by default.

    Returns:
        float32 of shape `(*x.shape, num_classes)`: a tensor for a tensor, else a NumPy array.

    Raises:
        UsageError: If a label is negative, not whole or not below `num_classes`.

    Example:
        >>> to_categorical([0, 2])
        array([[1., 0., 0.],
               [0., 0., 1.]], dtype=float32)
    """
    reject_unknown(to_categorical, unknown)
    if isinstance(x, Tensor):
        labels = x.detach().cpu().numpy()
        rows = torch.from_numpy(_rows(labels, num_classes))
        return rows.to(x.device)
    return _rows(np.asarray(x), num_classes)


def _rows(labels: Array, num_classes: int | None) -> npt.NDArray[np.float32]:
    if labels.dtype.kind not in "biuf":
        raise UsageTypeError(f"to_categorical: labels are {labels.dtype}, expected whole numbers")
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]
    if num_classes is None:
        if labels.size == 0:
            raise UsageError("to_categorical: there are no labels to count; give num_classes")
        num_classes = int(labels.max()) + 1 if np.isfinite(labels).all() else 0
    good = (labels >= 0) & (labels < num_classes) & (labels == np.floor(labels))
    if not good.all():
        wrong = labels[~good].reshape(-1)
        raise UsageError(
            f"to_categorical: {wrong.size} of {labels.size} labels are no class, first "
            f"{wrong[0].item()}; expected whole numbers from 0 to {max(num_classes, 1) - 1}"
        )
    # Row by row, not np.eye(num_classes)[labels]: that would take num_classes squared of memory.
    rows = np.zeros((labels.size, num_classes), dtype=np.float32)
    rows[np.arange(labels.size), labels.reshape(-1).astype(np.int64)] = 1
    return rows.reshape(*labels.shape, num_classes)


@overload
def normalize(x: Tensor, axis: int = -1, order: float = 2, **unknown: Never) -> Tensor: ...


@overload
def normalize(x: npt.ArrayLike, axis: int = -1, order: float = 2, **unknown: Never) -> Array: ...


def normalize(
    x: npt.ArrayLike | Tensor, axis: int = -1, order: float = 2, **unknown: Never
) -> Array | Tensor:
    """Return `x` with every vector along `axis` divided by its length.

    Args:
        x: Any shape; whole numbers become float32.
        axis: The axis along which a vector lies.
        order: Which length: 2 for Euclid's, 1 for the sum of magnitudes, `float("inf")` for the
            largest magnitude.

    Returns:
        The same shape: a tensor for a tensor, else a NumPy array. Vectors of zeros stay zeros.

    Raises:
        UsageError: If `x` has no such axis, or `order` is not positive.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]])
    """
    reject_unknown(normalize, unknown)
    if not order > 0:
        raise UsageError(f"normalize: order is {order}; give a positive number")
    if isinstance(x, Tensor):
        tensor = x if x.is_floating_point() else x.float()
        _check_axis(axis, tensor.shape)
        length = torch.linalg.vector_norm(tensor, ord=order, dim=axis, keepdim=True)
        return tensor / torch.where(length == 0, 1.0, length)
    array = np.asarray(x)
    if array.dtype.kind not in "biuf":
        raise UsageTypeError(f"normalize: expected numbers, got {array.dtype}")
    if array.dtype.kind != "f":
        array = array.astype(np.float32)
    _check_axis(axis, array.shape)
    norm: Array = np.linalg.norm(array, ord=order, axis=axis, keepdims=True)
    norm[norm == 0] = 1
    divided: Array = array / norm
    return divided


def _check_axis(axis: int, shape: tuple[int, ...]) -> None:
    if not -len(shape) <= axis < len(shape):
        raise UsageError(f"normalize: axis {axis} does not exist in shape {tuple(shape)}")
