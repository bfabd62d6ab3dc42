"""Weighted sums of each column of a batch."""

from typing import Any

import torch
from torch import Tensor

from epochal.metrics.base import as_tensor
from epochal.metrics.mean import fit_weight

__all__ = ["sample_weight_of", "weighted_sum"]


def sample_weight_of(sample_weight: Any, values: Tensor) -> Tensor:
    """Return the weight of each row, (N,), or of each entry, (N, C); 1 where none is given.

    Raises:
        UsageError: If the weights do not fit.

    Example:
        >>> sample_weight_of(None, torch.rand(2, 3)).tolist()
        [1.0, 1.0]
    """
    if sample_weight is None:
        return torch.ones(len(values), dtype=torch.float64, device=values.device)
    weight = fit_weight(as_tensor(sample_weight, like=values), values).double()
    return weight.expand(values.shape if weight.ndim > 1 else values.shape[:1])


def weighted_sum(values: Tensor, weight: Tensor) -> Tensor:
    """Return the sum of each column of float64 values.

    Args:
        values: (N, C).
        weight: (N,) or (N, C).

    Example:
        >>> weighted_sum(torch.ones(2, 3).double(), torch.tensor([1.0, 0.5]).double()).tolist()
        [1.5, 1.5, 1.5]
    """
    if weight.ndim == 1 and values.shape[1] == 1:
        return torch.dot(weight, values[:, 0]).reshape(1)
    # A product of a vector and a matrix sums columns several times faster than `sum` does.
    return weight @ values if weight.ndim == 1 else (weight * values).sum(0)
