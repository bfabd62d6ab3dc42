"""A model's weights: their names without the wrapper's, and as NumPy arrays."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from epochal.core.errors import Problems, UsageError
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
    return sum(tensor.numel() for tensor in _tensors(model))


def get_arrays(model: nn.Module) -> list[np.ndarray[Any, Any]]:
    """Return copies of all weights, layer by layer."""
    _need_weights(model, "get_weights")
    arrays: list[np.ndarray[Any, Any]] = []
    for owner in _owners(model):
        if isinstance(owner, Layer):
            arrays += owner.get_weights()
        else:
            arrays += [tensor.detach().cpu().numpy().copy() for tensor in _own(owner)]
    return arrays


def set_arrays(model: nn.Module, arrays: Sequence[Any]) -> None:
    """Write all weights, layer by layer; nothing is changed unless everything fits."""
    _need_weights(model, "set_weights")
    problems = Problems("set_weights")
    have = get_arrays(model)
    if len(arrays) != len(have):
        problems.add(f"got {len(arrays)} arrays; the model has {len(have)} weights")
    for index, (given, own) in enumerate(zip(arrays, have, strict=False)):
        if np.shape(given) != own.shape:
            problems.add(f"array {index} has the shape {np.shape(given)}; expected {own.shape}")
    problems.raise_if_any()
    rest = list(arrays)
    for owner in _owners(model):
        if isinstance(owner, Layer):
            number = len(owner.get_weights())
            owner.set_weights(rest[:number])
            del rest[:number]
        else:
            with torch.no_grad():
                for tensor in _own(owner):
                    tensor.copy_(torch.as_tensor(np.asarray(rest.pop(0))))


def _owners(model: nn.Module) -> Iterator[nn.Module]:
    """Yield the modules that own weights: a Keras-style layer as a whole, else each by itself."""
    if isinstance(model, Layer):
        yield model
        return
    yield model
    for child in model.children():
        yield from _owners(child)


def _own(module: nn.Module) -> list[Tensor]:
    persistent = [
        buffer
        for name, buffer in module._buffers.items()
        if buffer is not None and name not in module._non_persistent_buffers_set
    ]
    return [*module.parameters(recurse=False), *persistent]


def _tensors(model: nn.Module) -> Iterator[Tensor]:
    seen: set[int] = set()
    for tensor in (*model.parameters(), *(t for m in model.modules() for t in _own(m))):
        if id(tensor) not in seen:
            seen.add(id(tensor))
            yield tensor


def _need_weights(model: nn.Module, call: str) -> None:
    unbuilt = [m for m in model.modules() if isinstance(m, Layer) and not m.built]
    waiting = [m for m in unbuilt if type(m).build is not Layer.build]
    if waiting:
        raise UsageError(
            f"{call}: the model has no weights yet ({waiting[0].label} waits for its first input); "
            "give input_shape= to the first layer, or call the model on data once"
        )
