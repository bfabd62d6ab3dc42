"""Optimizers by name: `get("adam")`, `serialize`, `deserialize`."""

import inspect
from collections.abc import Mapping
from typing import Any

import torch

from epochal.core.config import plain
from epochal.core.errors import UsageTypeError
from epochal.core.names import Registry
from epochal.optimizers.adaptive import Adafactor, Adam, Adamax, AdamW, Nadam
from epochal.optimizers.base import Optimizer
from epochal.optimizers.classic import SGD, Adadelta, Adagrad, RMSprop, Rprop
from epochal.optimizers.from_torch import TorchOptimizer

__all__ = ["deserialize", "get", "serialize"]

_OPTIMIZERS = Registry[type[Optimizer]]("optimizer")
_OPTIMIZERS.add(SGD)
_OPTIMIZERS.add(Adam)
_OPTIMIZERS.add(AdamW, "adamw")
_OPTIMIZERS.add(RMSprop, "rmsprop")
_OPTIMIZERS.add(Adagrad)
_OPTIMIZERS.add(Adadelta)
_OPTIMIZERS.add(Adamax)
_OPTIMIZERS.add(Nadam)
_OPTIMIZERS.add(Adafactor)
_OPTIMIZERS.add(Rprop)


def get(identifier: object) -> Optimizer:
    """Return the optimizer that `identifier` stands for.

    Args:
        identifier: A name in any case (`"adam"`, `"RMSprop"`), an `Optimizer` or its class, a
            `torch.optim` class, an optimizer of torch, a function `weights -> optimizer of torch`,
            or what `serialize` returned.

    Returns:
        An optimizer, not built yet unless it was.

    Raises:
        UsageError: If the name is not one of an optimizer.
        UsageTypeError: If `identifier` is nothing of the kind.

    Example:
        >>> get("ADAM").learning_rate
        0.001
        >>> type(get(torch.optim.ASGD)).__name__
        'TorchOptimizer'
    """
    if isinstance(identifier, Optimizer):
        return identifier
    if isinstance(identifier, str):
        return _OPTIMIZERS[identifier if identifier in _OPTIMIZERS else identifier.lower()]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if inspect.isclass(identifier) and issubclass(identifier, Optimizer):
        return identifier()
    if isinstance(identifier, torch.optim.Optimizer) or callable(identifier):
        return TorchOptimizer(identifier)
    raise UsageTypeError(
        f"an optimizer was given as {identifier!r}; give a name, an Optimizer, an optimizer of "
        f"torch.optim or its class. Names: {', '.join(_OPTIMIZERS)}"
    )


def serialize(optimizer: Optimizer) -> dict[str, Any]:
    """Return the optimizer's arguments as JSON can hold them, without its state.

    Args:
        optimizer: An optimizer.

    Returns:
        `{"class_name": ..., "config": {...}}`.

    Example:
        >>> serialize(SGD(0.1))["config"]["learning_rate"]
        0.1
    """
    result: dict[str, Any] = plain(optimizer)
    return result


def deserialize(config: Mapping[str, Any]) -> Optimizer:
    """Return the optimizer that `serialize` described.

    Args:
        config: `{"class_name": ..., "config": {...}}`; the name in any case.

    Returns:
        A new optimizer.

    Raises:
        UsageError: If the class is not one of epochal's optimizers.

    Example:
        >>> deserialize({"class_name": "SGD", "config": {"momentum": 0.9}}).momentum
        0.9
    """
    name = config["class_name"]
    return _OPTIMIZERS[name if name in _OPTIMIZERS else name.lower()].from_config(
        config.get("config", {})
    )
