"""Activations that cut or bend at a point, over `torch.nn.functional`."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "celu",
    "elu",
    "hard_shrink",
    "hard_sigmoid",
    "hard_silu",
    "hard_tanh",
    "leaky_relu",
    "relu",
    "relu6",
    "selu",
    "soft_shrink",
    "sparse_plus",
    "sparse_sigmoid",
    "threshold",
]


def relu(
    x: Tensor, negative_slope: float = 0.0, max_value: float | None = None, threshold: float = 0.0
) -> Tensor:
    """Return `x` where it is above `threshold`, `negative_slope * (x - threshold)` below it.

    Args:
        x: Any shape.
        negative_slope: Of the part below the threshold.
        max_value: Cuts the result off above; `None` for no cut.
        threshold: Where the two parts meet.

    Example:
        >>> relu(torch.tensor([-2.0, 3.0]))
        tensor([0., 3.])
        >>> relu(torch.tensor([-2.0, 9.0]), negative_slope=0.5, max_value=6.0)
        tensor([-1.,  6.])
    """
    if threshold == 0.0:
        result = F.relu(x) if negative_slope == 0.0 else F.leaky_relu(x, negative_slope)
    else:
        result = torch.where(x > threshold, x, negative_slope * (x - threshold))
    return result if max_value is None else result.clamp(max=max_value)


def relu6(x: Tensor) -> Tensor:
    """Return `x` cut off at 0 and 6.

    Example:
        >>> relu6(torch.tensor([-2.0, 3.0, 9.0]))
        tensor([0., 3., 6.])
    """
    return F.relu6(x)


def leaky_relu(x: Tensor, negative_slope: float = 0.2) -> Tensor:
    """Return `x`, its negative part times `negative_slope`.

    Example:
        >>> leaky_relu(torch.tensor([-1.0, 1.0]))
        tensor([-0.2000,  1.0000])
    """
    return F.leaky_relu(x, negative_slope)


def elu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `x`, its negative part `alpha * (exp(x) - 1)` (Clevert et al., 2016).

    Example:
        >>> elu(torch.tensor([-1.0, 1.0]))
        tensor([-0.6321,  1.0000])
    """
    return F.elu(x, alpha)


def celu(x: Tensor, alpha: float = 1.0) -> Tensor:
    """Return `x`, its negative part `alpha * (exp(x / alpha) - 1)` (Barron, 2017).

    Example:
        >>> celu(torch.tensor([-2.0, 1.0]), alpha=2.0)
        tensor([-1.2642,  1.0000])
    """
    return F.celu(x, alpha)


def selu(x: Tensor) -> Tensor:
    """Return the self-normalising `elu` (Klambauer et al., 2017); use it with `lecun_normal`.

    Example:
        >>> selu(torch.tensor([-1.0, 1.0]))
        tensor([-1.1113,  1.0507])
    """
    return F.selu(x)


def hard_sigmoid(x: Tensor) -> Tensor:
    """Return `x / 6 + 1/2`, cut off at 0 and 1.

    Example:
        >>> hard_sigmoid(torch.tensor([-3.0, 0.0, 3.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return F.hardsigmoid(x)


def hard_silu(x: Tensor) -> Tensor:
    """Return `x * hard_sigmoid(x)`, also called hard swish (Howard et al., 2019).

    Example:
        >>> hard_silu(torch.tensor([-3.0, 3.0]))
        tensor([-0., 3.])
    """
    return F.hardswish(x)


def hard_tanh(x: Tensor) -> Tensor:
    """Return `x` cut off at -1 and 1.

    Example:
        >>> hard_tanh(torch.tensor([-3.0, 0.5]))
        tensor([-1.0000,  0.5000])
    """
    return F.hardtanh(x)


def hard_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """Return `x` where its size is above `threshold`, else 0.

    Example:
        >>> hard_shrink(torch.tensor([-0.4, 0.6]))
        tensor([0.0000, 0.6000])
    """
    return F.hardshrink(x, threshold)


def soft_shrink(x: Tensor, threshold: float = 0.5) -> Tensor:
    """Return `x` moved towards 0 by `threshold`, and 0 if it would cross it.

    Example:
        >>> soft_shrink(torch.tensor([-1.0, 1.5]))
        tensor([-0.5000,  1.0000])
    """
    return F.softshrink(x, threshold)


def threshold(x: Tensor, threshold: float, default_value: float) -> Tensor:
    """Return `x` where it is above `threshold`, else `default_value`.

    Example:
        >>> threshold(torch.tensor([1.0, 3.0]), 2.0, -1.0)
        tensor([-1.,  3.])
    """
    return F.threshold(x, threshold, default_value)


def sparse_plus(x: Tensor) -> Tensor:
    """Return 0 up to -1, `x` from 1 on, and the parabola `(x + 1)**2 / 4` between.

    Example:
        >>> sparse_plus(torch.tensor([-2.0, 0.0, 2.0]))
        tensor([0.0000, 0.2500, 2.0000])
    """
    return torch.where(x < 1, (x.clamp(min=-1) + 1).square() / 4, x)


def sparse_sigmoid(x: Tensor) -> Tensor:
    """Return `(x + 1) / 2`, cut off at 0 and 1 (Blondel et al., 2019).

    Example:
        >>> sparse_sigmoid(torch.tensor([-2.0, 0.0, 2.0]))
        tensor([0.0000, 0.5000, 1.0000])
    """
    return ((x + 1) / 2).clamp(0, 1)
