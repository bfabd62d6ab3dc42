"""Shapes, new tensors, putting together, picking out, and products of matrices."""

from collections.abc import Sequence
from typing import Never

import torch
from torch import Tensor

from epochal.backend.convert import (
    DType,
    TensorLike,
    as_dtype,
    check_axis,
    floatx,
    to_tensors,
)
from epochal.core.errors import UsageError, UsageTypeError, reject_unknown

__all__ = [
    "arange",
    "batch_flatten",
    "concatenate",
    "dot",
    "expand_dims",
    "flatten",
    "int_shape",
    "matmul",
    "ndim",
    "one_hot",
    "ones",
    "ones_like",
    "repeat",
    "reshape",
    "shape",
    "size",
    "squeeze",
    "stack",
    "take",
    "tile",
    "transpose",
    "zeros",
    "zeros_like",
]


def shape(x: TensorLike) -> tuple[int, ...]:
    """Return the number of entries along each axis.

    Example:
        >>> shape([[1, 2, 3], [4, 5, 6]])
        (2, 3)
    """
    return tuple(to_tensors(x)[0].shape)


def int_shape(x: TensorLike) -> tuple[int, ...]:
    """Return the same as `shape`: sizes are always known here."""
    return shape(x)


def ndim(x: TensorLike) -> int:
    """Return the number of axes."""
    return to_tensors(x)[0].ndim


def size(x: TensorLike) -> int:
    """Return the number of entries."""
    return to_tensors(x)[0].numel()


def zeros(shape: int | Sequence[int], dtype: DType | None = None, **unknown: Never) -> Tensor:
    """Return a new tensor of zeros, float32 unless `dtype` says otherwise.

    Example:
        >>> zeros((2,), dtype="int64")
        tensor([0, 0])
    """
    reject_unknown(zeros, unknown)
    return torch.zeros(_sizes(shape), dtype=as_dtype(dtype or floatx()))


def ones(shape: int | Sequence[int], dtype: DType | None = None, **unknown: Never) -> Tensor:
    """Return a new tensor of ones, float32 unless `dtype` says otherwise."""
    reject_unknown(ones, unknown)
    return torch.ones(_sizes(shape), dtype=as_dtype(dtype or floatx()))


def zeros_like(x: TensorLike, dtype: DType | None = None, **unknown: Never) -> Tensor:
    """Return zeros of the shape, type and device of `x`."""
    reject_unknown(zeros_like, unknown)
    return torch.zeros_like(*to_tensors(x), dtype=None if dtype is None else as_dtype(dtype))


def ones_like(x: TensorLike, dtype: DType | None = None, **unknown: Never) -> Tensor:
    """Return ones of the shape, type and device of `x`."""
    reject_unknown(ones_like, unknown)
    return torch.ones_like(*to_tensors(x), dtype=None if dtype is None else as_dtype(dtype))


def arange(
    start: float,
    stop: float | None = None,
    step: float = 1,
    dtype: DType | None = None,
    **unknown: Never,
) -> Tensor:
    """Return the numbers from `start` up to, not including, `stop`; from 0 if only one is given.

    Example:
        >>> arange(3), arange(1, 2, 0.5)
        (tensor([0, 1, 2]), tensor([1.0000, 1.5000]))
    """
    reject_unknown(arange, unknown)
    first, last = (0, start) if stop is None else (start, stop)
    return torch.arange(first, last, step, dtype=None if dtype is None else as_dtype(dtype))


def reshape(x: TensorLike, shape: Sequence[int]) -> Tensor:
    """Return the same entries under another shape; one size may be -1, for what remains.

    Example:
        >>> reshape([1, 2, 3, 4], (2, -1))
        tensor([[1, 2],
                [3, 4]])
    """
    return to_tensors(x)[0].reshape(_sizes(shape))


def flatten(x: TensorLike) -> Tensor:
    """Return all entries along one axis."""
    return to_tensors(x)[0].flatten()


def batch_flatten(x: TensorLike) -> Tensor:
    """Return a matrix of one row for each entry along the first axis.

    Example:
        >>> shape(batch_flatten(zeros((5, 2, 3))))
        (5, 6)
    """
    [tensor] = to_tensors(x)
    if tensor.ndim == 0:
        raise UsageError("batch_flatten: a single number has no batch axis")
    # Not -1: torch cannot tell what remains of a batch without rows.
    return tensor.reshape(len(tensor), tensor.shape[1:].numel())


def expand_dims(x: TensorLike, axis: int = -1, **unknown: Never) -> Tensor:
    """Return `x` with a new axis of one entry at `axis` of the result.

    Example:
        >>> shape(expand_dims([1, 2, 3], axis=0))
        (1, 3)
    """
    reject_unknown(expand_dims, unknown)
    [tensor] = to_tensors(x)
    if not -tensor.ndim - 1 <= axis <= tensor.ndim:
        raise UsageError(
            f"expand_dims: axis {axis} cannot be made in a tensor of shape {tuple(tensor.shape)}; "
            f"give one from {-tensor.ndim - 1} to {tensor.ndim}"
        )
    return torch.unsqueeze(tensor, axis)


def squeeze(x: TensorLike, axis: int | None = None, **unknown: Never) -> Tensor:
    """Return `x` without `axis`, or without all axes of one entry.

    Raises:
        UsageError: If the axis does not exist or has another number of entries than one.

    Example:
        >>> shape(squeeze([[1], [2]], axis=-1))
        (2,)
    """
    reject_unknown(squeeze, unknown)
    [tensor] = to_tensors(x)
    if axis is None:
        return torch.squeeze(tensor)
    if not -tensor.ndim <= axis < tensor.ndim or tensor.shape[axis] != 1:
        # torch gives the tensor back unchanged, which shows only later and elsewhere.
        raise UsageError(
            f"squeeze: axis {axis} of a tensor of shape {tuple(tensor.shape)} is not one entry long"
        )
    return torch.squeeze(tensor, axis)


def transpose(x: TensorLike, axes: Sequence[int] | None = None, **unknown: Never) -> Tensor:
    """Return `x` with its axes reversed, or in the order `axes`.

    Example:
        >>> shape(transpose(zeros((2, 3, 4)))), shape(transpose(zeros((2, 3, 4)), (0, 2, 1)))
        ((4, 3, 2), (2, 4, 3))
    """
    reject_unknown(transpose, unknown)
    [tensor] = to_tensors(x)
    return tensor.permute(tuple(reversed(range(tensor.ndim))) if axes is None else tuple(axes))


def concatenate(tensors: Sequence[TensorLike], axis: int = -1, **unknown: Never) -> Tensor:
    """Return several tensors one after another along an axis they have.

    Example:
        >>> concatenate([[1, 2], [3]])
        tensor([1, 2, 3])
    """
    reject_unknown(concatenate, unknown)
    parts = _several("concatenate", tensors)
    check_axis(parts[0], axis)
    return torch.cat(parts, axis)


def stack(x: Sequence[TensorLike], axis: int = 0, **unknown: Never) -> Tensor:
    """Return several tensors of one shape side by side along a new axis.

    Example:
        >>> shape(stack([zeros((3,)), ones((3,))], axis=1))
        (3, 2)
    """
    reject_unknown(stack, unknown)
    return torch.stack(_several("stack", x), axis)


def tile(x: TensorLike, repeats: int | Sequence[int]) -> Tensor:
    """Return `x` laid side by side, `repeats` times along each axis (the last ones, if fewer).

    Example:
        >>> tile([1, 2], 2)
        tensor([1, 2, 1, 2])
    """
    return to_tensors(x)[0].tile(_sizes(repeats))


def repeat(
    x: TensorLike, repeats: int | Sequence[int], axis: int | None = None, **unknown: Never
) -> Tensor:
    """Return each entry `repeats` times in a row along `axis`; flattened first if `None`.

    Example:
        >>> repeat([1, 2], 2)
        tensor([1, 1, 2, 2])
    """
    reject_unknown(repeat, unknown)
    [tensor] = to_tensors(x)
    times = repeats if isinstance(repeats, int) else torch.tensor(repeats, device=tensor.device)
    return torch.repeat_interleave(tensor, times, check_axis(tensor, axis))


def take(x: TensorLike, indices: TensorLike, axis: int | None = None, **unknown: Never) -> Tensor:
    """Return the entries at `indices` along `axis`; of the flattened tensor if `None`.

    Example:
        >>> take([[1, 2], [3, 4]], [0, 0], axis=1)
        tensor([[1, 1],
                [3, 3]])
    """
    reject_unknown(take, unknown)
    tensor, places = to_tensors(x, indices)
    if axis is None:
        return tensor.flatten()[places.long()]
    check_axis(tensor, axis)
    return tensor[(slice(None),) * (axis % tensor.ndim) + (places.long(),)]


def one_hot(indices: TensorLike, num_classes: int) -> Tensor:
    """Return rows of 0 with a 1 at each index, float32; an index that is no class gives only 0.

    Args:
        indices: Whole numbers, any shape.
        num_classes: The length of the new last axis.

    Raises:
        UsageTypeError: If the indices have fractions.

    Example:
        >>> one_hot([0, 2], 3)
        tensor([[1., 0., 0.],
                [0., 0., 1.]])
    """
    [tensor] = to_tensors(indices)
    if tensor.is_floating_point() or tensor.is_complex():
        raise UsageTypeError(
            f"one_hot: indices are {tensor.dtype}, expected whole numbers; cast(indices, 'int64')"
        )
    classes = torch.arange(num_classes, device=tensor.device)
    return (tensor.unsqueeze(-1) == classes).to(as_dtype(floatx()))


def matmul(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return the matrix product over the last two axes; the others broadcast.

    Example:
        >>> matmul([[1.0, 2.0]], [[3.0], [4.0]])
        tensor([[11.]])
    """
    return torch.matmul(*_same_type(x1, x2))


def dot(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return the product over the last axis of `x1` and the last but one of `x2`, as NumPy's `dot`.

    Example:
        >>> dot([1.0, 2.0], [3.0, 4.0])
        tensor(11.)
    """
    left, right = _same_type(x1, x2)
    if left.ndim == 0 or right.ndim == 0:
        return left * right
    product: Tensor = torch.tensordot(left, right, dims=([-1], [-1 if right.ndim == 1 else -2]))
    return product


def _same_type(x1: TensorLike, x2: TensorLike) -> tuple[Tensor, Tensor]:
    left, right = to_tensors(x1, x2)
    common = torch.result_type(left, right)
    return left.to(common), right.to(common)


def _several(call: str, tensors: Sequence[TensorLike]) -> list[Tensor]:
    if not isinstance(tensors, (list, tuple)) or not tensors:
        got = "an empty list" if isinstance(tensors, (list, tuple)) else type(tensors).__name__
        raise UsageTypeError(f"{call}: expected a list of tensors, got {got}")
    return to_tensors(*tensors)


def _sizes(shape: int | Sequence[int]) -> tuple[int, ...]:
    return (shape,) if isinstance(shape, int) else tuple(shape)
