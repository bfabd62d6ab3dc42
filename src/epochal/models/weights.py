"""A model's weights as NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError
from epochal.layers import Layer

__all__ = ["count", "get_arrays", "set_arrays"]


def count(model: nn.Module) -> int:
    """Return how many numbers the weights hold."""
    _need_weights(model, "count_params")
    return sum(weight.value.numel() for weight in layers.named_weights(model))


def get_arrays(model: nn.Module) -> list[np.ndarray[Any, Any]]:
    """Return copies of all weights, layer by layer."""
    _need_weights(model, "get_weights")
    return layers.get_arrays(model)


def set_arrays(model: nn.Module, arrays: Sequence[Any]) -> None:
    """Write all weights, layer by layer; nothing is changed unless everything fits."""
    _need_weights(model, "set_weights")
    layers.set_arrays(model, arrays, "set_weights")


def _need_weights(model: nn.Module, call: str) -> None:
    unbuilt = [m for m in model.modules() if isinstance(m, Layer) and not m.built]
    waiting = [m for m in unbuilt if type(m).build is not Layer.build]
    if waiting:
        raise UsageError(
            f"{call}: the model has no weights yet ({waiting[0].label} waits for its first input); "
            "give input_shape= to the first layer, or call the model on data once"
        )
