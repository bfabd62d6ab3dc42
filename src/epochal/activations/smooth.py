"""Activations that are smooth everywhere, and those over an axis, over `torch.nn.functional`."""

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = [
    "exponential",
    "gelu",
    "glu",
    "linear",
    "log_sigmoid",
    "log_softmax",
    "mish",
    "sigmoid",
    "silu",
    "softmax",
    "softplus",
    "softsign",
    "sparsemax",
    "squareplus",
    "tanh",
    "tanh_shrink",
]


def linear(x: Tensor) -> Tensor:
    """Return `x` itself.

    Example:
        >>> linear(torch.tensor([2.0]))
        tensor([2.])
    """
    return x


def exponential(x: Tensor) -> Tensor:
    """Return `exp(x)`.

    Example:
        >>> exponential(torch.tensor([0.0]))
        tensor([1.])
    """
    return torch.exp(x)


def _precise(x: Tensor) -> Tensor:
    """Return logits in float32 under autocast: in bfloat16 every probability above 0.998 is 1."""
    if x.dtype in (torch.bfloat16, torch.float16) and torch.is_autocast_enabled(x.device.type):
        return x.float()
    return x


def sigmoid(x: Tensor) -> Tensor:
    """Return `1 / (1 + exp(-x))`: the output of a yes-or-no model.

    Example:
        >>> sigmoid(torch.tensor([0.0]))
        tensor([0.5000])
    """
    return torch.sigmoid(_precise(x))


def log_sigmoid(x: Tensor) -> Tensor:
    """Return the logarithm of `sigmoid(x)`, exact far below zero too.

    Example:
        >>> log_sigmoid(torch.tensor([-200.0]))
        tensor([-200.])
    """
    return F.logsigmoid(x)


def tanh(x: Tensor) -> Tensor:
    """Return the hyperbolic tangent.

    Example:
        >>> tanh(torch.tensor([0.0]))
        tensor([0.])
    """
    return torch.tanh(x)


def tanh_shrink(x: Tensor) -> Tensor:
    """Return `x - tanh(x)`.

    Example:
        >>> tanh_shrink(torch.tensor([0.0]))
        tensor([0.])
    """
    return F.tanhshrink(x)


def gelu(x: Tensor, approximate: bool = False) -> Tensor:
    """Return `x` times the normal distribution function of `x` (Hendrycks & Gimpel, 2016).

    Args:
        x: Any shape.
        approximate: Use the formula with `tanh`, a little faster.

    Example:
        >>> gelu(torch.tensor([-1.0, 1.0]))
        tensor([-0.1587,  0.8413])
    """
    return F.gelu(x, approximate="tanh" if approximate else "none")


def silu(x: Tensor) -> Tensor:
    """Return `x * sigmoid(x)`, also called swish (Ramachandran et al., 2017).

    Example:
        >>> silu(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.7311])
    """
    return F.silu(x)


def mish(x: Tensor) -> Tensor:
    """Return `x * tanh(softplus(x))` (Misra, 2019).

    Example:
        >>> mish(torch.tensor([0.0, 1.0]))
        tensor([0.0000, 0.8651])
    """
    return F.mish(x)


def softplus(x: Tensor) -> Tensor:
    """Return `log(1 + exp(x))`, a smooth relu.

    Example:
        >>> softplus(torch.tensor([0.0]))
        tensor([0.6931])
    """
    return F.softplus(x)


def softsign(x: Tensor) -> Tensor:
    """Return `x / (1 + |x|)`.

    Example:
        >>> softsign(torch.tensor([1.0]))
        tensor([0.5000])
    """
    return F.softsign(x)


def squareplus(x: Tensor, b: float = 4) -> Tensor:
    """Return `(x + sqrt(x**2 + b)) / 2`, a smooth relu without exponentials (Barron, 2021).

    Example:
        >>> squareplus(torch.tensor([0.0]))
        tensor([1.])
    """
    return (x + torch.sqrt(x.square() + b)) / 2


def softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return probabilities along `axis`: positive, summing to 1.

    Example:
        >>> softmax(torch.tensor([0.0, 0.0]))
        tensor([0.5000, 0.5000])
    """
    return torch.softmax(_precise(x), axis)


def log_softmax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the logarithm of `softmax(x, axis)`, computed in one stable step.

    Example:
        >>> log_softmax(torch.tensor([0.0, 0.0]))
        tensor([-0.6931, -0.6931])
    """
    return torch.log_softmax(x, axis)


def sparsemax(x: Tensor, axis: int = -1) -> Tensor:
    """Return the point of the probability simplex nearest to `x` (Martins & Astudillo, 2016).

    Use it as a softmax that gives exact zeros.

    Args:
        x: Any shape.
        axis: Along which the result sums to 1.

    Example:
        >>> sparsemax(torch.tensor([0.1, 1.0, 1.2]))
        tensor([0.0000, 0.4000, 0.6000])
    """
    ordered = torch.sort(x, dim=axis, descending=True).values.movedim(axis, -1)
    sums = ordered.cumsum(-1) - 1
    ranks = torch.arange(1, ordered.shape[-1] + 1, dtype=x.dtype, device=x.device)
    support = (ranks * ordered > sums).sum(-1, keepdim=True)
    cut = sums.gather(-1, support - 1) / support
    return (x - cut.movedim(-1, axis)).clamp(min=0)


def glu(x: Tensor, axis: int = -1) -> Tensor:
    """Return the first half of `x` along `axis` times the sigmoid of the second half.

    Example:
        >>> glu(torch.tensor([2.0, 0.0]))
        tensor([1.])
    """
    return F.glu(x, axis)
