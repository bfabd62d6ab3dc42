"""How weights begin: Keras' initializers, drawn from torch's generator.

An initializer is called with the shape of a weight **as Keras lays it out** (`(in, out)` for a
dense kernel, `(height, width, in, out)` for a convolution), so that fan-in and fan-out are those
that Keras computes. Values are always drawn on the CPU and then moved: one seed gives the same
weights on every device.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from epochal.core.errors import UsageTypeError
from epochal.core.names import Registry
from epochal.initializers.base import Constant, Identity, Initializer, Ones, Zeros
from epochal.initializers.random import Orthogonal, RandomNormal, RandomUniform, TruncatedNormal
from epochal.initializers.scaling import (
    GlorotNormal,
    GlorotUniform,
    HeNormal,
    HeUniform,
    LecunNormal,
    LecunUniform,
    VarianceScaling,
)

__all__ = [
    "Constant",
    "GlorotNormal",
    "GlorotUniform",
    "HeNormal",
    "HeUniform",
    "Identity",
    "Initializer",
    "InitializerLike",
    "LecunNormal",
    "LecunUniform",
    "Ones",
    "Orthogonal",
    "RandomNormal",
    "RandomUniform",
    "TruncatedNormal",
    "VarianceScaling",
    "Zeros",
    "deserialize",
    "draw",
    "get",
    "serialize",
]

InitializerLike: TypeAlias = str | Mapping[str, Any] | type[Initializer] | Callable[..., Any] | None
"""What an `..._initializer` argument takes: a name, a config, a class, an instance, a function."""

_REGISTRY = Registry[type[Initializer]]("initializer")
for _class, _aliases in (
    (Zeros, ("zero",)),
    (Ones, ("one",)),
    (Constant, ()),
    (RandomNormal, ("normal",)),
    (RandomUniform, ("uniform",)),
    (TruncatedNormal, ()),
    (VarianceScaling, ()),
    (GlorotNormal, ()),
    (GlorotUniform, ()),
    (HeNormal, ()),
    (HeUniform, ()),
    (LecunNormal, ()),
    (LecunUniform, ()),
    (Orthogonal, ("OrthogonalInitializer",)),
    (Identity, ("IdentityInitializer",)),
):
    _REGISTRY.add(_class, *_aliases)


def get(identifier: InitializerLike) -> Callable[..., Any] | None:
    """Return the initializer that `identifier` stands for.

    Args:
        identifier: A name (`"he_normal"`, `"HeNormal"`), a config, a class, an instance, any
            function `f(shape, dtype=...)`, or `None`, which stays `None`.

    Raises:
        UsageError: If the name is unknown or the thing cannot initialise anything.

    Example:
        >>> get("he_normal").get_config()
        {'seed': None}
    """
    if identifier is None:
        return None
    if isinstance(identifier, str):
        return _REGISTRY[identifier]()
    if isinstance(identifier, Mapping):
        return deserialize(identifier)
    if isinstance(identifier, type) and issubclass(identifier, Initializer):
        return identifier()
    if callable(identifier) and not isinstance(identifier, type):
        return identifier
    raise UsageTypeError(f"got {identifier!r}; expected the name of an initializer, or a callable")


def serialize(initializer: Initializer) -> dict[str, Any]:
    """Return the class name and config from which `deserialize` makes the same initializer."""
    return {"class_name": type(initializer).__name__, "config": initializer.get_config()}


def deserialize(config: Mapping[str, Any]) -> Initializer:
    """Return the initializer that a config describes; its `config` part may be missing."""
    arguments = dict(config.get("config") or {})
    for axes in ("input_axes", "output_axes"):  # written by Keras, `None` unless set by hand
        if arguments.get(axes, 0) is None:
            del arguments[axes]
    return _REGISTRY[config["class_name"]].from_config(arguments)


def draw(
    initializer: Callable[..., Any],
    shape: Sequence[int],
    dtype: torch.dtype,
    device: torch.device,
) -> Tensor:
    """Return the first values of a weight from an `Initializer` or any `f(shape, dtype=...)`.

    On torch's meta device nothing is drawn: whoever builds a model there has values for it.
    """
    if device.type == "meta":
        return torch.empty(tuple(shape), dtype=dtype, device=device)
    if isinstance(initializer, Initializer):
        return initializer(shape, dtype, device)
    values = torch.as_tensor(initializer(tuple(shape), dtype=dtype))
    return values.detach().to(dtype=dtype, device=device)
