"""Adafactor's memory: rows and columns, which Keras and torch take along different axes.

Keras averages over the last two axes of its own layout, torch over those of its. For matrices that
is the same up to a transposition. Kernels of convolutions lie otherwise: what both stand for, an
estimate for every entry, is the bridge, and there only the estimate's means are kept.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from epochal.layers import NamedWeight

__all__ = ["PARTS", "from_torch", "shape_of", "to_torch"]

PARTS = ("r", "c", "velocity")


def shape_of(weight: NamedWeight, part: str) -> tuple[int, ...]:
    """Return the shape of one part in Keras' files; a number stands for what is not factored."""
    shape = weight.shape
    if part == "velocity":
        return shape
    if len(shape) < 2:
        return ()
    return shape[:-1] if part == "r" else (*shape[:-2], shape[-1])


def from_torch(
    weight: NamedWeight, part: str, state: Mapping[str, Any], names: Mapping[int, str]
) -> Tensor:
    """Return one part of a weight's memory as Keras keeps it."""
    if part != "velocity" and len(weight.shape) < 2:
        return torch.tensor(0, dtype=torch.int32)
    estimates = []
    for attribute in weight.weight.attributes:
        tensor: Tensor = getattr(weight.module, attribute)
        name = names.get(id(tensor), "")
        rows, columns = state.get(f"row_var/{name}"), state.get(f"col_var/{name}")
        if rows is not None and columns is not None:
            estimates.append(rows * columns / rows.mean(-2, keepdim=True).clamp_min(1e-30))
        else:
            estimates.append(state.get(f"variance/{name}", torch.zeros_like(tensor)).detach())
    estimate = weight.weight.layout.to_keras(*estimates)
    if part == "velocity":
        return estimate
    return estimate.mean(-1 if part == "r" else -2)


def to_torch(
    weight: NamedWeight,
    parts: Sequence[Tensor],
    state: dict[str, Any],
    names: Mapping[int, str],
) -> None:
    """Put Keras' parts of a weight's memory where torch looks for them."""
    rows, columns, estimate = parts
    if len(weight.shape) >= 2:
        share = rows / rows.mean(-1, keepdim=True).clamp_min(1e-30)
        estimate = share.unsqueeze(-1) * columns.unsqueeze(-2)
    attributes = weight.weight.attributes
    for attribute, part in zip(attributes, weight.weight.layout.to_torch(estimate), strict=True):
        name = names.get(id(getattr(weight.module, attribute)))
        if name is None:
            continue
        if part.ndim > 1:
            state[f"row_var/{name}"] = part.mean(-1, keepdim=True)
            state[f"col_var/{name}"] = part.mean(-2, keepdim=True)
        else:
            state[f"variance/{name}"] = part.clone()
