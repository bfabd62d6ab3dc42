"""Calling a model by hand as Keras' models are called: on NumPy arrays, and with `training=`."""

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import nn

from epochal.core.trees import flatten, map_leaves

__all__ = ["as_tensors", "in_mode"]


def as_tensors(model: nn.Module, inputs: Any) -> Any:
    """Return inputs with tensors for the NumPy arrays among them, where the model's weights are.

    As in `fit`, float64 becomes float32.

    Example:
        >>> as_tensors(nn.Linear(1, 1), [np.ones(2), torch.ones(1)])
        [tensor([1., 1.]), tensor([1.])]
    """
    if not any(isinstance(leaf, np.ndarray) for leaf in flatten(inputs)):
        return inputs
    first = next(model.parameters(), None)

    def convert(leaf: Any) -> Any:
        if not isinstance(leaf, np.ndarray):
            return leaf
        tensor = torch.as_tensor(leaf)
        return tensor.to(
            device=None if first is None else first.device,
            dtype=torch.float32 if tensor.dtype == torch.float64 else None,
        )

    return map_leaves(convert, inputs)


@contextlib.contextmanager
def in_mode(model: nn.Module, training: bool) -> Iterator[None]:
    """Train or not for a while; then every module is in the mode that it was in.

    Example:
        >>> model = nn.Dropout(0.5)
        >>> with in_mode(model, False):
        ...     model(torch.ones(2))
        tensor([1., 1.])
        >>> model.training
        True
    """
    modes = [(module, module.training) for module in model.modules()]
    model.train(training)
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
