"""Number by number: arithmetic, comparison, logic and the activation functions.

Two arguments are broadcast against each other. A single number takes the type of the tensor it
meets, unless that would lose its fraction.
"""

from typing import Never, overload

import torch
from torch import Tensor

from epochal.backend.convert import TensorLike, check_axis, to_tensors
from epochal.core.errors import UsageError, reject_unknown

__all__ = [
    "abs",
    "clip",
    "equal",
    "exp",
    "greater",
    "greater_equal",
    "isfinite",
    "isnan",
    "less",
    "less_equal",
    "log",
    "log1p",
    "logical_and",
    "logical_not",
    "logical_or",
    "maximum",
    "minimum",
    "not_equal",
    "power",
    "relu",
    "round",
    "sigmoid",
    "sign",
    "softmax",
    "sqrt",
    "square",
    "tanh",
    "where",
]


def abs(x: TensorLike) -> Tensor:
    """Return the distance from zero."""
    return torch.abs(*to_tensors(x))


def sign(x: TensorLike) -> Tensor:
    """Return -1, 0 or 1."""
    return torch.sign(*to_tensors(x))


def square(x: TensorLike) -> Tensor:
    """Return `x * x`."""
    return torch.square(*to_tensors(x))


def sqrt(x: TensorLike) -> Tensor:
    """Return the square root; NaN below zero."""
    return torch.sqrt(*to_tensors(x))


def exp(x: TensorLike) -> Tensor:
    """Return e to the power of `x`."""
    return torch.exp(*to_tensors(x))


def log(x: TensorLike) -> Tensor:
    """Return the natural logarithm; minus infinity at zero, NaN below it."""
    return torch.log(*to_tensors(x))


def log1p(x: TensorLike) -> Tensor:
    """Return `log(1 + x)`, exact for small `x` too."""
    return torch.log1p(*to_tensors(x))


def power(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return `x1` to the power of `x2`.

    Example:
        >>> power([1.0, 2.0, 3.0], 2)
        tensor([1., 4., 9.])
    """
    return torch.pow(*to_tensors(x1, x2))


def round(x: TensorLike, decimals: int = 0, **unknown: Never) -> Tensor:
    """Return the nearest number of `decimals` digits; halves go to the even one.

    Example:
        >>> round([0.5, 1.5, 0.501])
        tensor([0., 2., 1.])
    """
    reject_unknown(round, unknown)
    [tensor] = to_tensors(x)
    if tensor.is_floating_point():
        return torch.round(tensor, decimals=decimals)
    if decimals >= 0:
        return tensor
    raise UsageError(f"round: decimals is {decimals}; whole numbers take 0 or more")


def clip(x: TensorLike, min_value: TensorLike, max_value: TensorLike, **unknown: Never) -> Tensor:
    """Return `x` held between two bounds, numbers or tensors that broadcast against it.

    Example:
        >>> clip([-1.0, 0.5, 2.0], 0, 1)
        tensor([0.0000, 0.5000, 1.0000])
    """
    reject_unknown(clip, unknown)
    tensor, low, high = to_tensors(x, min_value, max_value)
    return torch.minimum(torch.maximum(tensor, low), high)


def maximum(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return the larger of two, entry by entry.

    Example:
        >>> maximum([-1.0, 2.0], 0)
        tensor([0., 2.])
    """
    return torch.maximum(*to_tensors(x1, x2))


def minimum(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return the smaller of two, entry by entry."""
    return torch.minimum(*to_tensors(x1, x2))


def equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether two are equal, entry by entry.

    Example:
        >>> equal([1, 2, 3], [1, 0, 3])
        tensor([ True, False,  True])
    """
    return torch.eq(*to_tensors(x1, x2))


def not_equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether two differ, entry by entry."""
    return torch.ne(*to_tensors(x1, x2))


def greater(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether `x1 > x2`, entry by entry."""
    return torch.gt(*to_tensors(x1, x2))


def greater_equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether `x1 >= x2`, entry by entry."""
    return torch.ge(*to_tensors(x1, x2))


def less(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether `x1 < x2`, entry by entry."""
    return torch.lt(*to_tensors(x1, x2))


def less_equal(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether `x1 <= x2`, entry by entry."""
    return torch.le(*to_tensors(x1, x2))


def logical_and(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether both are true (not zero), entry by entry."""
    return torch.logical_and(*to_tensors(x1, x2))


def logical_or(x1: TensorLike, x2: TensorLike) -> Tensor:
    """Return whether at least one is true (not zero), entry by entry."""
    return torch.logical_or(*to_tensors(x1, x2))


def logical_not(x: TensorLike) -> Tensor:
    """Return whether `x` is false (zero), entry by entry."""
    return torch.logical_not(*to_tensors(x))


def isnan(x: TensorLike) -> Tensor:
    """Return whether each entry is NaN."""
    return torch.isnan(*to_tensors(x))


def isfinite(x: TensorLike) -> Tensor:
    """Return whether each entry is neither NaN nor infinite."""
    return torch.isfinite(*to_tensors(x))


@overload
def where(condition: TensorLike) -> tuple[Tensor, ...]: ...


@overload
def where(condition: TensorLike, x1: TensorLike, x2: TensorLike) -> Tensor: ...


def where(
    condition: TensorLike,
    x1: TensorLike | None = None,
    x2: TensorLike | None = None,
    **unknown: Never,
) -> Tensor | tuple[Tensor, ...]:
    """Return `x1` where the condition holds and `x2` elsewhere.

    Args:
        condition: Truth values, or numbers of which 0 is false.
        x1: Broadcasts against the condition.
        x2: Broadcasts against the condition.

    Returns:
        The chosen entries; with the condition alone, the indices at which it holds, one tensor for
        each axis.

    Raises:
        UsageError: If only one of `x1` and `x2` is given.

    Example:
        >>> where([True, False], [1.0, 2.0], 0)
        tensor([1., 0.])
    """
    reject_unknown(where, unknown)
    if x1 is None and x2 is None:
        return torch.where(to_tensors(condition)[0].bool())
    if x1 is None or x2 is None:
        raise UsageError("where: give both x1 and x2, or the condition alone for its indices")
    choose, yes, no = to_tensors(condition, x1, x2)
    return torch.where(choose.bool(), yes, no)


def softmax(x: TensorLike, axis: int = -1, **unknown: Never) -> Tensor:
    """Return positive numbers that sum to 1 along `axis`, in the proportions of `exp(x)`.

    Example:
        >>> softmax([0.0, 0.0])
        tensor([0.5000, 0.5000])
    """
    reject_unknown(softmax, unknown)
    [tensor] = to_tensors(x)
    check_axis(tensor, axis)
    return torch.softmax(tensor if tensor.is_floating_point() else tensor.float(), axis)


def sigmoid(x: TensorLike) -> Tensor:
    """Return `1 / (1 + exp(-x))`."""
    return torch.sigmoid(*to_tensors(x))


def tanh(x: TensorLike) -> Tensor:
    """Return the hyperbolic tangent."""
    return torch.tanh(*to_tensors(x))


def relu(x: TensorLike) -> Tensor:
    """Return `x` where it is positive, 0 elsewhere."""
    return torch.relu(*to_tensors(x))
