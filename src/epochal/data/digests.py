"""Hashes by which batches and arrays are known again in another process."""

import hashlib
from typing import Any

import torch
from torch import Tensor

from epochal.core.trees import flatten

__all__ = ["digest", "digest_of_some"]

_ROWS = 32  # of an array, and values of each, by which other data are told from the same


def digest(tree: Any) -> str:
    """Return a hash of all values of a batch.

    Args:
        tree: Tensors and None, nested.
    """
    found = hashlib.sha256()
    for leaf in flatten(list(tree)):
        values = leaf.detach().cpu().contiguous()
        found.update(f"{values.dtype} {tuple(values.shape)}".encode())
        found.update(values.reshape(-1).view(torch.uint8).numpy())
    return found.hexdigest()


def digest_of_some(leaves: list[Tensor]) -> str:
    """Return a hash of values from all over arrays, few enough to be looked at each time.

    Args:
        leaves: Tensors of (N, ...).
    """
    return digest([_some(leaf) for leaf in leaves])


def _some(values: Tensor) -> Tensor:
    rows = torch.linspace(0, len(values) - 1, min(len(values), _ROWS)).long()
    some = values[rows.to(values.device)].reshape(len(rows), -1)
    return some[:, :: max(1, some.shape[1] // _ROWS)]
