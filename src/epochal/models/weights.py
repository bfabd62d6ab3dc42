"""A model's weights: their names without the wrapper's, and as NumPy arrays."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from torch import nn

from epochal import layers
from epochal.core.errors import UsageError
from epochal.layers import Layer

__all__ = ["count", "get_arrays", "hide_prefix", "set_arrays", "without_prefix"]


def hide_prefix(model: nn.Module, name: str) -> None:
    """Make `state_dict` and `load_state_dict` speak of a wrapped module's weights by its own names.

    Args:
        model: The module that wraps another.
        name: The attribute that holds it.
    """

    def strip(_: nn.Module, state: dict[str, Any], prefix: str, __: Any) -> None:
        hidden = f"{prefix}{name}."
        for key in [key for key in state if key.startswith(hidden)]:
            state[prefix + key.removeprefix(hidden)] = state.pop(key)

    def restore(_: nn.Module, state: dict[str, Any], prefix: str, *__: Any) -> None:
        for key in [key for key in state if key.startswith(prefix)]:
            state[f"{prefix}{name}.{key.removeprefix(prefix)}"] = state.pop(key)

    def tell(_: nn.Module, incompatible: Any) -> None:
        for keys in incompatible:
            keys[:] = [key.replace(f"{name}.", "", 1) for key in keys]

    # torch's own way for wrappers; these methods have no annotations yet.
    model.register_state_dict_post_hook(strip)  # type: ignore[no-untyped-call]
    model.register_load_state_dict_pre_hook(restore)  # type: ignore[no-untyped-call]
    model.register_load_state_dict_post_hook(tell)  # type: ignore[no-untyped-call]


def without_prefix(model: nn.Module, name: str) -> str:
    """Return a parameter's name without the wrapper's attribute."""
    return name.removeprefix("network.") if "network" in model._modules else name


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
