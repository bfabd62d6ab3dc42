"""Layers by name: `get`, `serialize`, `deserialize`."""

import importlib
from collections.abc import Mapping
from typing import Any, TypeAlias, TypeVar

from epochal import activations
from epochal.core.errors import UsageTypeError, unknown_name
from epochal.core.names import Registry
from epochal.layers.base import Layer

__all__ = [
    "LayerLike",
    "deserialize",
    "get",
    "get_activation",
    "is_builtin",
    "is_known",
    "register",
    "serialize",
    "unknown",
]

LayerLike: TypeAlias = str | Mapping[str, Any] | type[Layer] | Layer
"""What `get` takes."""


def _add_builtin() -> None:
    """Register epochal's own layers, all of which have to be imported for that."""
    importlib.import_module("epochal.layers.builtin")


_REGISTRY = Registry[type[Layer]]("layer", _add_builtin)
_L = TypeVar("_L", bound=type[Layer])


def register(layer: _L, *aliases: str) -> _L:
    """Make a layer class known by its name, so that `deserialize` finds it; use it as a decorator.

    Example:
        >>> from epochal.layers import Layer
        >>> @register
        ... class Halve(Layer):
        ...     def forward(self, inputs):
        ...         return inputs / 2
        >>> type(get("halve")).__name__
        'Halve'
    """
    _REGISTRY.add(layer, *aliases)
    return layer


def is_known(name: str) -> bool:
    """Return whether `deserialize` finds a layer class of that name.

    Example:
        >>> is_known("Dense"), is_known("Capsule")
        (True, False)
    """
    return name in _REGISTRY


def is_builtin(name: str) -> bool:
    """Return whether a layer class of that name is epochal's own.

    Example:
        >>> is_builtin("Dense")
        True
    """
    return is_known(name) and _REGISTRY[name].__module__.startswith("epochal.layers.")


def unknown(name: str) -> str:
    """Return one sentence about the name of a layer class that nobody knows.

    Example:
        >>> unknown("Dens")[:40]
        "unknown layer 'Dens': did you mean 'dens"
    """
    return unknown_name("layer", name, _REGISTRY)


def get(identifier: LayerLike) -> Layer:
    """Return the layer that `identifier` stands for.

    Args:
        identifier: A config, an instance, or the name or class of a layer that needs no arguments.

    Raises:
        UsageError: If the name is unknown or the thing is no layer.

    Example:
        >>> get({"class_name": "Dense", "config": {"units": 3}}).units
        3
    """
    if isinstance(identifier, str):
        return _REGISTRY[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type):
        return identifier()
    if isinstance(identifier, Layer):
        return identifier
    raise UsageTypeError(f"got {identifier!r}; expected a layer, its name or its config")


def serialize(layer: Layer) -> dict[str, Any]:
    """Return the class name and config from which `deserialize` makes the same layer.

    Raises:
        UsageError: If an argument of the layer cannot be written down (a function, a module).

    Example:
        >>> from epochal.layers import Flatten
        >>> serialize(Flatten(name="flat"))["config"]["name"]
        'flat'
    """
    return {"class_name": type(layer).__name__, "config": layer.get_config()}


def deserialize(
    config: Mapping[str, Any], custom_objects: Mapping[str, type[Layer]] | None = None
) -> Layer:
    """Return the layer, without weights, that a config describes.

    Args:
        config: What `serialize` returned.
        custom_objects: Further layer classes by name.

    Raises:
        UsageError: If no class of that name is known.
    """
    name = config["class_name"]
    layer = (custom_objects or {}).get(name) or _REGISTRY[name]
    return layer.from_config(config.get("config") or {})


def get_activation(identifier: activations.ActivationLike) -> activations.Activation:
    """Return an activation; a layer's config stands for that layer."""
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    return activations.get(identifier)
