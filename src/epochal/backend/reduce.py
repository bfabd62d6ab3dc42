"""Many numbers to few: sums, means, extremes, counts, orders.

`axis` is one axis, several, or `None` for all of them; `keepdims=True` leaves an axis of one entry
where each stood, so that the result still broadcasts against `x`.
"""

from collections.abc import Sequence
from typing import NamedTuple, Never, TypeAlias

import torch
from torch import Tensor

from epochal.backend.convert import TensorLike, check_axis, to_tensors
from epochal.core.errors import UsageError, reject_unknown

__all__ = [
    "all",
    "any",
    "argmax",
    "argmin",
    "argsort",
    "cumsum",
    "max",
    "mean",
    "min",
    "sort",
    "std",
    "sum",
    "top_k",
    "var",
]

Axis: TypeAlias = int | Sequence[int] | None


class TopK(NamedTuple):
    """The largest entries and where they stood."""

    values: Tensor
    indices: Tensor


def sum(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the sum over `axis`.

    Raises:
        UsageError: If `x` has no such axis.

    Example:
        >>> sum([[1.0, 2.0], [3.0, 4.0]], axis=0)
        tensor([4., 6.])
        >>> sum([[1.0, 2.0], [3.0, 4.0]])
        tensor(10.)
    """
    reject_unknown(sum, unknown)
    [tensor] = to_tensors(x)
    return torch.sum(tensor, _axes(tensor, axis), keepdim=keepdims)


def mean(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the mean over `axis`, as float32 for whole numbers and truth values.

    Example:
        >>> mean([[1, 2], [3, 4]], axis=-1, keepdims=True)
        tensor([[1.5000],
                [3.5000]])
    """
    reject_unknown(mean, unknown)
    tensor = _with_fraction(x)
    return torch.mean(tensor, _axes(tensor, axis), keepdim=keepdims)


def var(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the variance over `axis`: the mean squared distance from the mean.

    Example:
        >>> var([1.0, 3.0])
        tensor(1.)
    """
    reject_unknown(var, unknown)
    tensor = _with_fraction(x)
    return torch.var(tensor, _axes(tensor, axis), correction=0, keepdim=keepdims)


def std(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the standard deviation over `axis`, the root of `var`.

    Example:
        >>> std([1.0, 3.0])
        tensor(1.)
    """
    reject_unknown(std, unknown)
    tensor = _with_fraction(x)
    return torch.std(tensor, _axes(tensor, axis), correction=0, keepdim=keepdims)


def max(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the largest entry over `axis`, without its place (see `argmax`).

    Example:
        >>> max([[1, 9], [3, 4]]), max([[1, 9], [3, 4]], axis=-1)
        (tensor(9), tensor([9, 4]))
    """
    reject_unknown(max, unknown)
    [tensor] = to_tensors(x)
    return torch.amax(tensor, _axes(tensor, axis), keepdim=keepdims)


def min(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return the smallest entry over `axis`, without its place (see `argmin`).

    Example:
        >>> min([[1, 9], [3, 4]], axis=0)
        tensor([1, 4])
    """
    reject_unknown(min, unknown)
    [tensor] = to_tensors(x)
    return torch.amin(tensor, _axes(tensor, axis), keepdim=keepdims)


def any(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return whether some entry over `axis` is true (is not zero).

    Example:
        >>> any([[0, 1], [0, 0]], axis=-1)
        tensor([ True, False])
    """
    reject_unknown(any, unknown)
    [tensor] = to_tensors(x)
    return torch.any(tensor.bool(), _axes(tensor, axis), keepdim=keepdims)


def all(x: TensorLike, axis: Axis = None, keepdims: bool = False, **unknown: Never) -> Tensor:
    """Return whether every entry over `axis` is true (is not zero).

    Example:
        >>> all([[1, 1], [0, 1]], axis=-1)
        tensor([ True, False])
    """
    reject_unknown(all, unknown)
    [tensor] = to_tensors(x)
    return torch.all(tensor.bool(), _axes(tensor, axis), keepdim=keepdims)


def argmax(
    x: TensorLike, axis: int | None = -1, keepdims: bool = False, **unknown: Never
) -> Tensor:
    """Return where the largest entry along `axis` stands, the first of equals.

    Args:
        x: Any shape.
        axis: One axis, the last by default; `None` counts through the flattened tensor.
        keepdims: Leave an axis of one entry.

    Example:
        >>> argmax([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]])
        tensor([1, 0])
    """
    reject_unknown(argmax, unknown)
    [tensor] = to_tensors(x)
    return torch.argmax(tensor, check_axis(tensor, axis), keepdim=keepdims)


def argmin(
    x: TensorLike, axis: int | None = -1, keepdims: bool = False, **unknown: Never
) -> Tensor:
    """Return where the smallest entry along `axis` stands, the first of equals.

    Example:
        >>> argmin([[0.1, 0.7, 0.2], [0.9, 0.0, 0.1]])
        tensor([0, 1])
    """
    reject_unknown(argmin, unknown)
    [tensor] = to_tensors(x)
    return torch.argmin(tensor, check_axis(tensor, axis), keepdim=keepdims)


def cumsum(x: TensorLike, axis: int | None = 0, **unknown: Never) -> Tensor:
    """Return the running sums along `axis`; `None` runs through the flattened tensor.

    Example:
        >>> cumsum([1, 2, 3])
        tensor([1, 3, 6])
    """
    reject_unknown(cumsum, unknown)
    [tensor] = to_tensors(x)
    if axis is None:
        return torch.cumsum(tensor.flatten(), 0)
    check_axis(tensor, axis)
    return torch.cumsum(tensor, axis)


def sort(x: TensorLike, axis: int = -1, **unknown: Never) -> Tensor:
    """Return `x` with the entries along `axis` in rising order.

    Example:
        >>> sort([3, 1, 2])
        tensor([1, 2, 3])
    """
    reject_unknown(sort, unknown)
    [tensor] = to_tensors(x)
    check_axis(tensor, axis)
    return torch.sort(tensor, dim=axis, stable=True).values


def argsort(x: TensorLike, axis: int = -1, **unknown: Never) -> Tensor:
    """Return the indices that put the entries along `axis` in rising order, equals as they stand.

    Example:
        >>> argsort([3, 1, 2])
        tensor([1, 2, 0])
    """
    reject_unknown(argsort, unknown)
    [tensor] = to_tensors(x)
    check_axis(tensor, axis)
    return torch.argsort(tensor, dim=axis, stable=True)


def top_k(x: TensorLike, k: int, sorted: bool = True, **unknown: Never) -> TopK:
    """Return the `k` largest entries along the last axis, and where they stand.

    Raises:
        UsageError: If the last axis has fewer than `k` entries.

    Example:
        >>> top_k([1.0, 5.0, 3.0], k=2)
        TopK(values=tensor([5., 3.]), indices=tensor([1, 2]))
    """
    reject_unknown(top_k, unknown)
    [tensor] = to_tensors(x)
    count = tensor.shape[-1] if tensor.ndim else 1
    if not 0 <= k <= count:
        raise UsageError(f"top_k: k is {k}; the last axis has {count} entries")
    values, indices = torch.topk(tensor, k, sorted=sorted)
    return TopK(values, indices)


def _with_fraction(x: TensorLike) -> Tensor:
    [tensor] = to_tensors(x)
    if tensor.is_floating_point() or tensor.is_complex():
        return tensor
    return tensor.float()


def _axes(tensor: Tensor, axis: Axis) -> tuple[int, ...]:
    """Return the axes to reduce, checked; torch's own error tells neither shape nor argument."""
    if axis is None:
        return tuple(range(tensor.ndim))
    axes = (axis,) if isinstance(axis, int) else tuple(axis)
    for one in axes:
        check_axis(tensor, one)
    return axes
